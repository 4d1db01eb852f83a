"""Charts: from series of numbers to the shapes of an SVG. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from apps.uiregistry.drawing.series import Series, series_of
from apps.uiregistry.drawing.shapes import COLOURS, HEIGHT, WIDTH, Bar, Chart, Drawing, Line, Nothing, Slice, Unreadable
from apps.uiregistry.drawing.values import rows_of, spelled

__all__ = ["chart"]

MOST_SLICES = 7
"""More slices than colours can be told apart: the smallest become one, called “others”."""
MOST_POINTS = 60
MOST_SERIES = 5
_ROUND = frozenset({"pie", "doughnut", "donut", "polar"})
_LINES = frozenset({"line", "area", "scatter"})
_BARS = frozenset({"bar", "horizontal_bar", "stacked_bar", "funnel"})


def chart(config: Mapping[str, Any], data: Any) -> Drawing:
    """Return data as a chart of the type that its config names, or of the nearest one that shows it truthfully."""
    found = series_of(config, data)
    if found is None:
        if data in (None, {}, []) or rows_of(data) == []:
            return Nothing()
        return Unreadable("The answer holds no series of numbers.", '[{"label": "Chairs", "value": 12}]')
    numbers = [value for values in found.values.values() for value in values if value is not None]
    if not numbers:
        return Nothing()
    kind = config.get("chart_type") or "bar"
    note = ""
    if kind in _ROUND and (len(found.values) > 1 or min(numbers) < 0):
        note, kind = f"Drawn as bars: a {kind} shows the shares of one series that is not negative.", "bar"
    elif kind not in _ROUND | _LINES | _BARS:
        note, kind = f"Drawn as bars here: the preview has no “{kind}”.", "bar"
    names = list(found.values)
    if len(names) > MOST_SERIES:
        note = f"{note} The first {MOST_SERIES} of {len(names)} series.".strip()
        found.values = {name: found.values[name] for name in names[:MOST_SERIES]}
    if kind in _ROUND:
        return _round(config, found, hole=kind != "pie", note=note)
    if len(found.labels) > MOST_POINTS:
        note = f"{note} The last {MOST_POINTS} of {len(found.labels)} points.".strip()
        found.labels = found.labels[-MOST_POINTS:]
        found.values = {name: values[-MOST_POINTS:] for name, values in found.values.items()}
    return _plot(config, found, str(kind), note)


def _round(config: Mapping[str, Any], found: Series, *, hole: bool, note: str) -> Drawing:
    ((_, values),) = found.values.items()
    pairs = [(label, value or 0.0) for label, value in zip(found.labels, values, strict=True)]
    total = sum(value for _, value in pairs)
    if not total:
        return Nothing()
    pairs.sort(key=lambda pair: -pair[1])
    shown = pairs if len(pairs) <= MOST_SLICES + 1 else pairs[:MOST_SLICES]
    if len(shown) < len(pairs):
        shown = [*shown, (f"{len(pairs) - len(shown)} others", sum(value for _, value in pairs[len(shown) :]))]
    slices, start = [], 0.0
    for place, (label, value) in enumerate(shown):
        share = value / total
        path = _wedge(start, start + share, hole=hole)
        slices.append(Slice(path, label, spelled(value, config), round(100 * share, 1), place % COLOURS))
        start += share
    largest = slices[0]
    title = f"{largest.name} is {largest.percent:g} % of {spelled(total, config)}"
    rows = tuple((label, (spelled(value, config),)) for label, value in pairs)
    return Chart("round", title, ("",), rows, slices=tuple(slices), hole=hole, note=note)


def _wedge(start: float, end: float, *, hole: bool) -> str:
    """Return the path of a piece of a circle, from and to a share of the whole turn, beginning at the top."""
    end = min(end, start + 0.99999)  # a whole circle has no beginning to come back to

    def point(share: float, radius: float) -> str:
        angle = 2 * math.pi * share - math.pi / 2
        return f"{100 + radius * math.cos(angle):.2f} {100 + radius * math.sin(angle):.2f}"

    large = int(end - start > 0.5)
    outer = f"M{point(start, 96)}A96 96 0 {large} 1 {point(end, 96)}"
    return f"{outer}L{point(end, 58)}A58 58 0 {large} 0 {point(start, 58)}Z" if hole else f"{outer}L100 100Z"


def _plot(config: Mapping[str, Any], found: Series, kind: str, note: str) -> Chart:
    stacked = kind == "stacked_bar" or (config.get("stacked") is True and kind in _BARS)
    columns = list(zip(*found.values.values(), strict=True))
    if stacked:
        tops = [sum(value for value in column if value and value > 0) for column in columns]
        lows = [sum(value for value in column if value and value < 0) for column in columns]
    else:
        tops = [value for column in columns for value in column if value is not None]
        lows = tops
    ceiling, floor = _edge(max(tops)), -_edge(-min(lows))
    ceiling = ceiling or (1.0 if not floor else 0.0)
    span = ceiling - floor
    zero = HEIGHT * ceiling / span
    rows = tuple(
        (label, tuple("–" if value is None else spelled(value, config) for value in column))
        for label, column in zip(found.labels, columns, strict=True)
    )
    parts: dict[str, Any] = {}
    shape = "lines" if kind in _LINES else "sideways" if kind in ("horizontal_bar", "funnel") else "bars"
    if shape == "lines":
        parts["lines"] = tuple(_lines(found, ceiling, span, zero, filled=kind == "area"))
    else:
        parts["bars"] = tuple(_bars(config, found, columns, span, zero, stacked=stacked, sideways=shape == "sideways"))
    return Chart(
        shape,
        _sentence(config, found),
        tuple(found.values),
        rows,
        labels=_thinned(found.labels, 12 if shape == "sideways" else 8, 12 if shape == "sideways" else 5),
        ceiling=spelled(ceiling, config),
        floor=spelled(floor, config),
        zero=round(zero, 1),
        note=note,
        **parts,
    )


def _edge(value: float) -> float:
    """Return the next round number that is not below ``value``; 0 where there is nothing on this side of zero."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 20) if step * power >= value)


