"""What a breaker remembers of past calls: the last so many, or those of the last so many seconds. Pure.

Both answer in constant time: totals are kept beside a ring and corrected by what falls out of it, as in resilience4j.
"""

from typing import Protocol

__all__ = ["CountWindow", "TimeWindow", "Window"]

FAILED, SLOW = 1, 2
_EMPTY = 255


class Window(Protocol):
    """Totals of the calls that count now."""

    calls: int
    failures: int
    slow: int

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Count one call that ended at ``now`` (seconds of a monotonic clock)."""

    def expire(self, now: float) -> None:
        """Forget what no longer counts at ``now``."""


class CountWindow:
    """The last ``size`` calls."""

    __slots__ = ("_next", "_ring", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._ring = bytearray([_EMPTY]) * size
        self._next = 0
        self.calls = self.failures = self.slow = 0

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Count one call in place of the oldest."""
        ring, place = self._ring, self._next
        old = ring[place]
        if old == _EMPTY:
            self.calls += 1
        elif old:
            self.failures -= old & FAILED
            self.slow -= old >> 1
        ring[place] = failed | slow << 1
        self.failures += failed
        self.slow += slow
        place += 1
        self._next = 0 if place == len(ring) else place

    def expire(self, now: float) -> None:
        """Do nothing: calls of this window do not age."""


class TimeWindow:
    """The calls of the last ``seconds`` seconds, second by second."""

    __slots__ = ("_buckets", "_second", "calls", "failures", "slow")

    def __init__(self, seconds: int) -> None:
        self._buckets = [[0, 0, 0] for _ in range(seconds)]
        self._second = 0
        self.calls = self.failures = self.slow = 0

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Count one call in the second of ``now``."""
        self.expire(now)
        bucket = self._buckets[self._second % len(self._buckets)]
        bucket[0] += 1
        bucket[1] += failed
        bucket[2] += slow
        self.calls += 1
        self.failures += failed
        self.slow += slow

    def expire(self, now: float) -> None:
        """Forget the seconds that are more than the window's length before ``now``; clocks that go back are ignored."""
        second = int(now)
        for passed in range(max(self._second + 1, second - len(self._buckets) + 1), second + 1):
            bucket = self._buckets[passed % len(self._buckets)]
            self.calls -= bucket[0]
            self.failures -= bucket[1]
            self.slow -= bucket[2]
            bucket[:] = (0, 0, 0)
        self._second = max(self._second, second)
