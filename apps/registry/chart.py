"""Response times as a picture: from buckets of polls to the lines of a chart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.core.chart import Frame, Point, nice_ceiling
from apps.registry.timeline import DAY, PollBucket

__all__ = ["Chart", "draw", "spell_ms"]


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template needs to draw the last 24 hours.

    ``average`` and ``slowest`` are SVG paths; ``ceiling_ms`` is the value at the top edge; ``failed`` holds the places
    of buckets with failed checks as (x, width).
    """

    title: str
    average: str
    slowest: str
    failed: tuple[tuple[float, float], ...]
    ceiling_ms: float
    rows: tuple[PollBucket, ...]

    @property
    def half_ms(self) -> float:
        """The value at half of the height."""
        return self.ceiling_ms / 2


def draw(buckets: Sequence[PollBucket], *, now: datetime) -> Chart | None:
    """Return the chart of ``buckets`` (oldest first); None when no check was answered in the last 24 hours."""
    answered = [bucket for bucket in buckets if bucket.average_ms is not None]
    if not answered:
        return None
    frame = Frame(now - DAY, now, nice_ceiling(max(bucket.slowest_ms or 0.0 for bucket in answered)))

    def path(value_of: Callable[[PollBucket], float]) -> str:
        return frame.path(Point(bucket.start, bucket.end, value_of(bucket)) for bucket in answered)

    failed = [
        (frame.x_of(b.start), max(round(frame.x_of(b.end) - frame.x_of(b.start), 1), 2.0))
        for b in buckets
        if b.failures
    ]
    return Chart(
        title=_title(answered, sum(bucket.failures for bucket in buckets), sum(bucket.polls for bucket in buckets)),
        average=path(lambda bucket: bucket.average_ms or 0.0),
        slowest=path(lambda bucket: bucket.slowest_ms or 0.0),
        failed=tuple(failed),
        ceiling_ms=frame.ceiling,
        rows=tuple(reversed(buckets)),
    )


def _title(answered: Sequence[PollBucket], failures: int, polls: int) -> str:
    good = sum(bucket.polls - bucket.failures for bucket in answered) or 1
    average = sum((bucket.average_ms or 0.0) * (bucket.polls - bucket.failures) for bucket in answered) / good
    slowest = max(bucket.slowest_ms or 0.0 for bucket in answered)
    failed = f"{failures:,} of {polls:,} checks failed" if failures else "no check failed"
    return f"Answers in {spell_ms(average)} on average, {spell_ms(slowest)} at worst; {failed}"


def spell_ms(milliseconds: float) -> str:
    """Return a response time with its unit: ``0.8 ms``, ``12 ms``, ``1.4 s``."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
