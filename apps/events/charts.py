"""The charts of the bus: events a minute by stream, and how far groups are behind. Pure: points in, lines out."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apps.core.chart import Frame, Point, nice_ceiling
from apps.core.times import spell

__all__ = ["MOST_LINES", "Chart", "Line", "Series", "Value", "backlog", "spell_seconds", "throughput"]

MOST_LINES = 5
BEHIND = "behind"
"""The unit of a chart whose values are seconds."""
_CALM = 1.0
_MINUTE, _HOUR = 60, 3600
# Values at the top edge whose halves are as round as they are.
_CEILINGS = (1, 2, 4, 10, 20, _MINUTE, 2 * _MINUTE, 4 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, _HOUR, 2 * _HOUR,
             4 * _HOUR, 12 * _HOUR, 24 * _HOUR, 48 * _HOUR)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a series at the beginning of an interval; None where nothing is known."""

    at: dt.datetime
    value: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one stream or group, oldest first. ``colour`` is its number wherever it is drawn, from 1."""

    name: str
    colour: int
    values: Sequence[Value]

    @property
    def known(self) -> list[tuple[dt.datetime, float]]:
        """The values that there are."""
        return [(value.at, value.value) for value in self.values if value.value is not None]

    @property
    def greatest(self) -> float:
        """The greatest value; 0 without any."""
        return max((value for _, value in self.known), default=0.0)

    @property
    def last(self) -> float:
        """The newest value; 0 without any."""
        return self.known[-1][1] if self.known else 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """A series as it is drawn: an SVG path in a box of 1000 by 300."""

    name: str
    colour: int
    path: str
    last: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template needs. ``rows`` are the table behind, newest first: the hour, and a value for each name."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    names: tuple[str, ...]
    ceiling: float
    rows: tuple[tuple[dt.datetime, tuple[float | None, ...]], ...]
    left_out: int = 0

    @property
    def half(self) -> float:
        """The value at half of the height."""
        return self.ceiling / 2


def throughput(series: Sequence[Series], *, since: dt.datetime, now: dt.datetime) -> Chart | None:
    """Return the chart of events a minute; None when nothing was measured in this time."""
    measured = [one for one in series if one.known]
    if not measured:
        return None
    minutes = max((now - since).total_seconds() / 60, 1.0)
    step = _step(measured)
    total = sum(value for one in measured for _, value in one.known) * step.total_seconds() / 60
    busiest = max(measured, key=lambda one: one.greatest)
    if total < 0.5:
        title = f"No event in the last {_hours(now - since)}"
    else:
        title = (
            f"{total:,.0f} events in the last {_hours(now - since)}, {_rate(total / minutes)} a minute on average; "
            f"at most {_rate(busiest.greatest)} on {busiest.name}"
        )
    return _chart(
        title, "a minute", [one for one in measured if one.greatest > 0] or measured, series, since, now, step
    )


def backlog(series: Sequence[Series], *, since: dt.datetime, now: dt.datetime) -> Chart | None:
    """Return the chart of how long the oldest entry waited for each group; the worst `MOST_LINES` are drawn."""
    measured = [one for one in series if one.known]
    if not measured:
        return None
    worst = max(measured, key=lambda one: one.greatest)
    if worst.greatest < _CALM:
        title = "Every group kept up: nothing waited for longer than 1 s"
    else:
        title = f"At worst events waited {spell_seconds(worst.greatest)} for {worst.name}"
        late = [one for one in measured if one.last >= _CALM]
        title += f"; now {spell_seconds(max(one.last for one in late))}" if late else "; now nothing waits"
    return _chart(title, BEHIND, measured, series, since, now, _step(measured))


def _chart(
    title: str,
    unit: str,
    drawn: Sequence[Series],
    series: Sequence[Series],
    since: dt.datetime,
    now: dt.datetime,
    step: dt.timedelta,
) -> Chart:
    chosen = sorted(drawn, key=lambda one: (-one.greatest, one.name))[:MOST_LINES]
    shown = [one for one in series if one in chosen]
    ceiling = _time_ceiling if unit == BEHIND else nice_ceiling
    frame = Frame(since, now, ceiling(max(one.greatest for one in shown)))
    lines = tuple(
        Line(one.name, one.colour, frame.path(Point(at, at + step, value) for at, value in one.known), one.last)
        for one in shown
    )
    return Chart(
        title=title,
        unit=unit,
        lines=lines,
        names=tuple(one.name for one in shown),
        ceiling=frame.ceiling,
        rows=_rows(shown),
        left_out=len(drawn) - len(chosen),
    )


def _step(series: Sequence[Series]) -> dt.timedelta:
    """Return how far points are apart: the shortest distance that there is."""
    gaps = [
        later - earlier for one in series for (earlier, _), (later, _) in zip(one.known, one.known[1:], strict=False)
    ]
    return min(gaps, default=dt.timedelta(minutes=6))


def _rows(series: Sequence[Series]) -> tuple[tuple[dt.datetime, tuple[float | None, ...]], ...]:
    """Return the table behind, newest first: for each hour the greatest value of each series."""
    hours: dict[dt.datetime, dict[str, float]] = {}
    for one in series:
        for at, value in one.known:
            told: dict[str, float] = hours.setdefault(at.replace(minute=0, second=0, microsecond=0), {})
            told[one.name] = max(told.get(one.name, 0.0), value)
    return tuple((hour, _named(hours[hour], series)) for hour in sorted(hours, reverse=True))


def _named(values: Mapping[str, float], series: Sequence[Series]) -> tuple[float | None, ...]:
    return tuple(values.get(one.name) for one in series)


def _hours(duration: dt.timedelta) -> str:
    return f"{duration.total_seconds() / _HOUR:.0f} h"


def _time_ceiling(seconds: float) -> float:
    day = 24.0 * _HOUR
    return next((float(one) for one in _CEILINGS if one >= seconds), 2 * day * math.ceil(seconds / (2 * day)))


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 or number == 0 else f"{number:.1f}"


def spell_seconds(seconds: float) -> str:
    """Return a length of time in its largest unit: ``0 s``, ``0.4 s``, ``12 s``, ``3 min``."""
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    return spell(dt.timedelta(seconds=seconds))
