"""Breakers that the processes of one service share through Redis.

>>> shared = SharedBreakers(Redis.from_url(url), group="order-service")
>>> shared.attach(CircuitBreaker(name="product-service"))
>>> with shared:
...     serve()

A call never waits for Redis: a thread of its own reads and writes there, and a breaker knows what that one heard last.
"""

import logging
import os
import socket
import threading
import weakref
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from xerpium_sdk.resilience._circuit import Change
from xerpium_sdk.resilience._sharing import Close, Heard, Member, Open, Order, Plain
from xerpium_sdk.resilience.breaker import CircuitBreaker
from xerpium_sdk.wire.keys import BREAKERS, breaker_keys

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["SharedBreakers"]

log = logging.getLogger("xerpium_sdk.resilience")
ANSWER_SECONDS = 1.0
"""How long Redis may take to answer before it counts as away."""
SHORTEST_PAUSE = 0.02
"""Between two questions, however many calls would like to know more."""
LEAVE_MS, WANTED_MS, OVER_MS = 3_000, 2_000, 60_000
"""How long leave is kept without being renewed, how long somebody is known to want it, how long an end is told."""
STOP_SECONDS = 0.25
"""How long an answer is waited for at the end, before the connection is broken."""
_IF_EQUAL = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call({what}) end return 0"
_RENEW = _IF_EQUAL.format(what="'pexpire', KEYS[1], ARGV[2]")
_DROP = _IF_EQUAL.format(what="'del', KEYS[1]")


class _Attached:
    """A breaker that is attached; it does not keep the breaker alive."""

    def __init__(self, breaker: CircuitBreaker, name: str, keys: tuple[str, str, str, str], who: str) -> None:
        self.breaker, self.name = weakref.ref(breaker), name
        self.opened, self.over, self.trial, self.wanted = self.keys = keys
        self.member = Member(who)


