"""Where widgets stand on a dashboard: a grid of twelve columns that grows downwards. Pure.

A layout is a list of placements. In a good one none leaves the grid, none lies over another, and no widget is twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from apps.core.errors import FieldError
from apps.core.pointers import below

__all__ = [
    "COLUMNS",
    "MOST_PLACEMENTS",
    "MOST_ROWS",
    "TALLEST",
    "Placement",
    "arranged",
    "default_size",
    "faults",
    "placed",
]

COLUMNS = 12
MOST_PLACEMENTS = 100
MOST_ROWS = 2000
"""A hundred widgets of the greatest height, one below the other, fit in."""
TALLEST = 20

_SIZES: Mapping[str, tuple[int, int]] = {"small": (3, 2), "medium": (6, 4), "large": (12, 5)}


@dataclass(frozen=True, slots=True)
class Placement:
    """A widget's place: ``x`` and ``w`` in columns, ``y`` and ``h`` in rows, counted from the upper left corner."""

    widget_id: int
    x: int
    y: int
    w: int
    h: int

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Return the placement that ``as_json`` made ``stored`` of."""
        return cls(**{name: stored[name] for name in cls.__slots__})

    def as_json(self) -> dict[str, int]:
        """Return it as the wire and the database have it."""
        return asdict(self)

    def covers(self, other: "Placement") -> bool:
        """Whether some place belongs to both."""
        beside = self.x + self.w <= other.x or other.x + other.w <= self.x
        return not beside and self.y < other.y + other.h and other.y < self.y + self.h


def default_size(size: str) -> tuple[int, int]:
    """Return how many columns and rows a widget of a declared size takes where nobody says otherwise."""
    return _SIZES.get(size, _SIZES["medium"])


def faults(placements: Sequence[Placement], pointer: str = "/placements") -> list[FieldError]:
    """Return everything that is wrong with a layout that stands at ``pointer``: each place by itself, then together."""
    if len(placements) > MOST_PLACEMENTS:
        message = f"A layout has at most {MOST_PLACEMENTS} widgets, this one {len(placements)}."
        return [FieldError(pointer, "max_length", message)]
    found: list[FieldError] = []
    good: list[tuple[int, Placement]] = []
    for index, place in enumerate(placements):
        at = below(pointer, index)
        wrong = list(_out_of_bounds(place, at))
        earlier = next((number for number, other in enumerate(placements[:index]) if _same(place, other)), None)
        if earlier is not None:
            message = f"Widget {place.widget_id} has a place already: {below(pointer, earlier)}."
            wrong.append(FieldError(below(at, "widget_id"), "repeated", message))
        if not wrong:
            wrong = _overlaps(place, good, at, pointer)
            good.append((index, place))
        found += wrong
    return found


def placed(sizes: Iterable[tuple[int, str]], beside: Iterable[Placement] = ()) -> list[Placement]:
    """Return a place for each widget of ``sizes`` (id and declared size): the first free one, row by row.

    Args:
        sizes: the widgets, in the order in which they get their places.
        beside: places that are taken already.
    """
    taken = list(beside)
    found = []
    for widget_id, size in sizes:
        width, height = default_size(size)
        place = _first_free(widget_id, width, height, taken)
        taken.append(place)
        found.append(place)
    return found


def arranged(placements: Iterable[Placement]) -> list[Placement]:
    """Return places from top to bottom, and in a row from left to right: the order in which a reader meets them."""
    return sorted(placements, key=lambda place: (place.y, place.x, place.widget_id))


def _same(one: Placement, other: Placement) -> bool:
    return one.widget_id == other.widget_id


def _out_of_bounds(place: Placement, at: str) -> Iterable[FieldError]:
    for name, value, least, most in (
        ("x", place.x, 0, COLUMNS - 1),
        ("y", place.y, 0, MOST_ROWS - 1),
        ("w", place.w, 1, COLUMNS),
        ("h", place.h, 1, TALLEST),
    ):
        if not least <= value <= most:
            yield FieldError(below(at, name), "out_of_bounds", f"{name} is {least} to {most}, not {value}.")
    if 0 <= place.x < COLUMNS and 1 <= place.w <= COLUMNS < place.x + place.w:
        message = f"It begins in column {place.x} and is {place.w} wide, but the grid has {COLUMNS} columns."
        yield FieldError(below(at, "w"), "out_of_bounds", message)


def _overlaps(place: Placement, good: Sequence[tuple[int, Placement]], at: str, pointer: str) -> list[FieldError]:
    """Return that a place lies over an earlier one; over the first of them, which is enough to mend it."""
    for index, other in good:
        if place.covers(other):
            message = f"Widget {place.widget_id} lies over widget {other.widget_id} ({below(pointer, index)})."
            return [FieldError(at, "overlap", message)]
    return []


def _first_free(widget_id: int, width: int, height: int, taken: Sequence[Placement]) -> Placement:
    # Below everything there is always room; what is free above begins where something else ends, or at the top.
    rows = sorted({0, *(place.y + place.h for place in taken)})
    for y in rows:
        for x in range(COLUMNS - width + 1):
            place = Placement(widget_id, x, y, width, height)
            if not any(place.covers(other) for other in taken):
                return place
    raise AssertionError("below everything there is room")
