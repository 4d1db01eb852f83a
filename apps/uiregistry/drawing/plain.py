"""Metrics and tables: from an answer to one number, or to rows. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.uiregistry.drawing.shapes import Drawing, Metric, Nothing, Table, Unreadable
from apps.uiregistry.drawing.values import number_of, rows_of, spelled, text_of, titled, under

__all__ = ["metric", "table"]

MOST_ROWS = 100
USUAL_ROWS = 10
MOST_COLUMNS = 20
_NUMBERS = ("value", "count", "total", "amount", "number", "result")


def metric(config: Mapping[str, Any], data: Any) -> Drawing:
    """Return data as one number: what its config names, else one of the usual names, else the only number there is."""
    value = _value(config, data)
    if value is None:
        if data in (None, {}, []):
            return Nothing()
        asked = config.get("value_field")
        told = f"There is no number under “{asked}” in the answer." if asked else "There is no number in the answer."
        return Unreadable(told, '{"value": 42}')
    around = data if isinstance(data, Mapping) else {}
    prefix, suffix = (str(config.get(name) or "") for name in ("prefix", "suffix"))
    trend = number_of(next((around[name] for name in ("change", "trend", "delta") if name in around), None))
    target = number_of(config.get("target"))
    return Metric(
        text=f"{prefix}{spelled(value, config)}{suffix}",
        label=text_of(around.get("label") or ""),
        trend="" if trend is None or config.get("trend") is False else f"{trend:+,.4g}",
        rises=None if not trend else trend > 0,
        of_target=None if not target else round(100 * value / target, 1),
        colour=_threshold(config, value) or str(config.get("color") or ""),
        icon=str(config.get("icon") or ""),
    )


def _value(config: Mapping[str, Any], data: Any) -> float | None:
    if isinstance(asked := config.get("value_field"), str) and asked:
        return number_of(under(data, asked))
    if isinstance(data, Mapping):
        named = next((number for name in _NUMBERS if (number := number_of(data.get(name))) is not None), None)
        if named is not None:
            return named
        numbers = [
            number for one in data.values() if not isinstance(one, str) and (number := number_of(one)) is not None
        ]
        return numbers[0] if len(numbers) == 1 else _value({}, data["data"]) if "data" in data else None
    if isinstance(data, list):
        return _value(config, data[0]) if len(data) == 1 else None
    return number_of(data)


def _threshold(config: Mapping[str, Any], value: float) -> str:
    steps = [step for step in config.get("thresholds") or () if isinstance(step, Mapping)]
    reached = [step for step in steps if (number := number_of(step.get("value"))) is not None and number <= value]
    best = max(reached, key=lambda step: float(step["value"]), default=None)
    return str(best.get("color") or "") if best else ""


def table(config: Mapping[str, Any], data: Any) -> Drawing:
    """Return data as rows, with the columns that its config names, else with all that the rows have."""
    rows = rows_of(data)
    if rows is None:
        if data in (None, {}):
            return Nothing(text_of(config.get("empty_text") or Nothing().told))
        return Unreadable("The answer holds no list of rows.", '{"results": [{"name": "Desk", "stock": 3}]}')
    if not rows:
        return Nothing(text_of(config.get("empty_text") or "There are no rows."))
    columns = _columns(config, rows)
    most = config.get("max_rows")
    shown = rows[: min(max(most, 1), MOST_ROWS)] if isinstance(most, int) else rows[:USUAL_ROWS]
    cells = [[_cell(row, column, place) for place, column in enumerate(columns)] for row in shown]
    numbers = frozenset(
        place
        for place in range(len(columns))
        if all(
            row[place] is None or (number_of(row[place]) is not None and not isinstance(row[place], str))
            for row in cells
        )
        and any(row[place] is not None for row in cells)
    )
    texts = tuple(tuple(_formatted(value, column) for value, column in zip(row, columns, strict=True)) for row in cells)
    names = tuple(str(column.get("label") or titled(str(column["name"]))) for column in columns)
    return Table(names, texts, numbers, max(len(rows) - len(shown), 0))


def _columns(config: Mapping[str, Any], rows: Sequence[Any]) -> list[Mapping[str, Any]]:
    asked = [column if isinstance(column, Mapping) else {"name": column} for column in config.get("columns") or ()]
    asked = [column for column in asked if isinstance(column.get("name"), str)]
    if asked:
        return asked[:MOST_COLUMNS]
    names: dict[str, None] = {}
    for row in rows[:MOST_ROWS]:
        names.update(dict.fromkeys(row) if isinstance(row, Mapping) else {})
    if not names:
        width = max((len(row) for row in rows if isinstance(row, list)), default=1)
        names = {f"column {number + 1}": None for number in range(width)} if width > 1 else {"value": None}
    return [{"name": name} for name in list(names)[:MOST_COLUMNS]]


def _cell(row: Any, column: Mapping[str, Any], place: int) -> Any:
    if isinstance(row, Mapping):
        name = column["name"]
        return row[name] if name in row else under(row, name)
    if isinstance(row, list):
        return row[place] if place < len(row) else None
    return row if place == 0 else None


def _formatted(value: Any, column: Mapping[str, Any]) -> str:
    number = number_of(value)
    if number is not None and column.get("format") in ("number", "integer", "currency", "percent"):
        return spelled(number, column)
    return text_of(value)
