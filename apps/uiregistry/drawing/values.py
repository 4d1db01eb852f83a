"""Values of answers: read as numbers, written for people. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["number_of", "rows_of", "spelled", "text_of", "titled", "under"]

MOST_TEXT = 300
LONGEST_NUMBER = 40
LARGEST = 1e30
"""What is larger is no number of anybody's business, and sums of it would be infinite."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_LISTS = ("results", "items", "rows", "data", "points", "values")
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def spelled(value: float, config: Mapping[str, Any]) -> str:
    """Return a number as its config says: with its format, precision, currency and unit."""
    form = config.get("format")
    digits = config.get("precision")
    if not isinstance(digits, int) or isinstance(digits, bool):
        digits = 2 if form == "currency" else 1 if form == "percent" else 0 if form == "integer" else None
    text = f"{value:,.{min(max(digits, 0), 10)}f}" if digits is not None else _short(value)
    if form == "percent":
        text += " %"
    if form == "currency" and isinstance(code := config.get("currency"), str):
        text = f"{_SIGNS[code]}{text}" if code in _SIGNS else f"{text} {code}"
    unit = config.get("unit")
    return f"{text} {unit}" if isinstance(unit, str) and unit else text


def _short(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) >= 1e15 or abs(value) < 1 else f"{value:,.2f}".rstrip("0").rstrip(".")


def number_of(value: Any) -> float | None:
    """Return a number that can be drawn; services that are careful with money send it as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and (len(value) > LONGEST_NUMBER or not _NUMBER.fullmatch(value.strip())):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    if not math.isfinite(found) or abs(found) > LARGEST:
        return None
    return found if abs(found) > 1 / LARGEST else 0.0


def text_of(value: Any) -> str:
    """Return a value of a cell for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        number = number_of(value)
        return _short(number) if number is not None else str(value)[:MOST_TEXT]
    if isinstance(value, Mapping):
        named = next((value[name] for name in ("name", "title", "label", "id") if name in value), None)
        return text_of(named) if named is not None and not isinstance(named, Mapping) else f"{len(value)} fields"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(text_of(one) for one in value[:5]) + (" …" if len(value) > 5 else "")
    return str(value)[:MOST_TEXT]


def under(data: Any, way: str) -> Any:
    """Return what stands under a name, or under names with dots between them, one inside the other."""
    for part in way.split("."):
        if not isinstance(data, Mapping):
            return None
        data = data.get(part)
    return data


def titled(name: str) -> str:
    """Return the name of a field as people write it: ``current_stock`` is “Current stock”."""
    words = name.replace("_", " ").replace(".", " ").strip()
    return words[:1].upper() + words[1:]


def rows_of(data: Any) -> list[Any] | None:
    """Return the list in an answer, bare or under one of the usual names."""
    if isinstance(data, list):
        return data
    if isinstance(data, Mapping):
        for name in _LISTS:
            if isinstance(data.get(name), list):
                return list(data[name])
        if isinstance(data.get("data"), Mapping):
            return rows_of(data["data"])
    return None
