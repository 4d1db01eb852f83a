"""What all patterns of a process share: one thread that sends, one that reads the replies, one stream of replies.

There is one exchange for each Redis database that patterns of this process talk to; it ends with the last of them.
"""

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from secrets import token_hex
from threading import Lock
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from xerpium_sdk.events.connection import dedicated
from xerpium_sdk.events.options import host_name
from xerpium_sdk.events.patterns.counts import RequestMetrics
from xerpium_sdk.events.patterns.errors import RequestNotSent
from xerpium_sdk.events.patterns.mailbox import BLOCK_MS, Mailbox
from xerpium_sdk.events.patterns.messages import Reply
from xerpium_sdk.events.patterns.sender import CommandLetter, Letter, RequestLetter, Sender
from xerpium_sdk.wire.keys import requests_sent, stream_of_replies

__all__ = ["Exchange", "Waiting", "exchange_for", "leave"]

logger = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Requests that are over and whose further replies can still be told apart: late, or one too many."""
SEND_SECONDS = 3.0
CLOCK_SECONDS = 60.0
CLOCK_DOUBT_SECONDS = 0.5
_SERVER = ("host", "port", "path", "db", "username", "password")


class Waiting:
    """A request that waits for its reply."""

    __slots__ = ("began", "end", "letter", "metrics", "request_id", "request_type", "service")

    def __init__(
        self,
        *,
        request_id: str,
        service: str,
        request_type: str,
        letter: RequestLetter,
        metrics: RequestMetrics,
        end: Callable[[Reply | Exception], object],
    ) -> None:
        self.request_id, self.service, self.request_type = request_id, service, request_type
        self.letter, self.metrics = letter, metrics
        self.end = end
        """Lets whoever waits go on, with the reply or with what to raise; in any thread, and more than once."""
        self.began = time.perf_counter()


class Exchange:
    """Sends requests and replies, and hands incoming replies to those who wait."""

    def __init__(self, client: Redis) -> None:
        self.pid = os.getpid()
        self.name = f"{host_name()}-{self.pid}-{token_hex(4)}"
        self.reply_to = stream_of_replies(self.name)
        self.users = 0
        self.sender = Sender(dedicated(client, timeout=SEND_SECONDS), requests_sent(self.name))
        self._mailbox = Mailbox(dedicated(client, timeout=BLOCK_MS / 1000 + SEND_SECONDS), self.reply_to, self._take)
        self._lock = Lock()
        self._waiting: dict[str, Waiting] = {}
        self._over: OrderedDict[str, tuple[RequestMetrics, str]] = OrderedDict()
        self._clock_offset = time.time() - time.monotonic()
        self._clock_due = 0.0

    # --- requests

    def ask(self, waiting: Waiting) -> None:
        """Send a request; it ends with the reply, or with the error when Redis will not take it."""
        with self._lock:
            self._mailbox.begin()
            self._waiting[waiting.request_id] = waiting
        waiting.letter.on_end = partial(_was_told, waiting)
        self.sender.put(waiting.letter)

    def forget(self, waiting: Waiting) -> None:
        """Wait no longer."""
        with self._lock:
            if self._waiting.pop(waiting.request_id, None) is not None:
                self._remember(waiting, "late")
        waiting.letter.withdraw()

    def waiting_of(self, metrics: RequestMetrics) -> list[Waiting]:
        """Return what one pattern waits for."""
        with self._lock:
            return [one for one in self._waiting.values() if one.metrics is metrics]

    def _take(self, reply: Reply) -> None:
        with self._lock:
            waiting = self._waiting.pop(reply.request_id, None)
            if waiting is not None:
                self._remember(waiting, "duplicates")
            else:
                metrics, what = self._over.get(reply.request_id, (None, ""))
                if metrics is not None:
                    metrics.count(what)
                    self._over[reply.request_id] = (metrics, "duplicates")
        if waiting is not None:
            waiting.metrics.took(time.perf_counter() - waiting.began)
            waiting.end(reply)

    def _remember(self, waiting: Waiting, what: str) -> None:
        """Remember as what a further reply counts."""
        self._over[waiting.request_id] = (waiting.metrics, what)
        if len(self._over) > REMEMBERED:
            self._over.popitem(last=False)

    # --- the other side

    def tell(self, letter: Letter) -> None:
        """Send anything else."""
        self.sender.put(letter)

    def left(self, deadline_ms: int) -> float:
        """Return how many seconds there are until ``deadline_ms`` by the clock of Redis."""
        now = time.monotonic()
        if now >= self._clock_due:
            self.ask_for_time()
        return deadline_ms / 1000 - (now + self._clock_offset)

    def ask_for_time(self) -> None:
        """Compare the clocks; deadlines mean that of Redis, so that those of hosts need not agree."""
        began = time.monotonic()
        self._clock_due = began + CLOCK_SECONDS
        letter = CommandLetter(("TIME",), began + CLOCK_SECONDS)

        def note(answer: Any, error: Exception | None) -> None:
            now = time.monotonic()
            if error is not None or now - began > CLOCK_DOUBT_SECONDS:
                self._clock_due = now  # what waited was answered nobody knows when
                return
            seconds, microseconds = answer
            self._clock_offset = seconds + microseconds / 1e6 - (began + now) / 2

        letter.on_end = note
        self.tell(letter)

    # --- its end

    def close(self) -> None:
        """End the threads, and leave nothing in Redis."""
        self._mailbox.close()
        self.sender.close()
        client = self.sender.client
        try:
            client.delete(self.reply_to, requests_sent(self.name))
        except (RedisError, OSError) as error:
            logger.info("The stream of replies ends by itself in Redis: %s", error)
        client.close()
        client.connection_pool.disconnect()


_exchanges: dict[tuple[object, ...], Exchange] = {}
_lock = Lock()


def exchange_for(client: Redis) -> Exchange:
    """Return this process' exchange on the database of ``client``; each caller has to `leave` it again."""
    with _lock:
        key = _key(client)
        exchange = _exchanges.get(key)
        if exchange is None:
            exchange = _exchanges[key] = Exchange(client)
        exchange.users += 1
        return exchange


def leave(exchange: Exchange) -> None:
    """Use ``exchange`` no more; the last to leave waits until it is closed."""
    if exchange.pid != os.getpid():
        return  # a fork's copy: threads and stream are its parent's
    with _lock:
        exchange.users -= 1
        if exchange.users:
            return
        for key, one in list(_exchanges.items()):
            if one is exchange:
                del _exchanges[key]
    exchange.close()


def _key(client: Redis) -> tuple[object, ...]:
    """Say which database it is, and whose: threads do not survive a fork."""
    pool = client.connection_pool
    options = pool.connection_kwargs
    return (os.getpid(), pool.connection_class, *(options.get(name) for name in _SERVER))


def _was_told(waiting: Waiting, answer: Any, error: Exception | None) -> None:
    if error is not None:
        failure = RequestNotSent(f"Redis did not take the request {waiting.request_type} to {waiting.service}: {error}")
        failure.__cause__ = error
        waiting.end(failure)
