"""What a `BulkProcessingPattern` did, in numbers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from xerpium_sdk.events.metrics import Durations

__all__ = ["BulkMetrics", "BulkSnapshot"]


@dataclass(frozen=True, slots=True)
class BulkSnapshot:
    """One pattern since it was made."""

    added: int
    """Items that were added, or were processed for a consumer that the pattern is attached to."""
    processed: int
    """Items whose batch the processor took."""
    failed: int
    """Items that were given up; those of a consumer are counted there."""
    retried: int
    """Further tries of items that failed alone."""
    batches: int
    """Calls of the processor that succeeded."""
    splits: int
    """Batches that failed and were split."""
    seconds_p50: float
    """Half of the calls of the processor took no longer; 0 without any."""
    seconds_p99: float

    @property
    def pending(self) -> int:
        """Items that wait or are being processed; only for items that were added here."""
        return self.added - self.processed - self.failed


class BulkMetrics:
    """The running counts; any thread adds, any thread asks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._durations = Durations()
        self._counts = dict.fromkeys(("added", "processed", "failed", "retried", "batches", "splits"), 0)

    def count(self, **numbers: int) -> None:
        """Add to the counts."""
        with self._lock:
            for name, number in numbers.items():
                self._counts[name] += number

    @contextmanager
    def call(self, items: int) -> Iterator[None]:
        """Count a call of the processor with so many items; one that raises has processed none."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._durations.add((time.perf_counter() - began,))
        self.count(processed=items, batches=1)

    def snapshot(self) -> BulkSnapshot:
        """Return what there is now."""
        with self._lock:
            p50, p99 = self._durations.quantile(0.5), self._durations.quantile(0.99)
            return BulkSnapshot(**self._counts, seconds_p50=p50, seconds_p99=p99)