def _bars(
    config: Mapping[str, Any],
    found: Series,
    columns: Sequence[Sequence[float | None]],
    span: float,
    zero: float,
    *,
    stacked: bool,
    sideways: bool,
) -> list[Bar]:
    along, across = (HEIGHT, WIDTH) if sideways else (WIDTH, HEIGHT)
    base = across - zero * across / HEIGHT if sideways else zero
    room = along / len(columns)
    thick = room * 0.72 / (1 if stacked else len(found.values))
    bars = []
    for place, column in enumerate(columns):
        up = down = 0.0
        for number, (name, value) in enumerate(zip(found.values, column, strict=True)):
            if value is None:
                continue
            length = max(abs(value) / span * across, 1.0)
            begin = place * room + room * 0.14 + (0 if stacked else number * thick)
            from_base = (up if value >= 0 else down) if stacked else 0.0
            if value >= 0:
                up += length
            else:
                down += length
            told = f"{found.labels[place]}{f', {name}' if name else ''}: {spelled(value, config)}"
            forward = (value >= 0) is sideways
            edge = base + from_base if forward else base - from_base - length
            colour = number if len(found.values) > 1 else 0
            box = (edge, begin, length, thick) if sideways else (begin, edge, thick, length)
            x, y, width, height = (round(one, 1) for one in box)
            bars.append(Bar(x, y, width, height, told, colour % COLOURS))
    return bars


def _lines(found: Series, ceiling: float, span: float, zero: float, *, filled: bool) -> list[Line]:
    steps = max(len(found.labels) - 1, 1)
    lines = []
    for number, values in enumerate(found.values.values()):
        path, area, piece = "", "", []
        for place, value in enumerate([*values, None]):
            if value is not None:
                x = WIDTH * place / steps if len(found.labels) > 1 else WIDTH / 2
                piece.append((round(x, 1), round(HEIGHT * (ceiling - value) / span, 1)))
            elif piece:
                path += "M" + "L".join(f"{x} {y}" for x, y in piece) + ("h.5" if len(piece) == 1 else "")
                if filled:
                    area += f"M{piece[0][0]} {round(zero, 1)}L" + "L".join(f"{x} {y}" for x, y in piece)
                    area += f"L{piece[-1][0]} {round(zero, 1)}Z"
                piece = []
        lines.append(Line(path, area, number % COLOURS))
    return lines


def _sentence(config: Mapping[str, Any], found: Series) -> str:
    """Return what a chart of one series says; of several, what they are."""
    if len(found.values) > 1:
        return f"{', '.join(found.values)} by {len(found.labels)} values"
    ((_, values),) = found.values.items()
    known = [(value, label) for value, label in zip(values, found.labels, strict=True) if value is not None]
    most = max(known, key=lambda pair: pair[0])
    return f"Most: {most[1]} with {spelled(most[0], config)}"


def _thinned(labels: Sequence[str], enough: int, most: int) -> tuple[str, ...]:
    """Return all labels up to ``enough``; of more every second, third … one, so that at most ``most`` are left."""
    step = 1 if len(labels) <= enough else math.ceil(len(labels) / most)
    return tuple(label if place % step == 0 else "" for place, label in enumerate(labels))
