"""A day of an instance or a service in cells: the worst status of each, and how its checks went.

Statuses are found backwards from the present: each entry of the history tells what was before it, so a day needs no
entry older than itself.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from apps.registry.lifecycle import service_status
from xerpium_sdk.wire.registry import Status

__all__ = ["DAY", "Cell", "Change", "PollBucket", "first_quarter", "strip"]

DAY = timedelta(hours=24)
CELLS = 96


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the history that changed an instance's status; ``before`` is None for its first registration."""

    at: datetime
    instance: str
    before: Status | None


@dataclass(frozen=True, slots=True)
class PollBucket:
    """The polls between two moments: how many, how many failed, and how long answers took (ms; None: none came)."""

    start: datetime
    end: datetime
    polls: int
    failures: int
    average_ms: float | None = None
    slowest_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of time; ``status`` is the worst in it, None before anything was registered."""

    start: datetime
    end: datetime
    status: Status | None
    polls: int = 0
    failures: int = 0


# Worst for somebody who looks for an outage: a drain is meant, and having left is no failure.
_BADNESS = {
    status: rank
    for rank, status in enumerate(
        (None, Status.DEREGISTERED, Status.HEALTHY, Status.DRAINING, Status.STARTING, Status.DEGRADED, Status.STALE,
         Status.UNHEALTHY)
    )
}  # fmt: skip


def strip(
    current: Mapping[str, Status],
    changes: Iterable[Change],
    polls: Sequence[PollBucket],
    *,
    now: datetime,
    single: bool,
) -> list[Cell]:
    """Return the last 24 hours in cells of a quarter of an hour, oldest first; the last one is still running.

    Args:
        current: the status of each instance now.
        changes: the history's status changes of at least the last day, newest first.
        polls: buckets of polls, in any order; a cell shows those that overlap it.
        now: the present.
        single: whether it is the day of one instance and not of a service.
    """
    size = DAY / CELLS
    begin = first_quarter(now)
    worst: list[Status | None] = [None] * CELLS
    for start, end, status in _spans(current, changes, begin, single):
        first = int((start - begin) / size)
        last = min(max(ceil((end - begin) / size) - 1, first), CELLS - 1)
        for index in range(first, last + 1):
            worst[index] = max(worst[index], status, key=_BADNESS.__getitem__)
    edges = [begin + size * index for index in range(CELLS + 1)]
    return [_cell(edges[index], edges[index + 1], worst[index], polls) for index in range(CELLS)]


def first_quarter(now: datetime) -> datetime:
    """Return the beginning of the strip that ends with the quarter of an hour in which ``now`` is."""
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    return quarter + DAY / CELLS - DAY


def _spans(
    current: Mapping[str, Status], changes: Iterable[Change], begin: datetime, single: bool
) -> Iterable[tuple[datetime, datetime, Status | None]]:
    """Yield (from, to, status) from the end of the present cell back to ``begin``."""
    state: dict[str, Status | None] = dict(current)
    counts = Counter(state.values())
    end = begin + DAY
    for change in changes:
        if change.at <= begin:
            break
        if change.at < end:
            yield change.at, end, _status(counts, single)
            end = change.at
        counts[state.get(change.instance)] -= 1
        state[change.instance] = change.before
        counts[change.before] += 1
    yield begin, end, _status(counts, single)


def _status(counts: Counter[Status | None], single: bool) -> Status | None:
    present = [status for status, count in counts.items() if count > 0 and status is not None]
    if not present:
        return None
    return present[0] if single else service_status(present)


def _cell(start: datetime, end: datetime, status: Status | None, polls: Sequence[PollBucket]) -> Cell:
    within = [bucket for bucket in polls if bucket.start < end and bucket.end > start]
    return Cell(start, end, status, sum(bucket.polls for bucket in within), sum(bucket.failures for bucket in within))
