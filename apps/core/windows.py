"""Counting in time windows: in Redis for all processes together, in this process while Redis is away.

Redis counts by the scripts of the library ``limits``, each of which decides and counts in one step: no number of
threads or processes gets more than the limit. While Redis is away every process counts for itself, by the same limits:
a caller then has as many times the limit as there are processes, and never no limit (docs/decisions/0023).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

import structlog
from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter

from apps.core.redis import Redis, RedisError, connect
from xerpium_sdk.wire import keys

__all__ = ["LocalWindows", "Rule", "SharedWindows", "Store", "Windows"]

T = TypeVar("T")

SOCKET_TIMEOUT_SECONDS = 0.5
"""A limit that Redis does not answer within this time is counted here."""
RETRY_SECONDS = 2.0
_MOST_EXACT = 1000
"""Up to here every single hit is remembered; above, two counters stand for them."""
_MOST_LOCAL_KEYS = 50_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """At most ``amount`` in ``seconds``, for each subject; ``name`` stands in headers, metrics and keys."""

    name: str
    amount: int
    seconds: int = 60


class Windows(Protocol):
    """What counts. A ``subject`` is a digest: neither a name nor a secret gets into a key."""

    def take(self, rule: Rule, subject: str) -> bool:
        """Count one, unless the limit is reached; return whether there was room."""
        ...

    def state(self, rule: Rule, subject: str) -> tuple[int, float]:
        """Return how many are left, and after how many seconds there will be more."""
        ...

    def remember(self, mark: str, seconds: int) -> None:
        """Keep ``mark`` for some time."""
        ...

    def knows(self, mark: str) -> bool:
        """Whether ``mark`` is kept."""
        ...

    def forget(self, mark: str) -> None:
        """Keep ``mark`` no longer."""
        ...


class SharedWindows:
    """Windows in Redis. Every key has a TTL.

    Raises:
        RedisError: (every method) Redis is away.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        # The library gets connections of the hub's own making: it would not know all of our URLs.
        storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix=keys.LIMITS)
        self._exact = MovingWindowRateLimiter(storage)
        self._rough = SlidingWindowCounterRateLimiter(storage)

    def _limiter(self, rule: Rule) -> RateLimiter:
        return self._exact if rule.amount <= _MOST_EXACT else self._rough

    def take(self, rule: Rule, subject: str) -> bool:
        """Count one, unless the limit is reached; return whether there was room."""
        return self._limiter(rule).hit(_item(rule), subject)

    def state(self, rule: Rule, subject: str) -> tuple[int, float]:
        """Return how many are left, and after how many seconds there will be more."""
        stats = self._limiter(rule).get_window_stats(_item(rule), subject)
        return stats.remaining, max(0.0, stats.reset_time - time.time())

    def remember(self, mark: str, seconds: int) -> None:
        """Keep ``mark`` for some time."""
        self._client.set(keys.limits_mark(mark), "1", ex=seconds)

    def knows(self, mark: str) -> bool:
        """Whether ``mark`` is kept."""
        return bool(self._client.exists(keys.limits_mark(mark)))

    def forget(self, mark: str) -> None:
        """Keep ``mark`` no longer."""
        self._client.delete(keys.limits_mark(mark))


@lru_cache(maxsize=256)
def _item(rule: Rule) -> RateLimitItem:
    return RateLimitItemPerSecond(rule.amount, rule.seconds, namespace=rule.name)


@dataclass(slots=True)
class _Window:
    began: float
    current: int = 0
    previous: int = 0


class LocalWindows:
    """Windows of one process: two counters a subject, of which the older weighs less and less. Of bounded size."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._windows: OrderedDict[tuple[Rule, str], _Window] = OrderedDict()
        self._marks: OrderedDict[str, float] = OrderedDict()

    def take(self, rule: Rule, subject: str) -> bool:
        """Count one, unless the limit is reached; return whether there was room."""
        with self._lock:
            window, weighted = self._turned(rule, subject)
            if weighted + 1 > rule.amount:
                return False
            window.current += 1
            return True

    def state(self, rule: Rule, subject: str) -> tuple[int, float]:
        """Return how many are left, and after how many seconds there will be more."""
        with self._lock:
            window, weighted = self._turned(rule, subject)
            left = window.began + rule.seconds - self._now()
            if window.current < rule.amount and window.previous:
                # The older counter has to weigh less than what the newer one leaves room for.
                left -= (rule.amount - window.current) / window.previous * rule.seconds
            return max(0, rule.amount - weighted), max(0.0, left)

    def _turned(self, rule: Rule, subject: str) -> tuple[_Window, int]:
        """Return the window, moved on to the present, and what counts in it."""
        now = self._now()
        window = self._windows.get((rule, subject)) or _Window(now)
        self._windows[rule, subject] = window
        self._windows.move_to_end((rule, subject))
        while len(self._windows) > _MOST_LOCAL_KEYS:
            self._windows.popitem(last=False)
        passed = int((now - window.began) // rule.seconds)
        if passed:
            window.previous = window.current if passed == 1 else 0
            window.current, window.began = 0, window.began + passed * rule.seconds
        share = 1 - (now - window.began) / rule.seconds
        return window, int(window.previous * share) + window.current

    def remember(self, mark: str, seconds: int) -> None:
        """Keep ``mark`` for some time."""
        with self._lock:
            self._marks[mark] = self._now() + seconds
            while len(self._marks) > _MOST_LOCAL_KEYS:
                self._marks.popitem(last=False)

    def knows(self, mark: str) -> bool:
        """Whether ``mark`` is kept."""
        with self._lock:
            return self._marks.get(mark, 0.0) > self._now()

    def forget(self, mark: str) -> None:
        """Keep ``mark`` no longer."""
        with self._lock:
            self._marks.pop(mark, None)


class Store:
    """The windows to use now: Redis's, or this process's own while Redis is away. Never an error, never no limit."""

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._shared: SharedWindows | None = None
        self._local = LocalWindows()
        self._retry_at = 0.0

    def use(self, deed: Callable[[Windows], T]) -> T:
        """Return what ``deed`` returns for the windows to use now; it may be called twice, the first time in vain."""
        if self._may_ask():
            try:
                result = deed(self._connected())
            except RedisError as error:
                self._note_away(error)
            else:
                self._retry_at = 0.0
                return result
        return deed(self._local)

    def _may_ask(self) -> bool:
        """Whether Redis is there, or it is this caller's turn to see whether it is back."""
        if not self._retry_at:
            return True
        with self._lock:
            if time.monotonic() < self._retry_at:
                return False
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return True

    def _connected(self) -> SharedWindows:
        with self._lock:
            if self._shared is None:
                url = self._url or settings.REDIS_URL
                self._shared = SharedWindows(connect(url, socket_timeout=SOCKET_TIMEOUT_SECONDS))
            return self._shared

    def _note_away(self, error: RedisError) -> None:
        if not self._retry_at:
            _log.warning("limits_counted_here", error=str(error))
        self._retry_at = time.monotonic() + RETRY_SECONDS
