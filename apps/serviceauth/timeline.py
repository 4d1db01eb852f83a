"""Keys drawn on one line of time: issued, replaced, ended, last used. Pure: places are percent of the width."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from apps.core.times import ago
from apps.serviceauth.standing import KeyLike, KeyStanding, key_standing

__all__ = ["Bar", "Tick", "Timeline", "draw"]

LEAST_PAST = dt.timedelta(hours=1)
LEAST_AHEAD = 0.12
"""What is to come takes at least this part of what has been, so that "now" is never at the edge."""
MOST_AHEAD = 1.0
"""And at most as much as what has been: a key of ten years must not press everything else into a corner."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One key: from ``start`` to ``middle`` it was the only one, from there to ``end`` another was in its place.

    ``goes_on`` is set where it outlasts the picture; ``used`` is where it was last used.
    """

    start: float
    middle: float
    end: float
    goes_on: bool
    used: float | None
    standing: KeyStanding

    @property
    def first_width(self) -> float:
        """The width of its first part."""
        return round(self.middle - self.start, 2)

    @property
    def second_width(self) -> float:
        """The width of its second part; 0 where it was not replaced."""
        return round(self.end - self.middle, 2)


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment that is written under the picture."""

    place: float
    word: str
    moment: dt.datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """All bars, in the order of the keys, and where now is."""

    bars: Sequence[Bar]
    now: float
    ticks: Sequence[Tick]


def draw(keys: Iterable[KeyLike], now: dt.datetime) -> Timeline:
    """Return the bars of ``keys`` on one line of time around ``now``."""
    found = list(keys)
    first = min((key.created_at for key in found), default=now)
    past = max(now - first, LEAST_PAST)
    begin = now - past
    ends = [ending - now for key in found if (ending := _end(key)) is not None and ending > now]
    ahead = min(max([*ends, past * LEAST_AHEAD]), past * MOST_AHEAD)
    whole = past + ahead * 1.06

    def place(moment: dt.datetime) -> float:
        return round(min(max((moment - begin) / whole, 0.0), 1.0) * 100, 2)

    bars = [_bar(key, now, begin + whole, place) for key in found]
    ticks = [Tick(0.0, ago(begin, now), begin), Tick(place(now), "now", now)]
    last = begin + whole
    if place(now) < 80:
        ticks.append(Tick(100.0, ago(last, now), last))
    return Timeline(bars, place(now), ticks)


def _bar(key: KeyLike, now: dt.datetime, last: dt.datetime, place: Callable[[dt.datetime], float]) -> Bar:
    end = _end(key)
    shown = place(last if end is None else end)
    middle = min(place(key.replaced_at), shown) if key.replaced_at is not None else shown
    used = place(key.last_used_at) if key.last_used_at is not None else None
    return Bar(
        start=min(place(key.created_at), shown),
        middle=middle,
        end=shown,
        goes_on=end is None or end > last,
        used=used,
        standing=key_standing(key, now),
    )


def _end(key: KeyLike) -> dt.datetime | None:
    ends = [moment for moment in (key.disabled_at, key.expires_at) if moment is not None]
    return min(ends) if ends else None
