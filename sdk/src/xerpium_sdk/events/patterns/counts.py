"""What a `RequestResponsePattern` did, in numbers."""

from collections import Counter
from dataclasses import dataclass
from threading import Lock

from xerpium_sdk.events.metrics import Durations

__all__ = ["RequestMetrics", "RequestSnapshot"]


@dataclass(frozen=True, slots=True)
class RequestSnapshot:
    """One pattern since it was made."""

    sent: int
    """Requests that were made here."""
    answered: int
    """Of those: whose answer came in time, errors included."""
    failed: int
    """Of those: whose answer was an error."""
    timed_out: int
    """Of those: that got no answer in time."""
    not_sent: int
    """Of those: that Redis did not take."""
    abandoned: int
    """Of those: that nobody here waited for to the end."""
    late: int
    """Replies to requests that nobody waited for any more; dropped."""
    duplicates: int
    """Further replies to requests that had got theirs; dropped."""
    served: int
    """Requests of others that were answered, errors included."""
    errors: int
    """Of those: whose answer was an error."""
    unknown: int
    """Of those: of a type that nothing here handles."""
    expired: int
    """Requests of others that were dropped since their deadline had passed, before or while they were handled."""
    retried: int
    """Further calls of handlers after one that failed."""
    seconds_p50: float
    """Half of the answers took no longer to come than this; 0 without any."""
    seconds_p99: float
    """99 of 100 answers took no longer to come than this."""


_COUNTED = [name for name in RequestSnapshot.__dataclass_fields__ if not name.startswith("seconds")]


class RequestMetrics:
    """The running counts; any thread adds, any thread asks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._durations = Durations()

    def count(self, *names: str) -> None:
        """Count one of each."""
        with self._lock:
            self._counts.update(names)

    def took(self, seconds: float) -> None:
        """Count an answer that took so long to come."""
        with self._lock:
            self._durations.add((seconds,))

    def snapshot(self) -> RequestSnapshot:
        """Return what there is now."""
        with self._lock:
            counted = {name: self._counts[name] for name in _COUNTED}
            return RequestSnapshot(
                **counted, seconds_p50=self._durations.quantile(0.5), seconds_p99=self._durations.quantile(0.99)
            )
