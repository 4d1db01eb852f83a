"""Response times as a picture: from buckets of polls to paths in a box of 1000 by 300, zero at its foot."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.registry.timeline import DAY, PollBucket

__all__ = ["Chart", "draw", "nice_ceiling"]

WIDTH, HEIGHT = 1000, 300
GAP_FACTOR = 2.5
"""Points further apart than this many times the wider one's length are not joined: there was nothing between them."""


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
    ceiling = nice_ceiling(max(bucket.slowest_ms or 0.0 for bucket in answered))
    begin = now - DAY

    def x_of(moment: datetime) -> float:
        return round(min(max((moment - begin) / DAY, 0.0), 1.0) * WIDTH, 1)

    def path(value_of: Callable[[PollBucket], float]) -> str:
        steps = []
        before: PollBucket | None = None
        for bucket in answered:
            x = x_of(bucket.start + (bucket.end - bucket.start) / 2)
            y = round(HEIGHT * (1 - value_of(bucket) / ceiling), 1)
            steps.append(f"{'L' if before and _joined(before, bucket) else 'M'}{x} {y}")
            if not before or not _joined(before, bucket):
                steps.append(f"h{_DOT}")
            before = bucket
        return " ".join(steps)

    failed = [(x_of(b.start), max(round(x_of(b.end) - x_of(b.start), 1), 2.0)) for b in buckets if b.failures]
    return Chart(
        title=_title(answered, sum(bucket.failures for bucket in buckets), sum(bucket.polls for bucket in buckets)),
        average=path(lambda bucket: bucket.average_ms or 0.0),
        slowest=path(lambda bucket: bucket.slowest_ms or 0.0),
        failed=tuple(failed),
        ceiling_ms=ceiling,
        rows=tuple(reversed(buckets)),
    )


# A point that is joined to none would not be seen: every piece begins with a stroke of this length.
_DOT = 0.5


def _joined(before: PollBucket, after: PollBucket) -> bool:
    length = max(before.end - before.start, after.end - after.start)
    return after.start - before.start <= length * GAP_FACTOR


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


def nice_ceiling(value: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below ``value``; at least 1."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
