"""Series of numbers: from the ways in which services write them to labels and columns. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.uiregistry.drawing.values import number_of, rows_of, text_of, titled, under

__all__ = ["Series", "series_of"]

_NUMBERS = ("value", "count", "total", "amount", "number", "y")
_NAMES = ("label", "name", "category", "title", "key", "x", "date", "day", "month")


@dataclass(slots=True)
class Series:
    """Names of what is counted, and for each series a number for each of them; None where there is none."""

    labels: list[str] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=dict)


def series_of(config: Mapping[str, Any], data: Any) -> Series | None:
    """Return labels and series: of rows, of parallel lists (as Chart.js has them), or of names with numbers."""
    if isinstance(data, Mapping):
        if isinstance(data.get("labels"), list):
            return _parallel(data)
        rows = rows_of(data)
        if rows is None:
            inner = data.get("data")
            flat = inner if isinstance(inner, Mapping) else data
            pairs = {str(name): number for name, value in flat.items() if (number := number_of(value)) is not None}
            if isinstance(flat.get("labels"), list):
                return _parallel(flat)
            return Series([text_of(name) for name in pairs], {"": list(pairs.values())}) if pairs else None
        return _of_rows(config, rows)
    return _of_rows(config, data) if isinstance(data, list) and data else None


def _parallel(data: Mapping[str, Any]) -> Series | None:
    labels = [text_of(label) for label in data["labels"]]
    sets = data.get("datasets") or data.get("series")
    found = Series(labels)
    if isinstance(sets, list):
        for number, one in enumerate(sets, start=1):
            if isinstance(one, Mapping):
                name = text_of(one.get("label") or one.get("name") or f"series {number}")
                values: list[Any] = next(
                    (one[key] for key in ("data", "values", "points") if isinstance(one.get(key), list)), []
                )
                found.values[name] = _fitted([number_of(value) for value in values], len(labels))
    else:
        plain = next((data[key] for key in ("values", "data", "counts") if isinstance(data.get(key), list)), None)
        if plain is not None:
            found.values[""] = _fitted([number_of(value) for value in plain], len(labels))
    return found if found.values else None


def _fitted(values: list[float | None], length: int) -> list[float | None]:
    return (values + [None] * length)[:length]


def _of_rows(config: Mapping[str, Any], rows: Sequence[Any]) -> Series | None:
    first = next((row for row in rows if isinstance(row, Mapping)), None)
    if first is None:
        return _of_pairs(rows)
    label = config.get("label_field") or next((name for name in _NAMES if name in first), None)
    if label is None:
        label = next(
            (name for name, value in first.items() if isinstance(value, str) and number_of(value) is None), None
        )
    asked = [
        one for one in config.get("series") or () if isinstance(one, Mapping) and isinstance(one.get("field"), str)
    ]
    if asked:
        fields = {str(one["field"]): str(one.get("name") or titled(one["field"])) for one in asked}
    elif isinstance(value_field := config.get("value_field"), str):
        fields = {value_field: ""}
    else:
        fields = _fields(first, label)
    kept = [row for row in rows if isinstance(row, Mapping)]
    values: dict[str, list[float | None]] = {
        name: [number_of(under(row, way)) for row in kept] for way, name in fields.items()
    }
    if not any(number is not None for column in values.values() for number in column):
        return None
    labels = [text_of(under(row, label)) if label else str(place) for place, row in enumerate(kept, start=1)]
    return Series(labels, values)


def _fields(first: Mapping[str, Any], label: Any) -> dict[str, str]:
    """Return the names of a row's numbers with what to call them: one of the usual names, else all of them."""
    named = next((name for name in _NUMBERS if name != label and number_of(first.get(name)) is not None), None)
    others = [name for name in first if name not in (label, "id") and number_of(first[name]) is not None]
    return {named: ""} if named else {name: titled(name) for name in others}


def _of_pairs(rows: Sequence[Any]) -> Series | None:
    if all(isinstance(row, list) and len(row) == 2 for row in rows):
        return Series([text_of(row[0]) for row in rows], {"": [number_of(row[1]) for row in rows]})
    numbers = [number_of(row) for row in rows]
    if any(number is None for number in numbers):
        return None
    return Series([str(place) for place in range(1, len(rows) + 1)], {"": numbers})
