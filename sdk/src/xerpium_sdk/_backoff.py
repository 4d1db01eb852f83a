"""How long to wait before the next try, so that a thousand clients do not return at once. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Backoff", "Random"]

Random = Callable[[], float]
"""Returns a number from [0, 1), as ``random.random`` does."""

_MAX_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: try n waits anything between 0 and ``min(cap, base * 2**n)`` seconds.

    Full jitter spreads clients that failed at the same moment over the whole interval; with half of it or less they
    would still arrive in waves.
    """

    base: float = 0.5
    cap: float = 30.0

    def delay(self, failures: int, random: Random, *, retry_after: float = 0.0) -> float:
        """Return the seconds to wait after ``failures`` failures in a row (the first is 1).

        ``retry_after`` is a wish of the hub: kept in full, and the jitter comes on top, because everyone got the same.
        """
        longest = self.base * 2.0 ** min(max(failures - 1, 0), _MAX_DOUBLINGS)
        return retry_after + random() * min(self.cap, longest)
