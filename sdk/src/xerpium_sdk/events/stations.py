"""One subscription at work: its workers, its counts, and how many workers it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from xerpium_sdk.events.batches import Collector
from xerpium_sdk.events.metrics import HandlerCounts
from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.events.workers import Pool

__all__ = ["BACKLOG_SECONDS", "Station"]

BACKLOG_SECONDS = 0.001
"""How soon to look again whether more workers are needed."""
LONGEST_PATIENCE = 0.02
SLOW_SECONDS = 0.0003
"""Handlers that take longer than this on average get workers for everything that is ready at once."""


@dataclass(slots=True, eq=False)
class Station:
    """One subscription at work."""

    subscription: Subscription
    pool: Pool
    counts: HandlerCounts
    collector: Collector | None = None
    mean_seconds: float = 0.0
    """How long its last calls took, newer ones weighing more."""
    answered: int = 0
    """Answers since the last look."""
    stalled_since: float | None = None
    """Since when something is ready and nothing was answered; None when it is not so."""

    @property
    def patience(self) -> float:
        """How soon to look again while something is ready: workers report by themselves only when nothing is."""
        return min(max(BACKLOG_SECONDS, self.mean_seconds / 4), LONGEST_PATIENCE)

    def wake(self, now: float) -> None:
        """Let workers begin: one for a handler that returns at once, more while that one gets nowhere."""
        if not self.pool.ready:
            self.stalled_since = None
            return
        if self.answered or self.stalled_since is None:
            self.stalled_since = now
        self.answered = 0
        stalled = now - self.stalled_since >= BACKLOG_SECONDS
        self.pool.wake(everyone=stalled or self.mean_seconds > SLOW_SECONDS)

    def took(self, durations: Sequence[float]) -> None:
        """Count calls, in seconds."""
        self.answered += len(durations)
        self.counts.durations.add(durations)
        weight = 0.9 ** len(durations)
        self.mean_seconds = self.mean_seconds * weight + sum(durations) / len(durations) * (1 - weight)