class SharedBreakers:
    """Lets breakers of the same name in several processes open together and close together.

    What one process finds out, the others know half a second later: that a service fails, and that it works again.
    While it is tried, only one breaker of a name has trial calls. While Redis is away, each process goes by what it
    sees itself; the log says so once. Its keys all expire by themselves.

    Args:
        client: of redis-py; the thread opens connections of its own to the same server.
        group: whose processes these are, usually the name of the calling service: another one may have its own way to
            the same target, which works.
        prefix: beginning of the keys.
        poll_seconds: how often Redis is asked.
    """

    def __init__(self, client: "Redis", *, group: str = "", prefix: str = BREAKERS, poll_seconds: float = 0.5) -> None:
        if not 0 < poll_seconds <= 1:
            raise ValueError(f"poll_seconds must be above 0 and at most 1, not {poll_seconds!r}.")
        self.group, self.prefix, self.poll_seconds = group, prefix, poll_seconds
        self._client = client
        self._lock = threading.Lock()
        self._attached: list[_Attached] = []
        self._thread: threading.Thread | None = None
        self._process = 0
        self._own: Redis | None = None
        self._wake, self._over = threading.Event(), threading.Event()
        self.trouble = ""
        """Why Redis is not heard; empty: it is, or nothing was asked yet."""

    @property
    def running(self) -> bool:
        """Whether its thread runs, in this process."""
        return self._thread is not None and self._thread.is_alive() and self._process == os.getpid()

    def attach(self, breaker: CircuitBreaker, name: str | None = None) -> None:
        """Share a breaker with those of the same name, for as long as it is used; ``name``: default, its own.

        Raises:
            ValueError: it has no name.
        """
        name = breaker.name if name is None else name
        if not name:
            raise ValueError("A breaker without a name has nobody to share with.")
        keys = breaker_keys(self.prefix, self.group, name)
        one = _Attached(breaker, name, keys, f"{socket.gethostname()}/{os.getpid()}")
        with self._lock:
            self._attached = [known for known in self._attached if known.breaker() is not None] + [one]
        breaker._on_wait = self._wake.set
        breaker.subscribe(self._changed)
        self._wake.set()

    def start(self) -> None:
        """Begin to read and write; nothing happens if it has begun. Redis may be away."""
        with self._lock:
            if self.running:
                return
            from xerpium_sdk.events.connection import dedicated

            self._process, self._over = os.getpid(), threading.Event()
            self._own = own = dedicated(self._client, timeout=ANSWER_SECONDS)
            name = f"breakers {self.group}".strip()
            self._thread = threading.Thread(target=self._run, args=(own, self._over), name=name, daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 2.0) -> bool:
        """End within ``timeout`` seconds, and give leave for trials back; breakers go on by themselves.

        Returns False when the thread is left, which ends by itself: while it connects, nobody can end it.
        """
        with self._lock:
            thread, own, self._thread = self._thread, self._own, None
            self._over.set()
        if thread is None or own is None or self._process != os.getpid():
            return True
        self._wake.set()
        thread.join(min(STOP_SECONDS, timeout))
        if thread.is_alive():
            from xerpium_sdk.events.connection import hang_up

            hang_up(own)
            thread.join(max(0.0, timeout - STOP_SECONDS))
        return not thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _changed(self, breaker: CircuitBreaker, change: Change) -> None:
        self._wake.set()

    def _run(self, own: "Redis", over: threading.Event) -> None:
        try:
            while not over.is_set():
                self._try(own, over)
                self._wake.wait(self.poll_seconds)
                over.wait(SHORTEST_PAUSE)
                self._wake.clear()
        finally:
            self._end(own)

    def _try(self, own: "Redis", over: threading.Event) -> None:
        from redis.exceptions import RedisError

        try:
            self._turn(own)
        except (RedisError, OSError) as error:
            self._all_alone()
            if not self.trouble and not over.is_set():
                log.warning("Breakers are not shared, since Redis does not answer: %s", error)
            self.trouble = str(error) or type(error).__name__
        except Exception:
            self._all_alone()
            log.exception("Breakers are not shared for the moment.")
        else:
            if self.trouble:
                log.info("Breakers are shared again.")
            self.trouble = ""

    def _turn(self, own: "Redis") -> None:
        """Tell the others and hear of them, in one round trip, or two when there is news."""
        living = [(one, breaker) for one in self._attached if (breaker := one.breaker()) is not None]
        if not living:
            return
        pipeline = own.pipeline(transaction=False)
        for one, breaker in living:
            for order in breaker._decide(one.member.say):
                _write(pipeline, one, order)
        pipeline.mget([key for one, _ in living for key in one.keys])
        found = [None if raw is None else raw.decode(errors="replace") for raw in _last(pipeline)]
        told = [found[place : place + 4] for place in range(0, len(found), 4)]
        news = [one.opened for (one, _), heard in zip(living, told, strict=True) if one.member.is_news(heard[0])]
        seconds = self._seconds(own, news)
        for (one, breaker), (opened, over, holder, wanted) in zip(living, told, strict=True):
            heard = Heard(opened, over, holder, wanted, seconds.get(one.opened, 0.0))
            breaker._decide(partial(one.member.hear, heard))

    def _seconds(self, own: "Redis", keys: list[str]) -> dict[str, float]:
        """Return for how many seconds keys will stand."""
        if not keys:
            return {}
        pipeline = own.pipeline(transaction=False)
        for key in keys:
            pipeline.pttl(key)
        return {key: max(0, left) / 1000 for key, left in zip(keys, pipeline.execute(), strict=True)}

    def _all_alone(self) -> None:
        for one in self._attached:
            if (breaker := one.breaker()) is not None:
                breaker._decide(one.member.be_alone)

    def _end(self, own: "Redis") -> None:
        from redis.exceptions import RedisError

        held = [one for one in self._attached if one.member.is_holder]
        try:
            for one in held:
                own.eval(_DROP, 1, one.trial, one.member.token)
        except (RedisError, OSError) as error:
            log.debug("Leave for trials was not given back: %s", error)
        self._all_alone()
        own.close()
        own.connection_pool.disconnect()


def _write(pipeline: Any, one: _Attached, order: Order) -> None:
    """Put into ``pipeline`` what an order means."""
    token = one.member.token
    if isinstance(order, Open):
        pipeline.set(one.opened, order.text, px=order.milliseconds, nx=not order.over)
    elif isinstance(order, Close):
        pipeline.set(one.over, order.opening, px=OVER_MS)
        pipeline.eval(_DROP, 1, one.opened, order.text)
    elif order is Plain.TAKE:
        pipeline.set(one.trial, token, px=LEAVE_MS, nx=True)
        pipeline.set(one.wanted, token, px=WANTED_MS)
    elif order is Plain.RENEW:
        pipeline.eval(_RENEW, 1, one.trial, token, LEAVE_MS)
    else:
        pipeline.eval(_DROP, 1, one.trial, token)


def _last(pipeline: Any) -> Sequence[bytes | None]:
    answers: Sequence[Any] = pipeline.execute()
    found: Sequence[bytes | None] = answers[-1]
    return found
