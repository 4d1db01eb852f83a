"""The thread that tells Redis: requests and replies of the whole process, many in one round trip.

Callers never wait for Redis themselves, whatever thread or event loop they are on. While Redis is away what is to be
told waits, each until its own deadline.
"""

import logging
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from xerpium_sdk.events.connection import cannot_heal
from xerpium_sdk.events.trouble import Trouble

__all__ = ["CommandLetter", "Letter", "ReplyLetter", "RequestLetter", "Sender"]

logger = logging.getLogger(__name__)

BATCH = 100
JOIN_SECONDS = 2.0
MAX_LENGTH = 100_000
"""Entries that a stream of requests or replies holds at most, about."""
SENT_TTL_MS = 3_600_000
REPLY_TTL_MS = 60_000
"""How long replies are kept for a requester that does not fetch them."""
UNSERVED_TTL_MS = 60_000
"""How long, beyond the last deadline, requests are kept that no service has ever come for."""
EVERY_REQUEST = 4
_FIELDS = 22

_ASK = f"""
local last = tonumber(redis.call('GET', KEYS[1]) or 0)
if tonumber(ARGV[1]) <= last then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local answers = {{}}
for index = 2, #KEYS do
    local at = {EVERY_REQUEST} + (index - 2) * ({_FIELDS} + 1)
    local left, data = tonumber(ARGV[at]), at + 18
    ARGV[data] = '{{"deadline":' .. string.format('%d', now + left) .. ',' .. string.sub(ARGV[data], 2)
    local ttl = redis.call('PTTL', KEYS[index])
    local added = redis.pcall('XADD', KEYS[index], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, at + 1, at + {_FIELDS}))
    if type(added) == 'table' and added.err then
        answers[index - 1] = added.err
    else
        answers[index - 1] = ''
        if ttl ~= -1 and ttl < left + {UNSERVED_TTL_MS} then
            redis.call('PEXPIRE', KEYS[index], left + {UNSERVED_TTL_MS})
        end
    end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return answers
"""
"""Appends requests once however often it is sent: batches of one process are numbered, and the last number is kept.

A stream that nobody serves yet ends by itself; whoever serves it makes it last.
"""

_ANSWER = """
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('XACK', KEYS[2], ARGV[3], ARGV[4])
redis.call('XDEL', KEYS[2], ARGV[4])
redis.call('PERSIST', KEYS[2])
return 1
"""
"""The reply and the end of the request: both or neither, so that only a death before this has it handled again."""


class Letter:
    """Something to tell Redis until ``deadline`` (`time.monotonic`)."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.ended = False
        """Whether Redis has it, or never will."""
        self.on_end: Callable[[Any, Exception | None], object] = _ignore
        """Called once, in the sender's thread, with the answer of Redis or the error; set before it is put."""

    def withdraw(self) -> None:
        """Do not send it if that has not happened yet."""
        self.deadline = 0.0

    def end(self, answer: Any = None, error: Exception | None = None) -> None:
        """Say what became of it."""
        if self.ended:
            return
        self.ended = True
        try:
            self.on_end(answer, error)
        except Exception:
            logger.exception("What became of a request or reply could not be told")


class RequestLetter(Letter):
    """A request: ``fields`` for ``stream``; the deadline is also that of the request."""

    def __init__(self, stream: str, fields: Sequence[str], deadline: float) -> None:
        super().__init__(deadline)
        self.stream, self.fields = stream, fields


class ReplyLetter(Letter):
    """A reply to ``stream``, and with it the end of the request ``entry_id`` of ``requests`` for ``group``."""

    def __init__(
        self, stream: str, fields: Sequence[str], deadline: float, *, requests: str, group: str, entry_id: str
    ) -> None:
        super().__init__(deadline)
        self._about = (stream, requests, MAX_LENGTH, REPLY_TTL_MS, group, entry_id)
        self._fields = fields

    @property
    def command(self) -> tuple[Any, ...]:
        """What Redis is told."""
        return ("EVAL", _ANSWER, 2, *self._about, *self._fields)


class CommandLetter(Letter):
    """Any command."""

    def __init__(self, command: tuple[Any, ...], deadline: float) -> None:
        super().__init__(deadline)
        self.command = command


