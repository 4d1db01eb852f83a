"""What a widget looks like, ready for a template: numbers as texts, rows, and shapes in boxes of a fixed size. Pure."""

from dataclasses import dataclass
from typing import Any

__all__ = [
    "COLOURS",
    "HEIGHT",
    "WIDTH",
    "Bar",
    "Chart",
    "Custom",
    "Drawing",
    "Line",
    "Metric",
    "Nothing",
    "Slice",
    "Table",
    "Unreadable",
]

COLOURS = 8
"""Colours of series; `hub-paint-0` to `-7` in the style sheet."""
WIDTH, HEIGHT = 600.0, 240.0


@dataclass(frozen=True, slots=True)
class Metric:
    """One number, written as its config says; ``of_target`` is the share of the target in percent."""

    kind = "metric"
    text: str
    label: str = ""
    trend: str = ""
    rises: bool | None = None
    of_target: float | None = None
    colour: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; ``numbers`` are the columns of numbers, ``more`` is how many rows are not shown."""

    kind = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a round chart: an SVG path in a box of 200 by 200, its name, value and share in percent."""

    path: str
    name: str
    text: str
    percent: float
    colour: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its place in a box of 600 by 240, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    told: str
    colour: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and the area below it, in a box of 600 by 240."""

    path: str
    area: str
    colour: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with the numbers behind it.

    Attributes:
        shape: ``round``, ``bars``, ``sideways`` or ``lines``.
        title: what it says in one sentence.
        names: the names of the series.
        labels: what stands below, from left to right; where there are many, some are left empty.
        rows: the numbers: a label, and one text for each series.
        ceiling, floor: the values at the upper and lower edge.
        zero: where zero is, from the top.
        note: what was done to what the service sent, if anything.
    """

    kind = "chart"
    shape: str
    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    labels: tuple[str, ...] = ()
    slices: tuple[Slice, ...] = ()
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    ceiling: str = ""
    floor: str = ""
    zero: float = HEIGHT
    hole: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Custom:
    """A widget that a module of the service draws; here it is only described."""

    kind = "custom"
    module_url: str
    data: Any


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to show, and nothing is wrong."""

    kind = "empty"
    told: str = "There is nothing to show yet."


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The service answered, and not as a widget of this type needs it; ``wanted`` is an example that would do."""

    kind = "unreadable"
    told: str
    wanted: str


Drawing = Metric | Table | Chart | Custom | Nothing | Unreadable
