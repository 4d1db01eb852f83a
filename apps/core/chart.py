"""Values over time as a picture: from points to paths in a box of 1000 by 300, zero at its foot. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

__all__ = ["HEIGHT", "WIDTH", "Frame", "Point", "nice_ceiling"]

WIDTH, HEIGHT = 1000, 300
GAP_FACTOR = 2.5
"""Points further apart than this many times the wider one's length are not joined: there was nothing between them."""

# A point that is joined to none would not be seen: every piece begins with a stroke of this length.
_DOT = 0.5


class Point(NamedTuple):
    """A value that holds for the time from ``start`` to ``end``."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Frame:
    """The time from left to right, and the value at the top edge."""

    begin: datetime
    end: datetime
    ceiling: float

    def x_of(self, moment: datetime) -> float:
        """Return the place of a moment; what lies outside is put at the edge."""
        return round(min(max((moment - self.begin) / (self.end - self.begin), 0.0), 1.0) * WIDTH, 1)

    def path(self, points: Iterable[Point]) -> str:
        """Return the SVG path through the middles of ``points``, oldest first; gaps stay gaps."""
        steps: list[str] = []
        before: Point | None = None
        for point in points:
            x = self.x_of(point.start + (point.end - point.start) / 2)
            y = round(HEIGHT * (1 - point.value / self.ceiling), 1)
            if before is not None and _joined(before, point):
                steps.append(f"L{x} {y}")
            else:
                steps += [f"M{x} {y}", f"h{_DOT}"]
            before = point
        return " ".join(steps)


def nice_ceiling(value: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below ``value``; at least 1."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _joined(before: Point, after: Point) -> bool:
    length = max(before.end - before.start, after.end - after.start)
    return after.start - before.start <= length * GAP_FACTOR