class Sender:
    """Sends letters in their order. ``sent_key`` holds the number of the last batch of requests."""

    def __init__(self, client: Redis, sent_key: str) -> None:
        self.client = client
        self.last_error: Exception | None = None
        """Why letters are waiting; None while Redis takes them."""
        self._sent_key, self._number = sent_key, 0
        self._queue: SimpleQueue[Letter | None] = SimpleQueue()
        self._trouble = Trouble("Redis", "requests and replies wait")
        self._closing = Event()
        self._thread: Thread | None = None
        self._lock = Lock()

    def put(self, letter: Letter) -> None:
        """Have ``letter`` sent; returns at once."""
        self._queue.put(letter)
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = Thread(target=self._run, name="xerpium-requests-send", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Send what there is, if Redis takes it now, and end."""
        self._closing.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    # --- in the thread

    def _run(self) -> None:
        while (letter := self._queue.get()) is not None:
            batch: list[Letter] = [letter]
            over = self._add_more(batch)
            self._deliver(batch)
            if over:
                return

    def _add_more(self, batch: list[Letter]) -> bool:
        """Add what else is there; return whether it ends with that."""
        try:
            while len(batch) < BATCH:
                letter = self._queue.get_nowait()
                if letter is None:
                    return True
                batch.append(letter)
        except Empty:
            pass
        return False

    def _deliver(self, batch: list[Letter]) -> None:
        """Tell Redis until it has heard: again after an answer that got lost, under the same number."""
        self._number += 1
        while batch := self._in_time(batch):
            try:
                batch = self._send(batch)
                if self.last_error is None:
                    self._trouble.over()
                    return
                error = self.last_error
            except (RedisError, OSError) as caught:
                error = self.last_error = caught
                if isinstance(caught, RedisError) and cannot_heal(caught):
                    _end(batch, caught)
                    return
            except Exception as caught:  # a fault here must not end the thread that all requests need
                logger.exception("Requests or replies could not be put into commands")
                _end(batch, caught)
                return
            pause = self._trouble.met(error)
            if self._closing.wait(pause):
                _end(batch, error)
                return

    def _in_time(self, batch: list[Letter]) -> list[Letter]:
        now = time.monotonic()
        late = [letter for letter in batch if letter.deadline <= now]
        _end(late, self.last_error or TimeoutError("Its deadline passed before it could be sent."))
        return [letter for letter in batch if letter.deadline > now]

    def _send(self, batch: list[Letter]) -> list[Letter]:
        """Send in one round trip; return what Redis has not taken, and may take later."""
        requests = [letter for letter in batch if isinstance(letter, RequestLetter)]
        others: list[Any] = [letter for letter in batch if not isinstance(letter, RequestLetter)]
        pipeline: Any = self.client.pipeline(transaction=False)
        if requests:
            pipeline.execute_command(*self._ask(requests))
        for letter in others:
            pipeline.execute_command(*letter.command)
        answers = pipeline.execute(raise_on_error=False)
        self.last_error = None
        refused: list[Letter] = []
        if requests:
            refused += self._settle_requests(requests, answers.pop(0))
        for letter, answer in zip(others, answers, strict=True):
            refused += self._settle(letter, answer)
        return refused

    def _ask(self, requests: Sequence[RequestLetter]) -> tuple[Any, ...]:
        now = time.monotonic()
        arguments: list[Any] = [self._number, SENT_TTL_MS, MAX_LENGTH]
        for letter in requests:
            arguments += (max(int((letter.deadline - now) * 1000), 1), *letter.fields)
        streams = [letter.stream for letter in requests]
        return ("EVAL", _ASK, 1 + len(streams), self._sent_key, *streams, *arguments)

    def _settle_requests(self, requests: list[RequestLetter], answer: Any) -> list[Letter]:
        if isinstance(answer, Exception):
            return [one for letter in requests for one in self._settle(letter, answer)]
        for letter, fault in zip(requests, answer or [b""] * len(requests), strict=True):
            letter.end(error=ResponseError(fault.decode()) if fault else None)
        return []

    def _settle(self, letter: Letter, answer: Any) -> list[Letter]:
        if not isinstance(answer, Exception):
            letter.end(answer)
        elif isinstance(answer, RedisError) and cannot_heal(answer):
            letter.end(error=answer)
        else:
            self.last_error = answer
            return [letter]
        return []


def _ignore(answer: Any, error: Exception | None) -> None:
    """Nobody asks."""


def _end(letters: Sequence[Letter], error: Exception) -> None:
    for letter in letters:
        letter.end(error=error)
