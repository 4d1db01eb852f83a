"""The ``data`` of an event as JSON text, both ways (contract, "Events").

| in Python | in JSON |
|---|---|
| text, integers, floats, booleans, None, lists, tuples, mappings | as themselves; keys that are numbers become text |
| Decimal | text, every digit kept: ``"19.90"`` |
| datetime | ISO 8601 in UTC, milliseconds, ``Z``; one without a zone is taken as UTC |
| date, time | ISO 8601 |
| UUID | text |
| Enum | its value |

Readers get JSON: what went out as a Decimal comes in as text. Anything else is refused, and the error says where it is.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from xerpium_sdk.wire.times import format_time

__all__ = ["dump_data", "load_data", "plain"]

MAX_DEPTH = 200
"""Levels of nesting that are searched for what has no JSON form."""


def dump_data(data: Mapping[str, Any]) -> str:
    """Return ``data`` as compact JSON text.

    Raises:
        TypeError: a value or a key has no JSON form; the message names its path, such as ``data.lines[3].price``.
        ValueError: a number is NaN or infinite, text holds half of a surrogate pair, or something contains itself.
    """
    try:
        text = json.dumps(data, default=plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if not text.isascii():
            text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _explained(data, error) from None
    return text


def load_data(text: str) -> dict[str, Any]:
    """Return the object that the JSON ``text`` is.

    Raises:
        ValueError, TypeError: it is none, or holds what JSON does not have: NaN, numbers beyond a float, half a
            surrogate pair.
        RecursionError: it is nested too deeply.
    """
    data = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    if not isinstance(data, dict):
        raise TypeError("data is not a JSON object")
    if "\\u" in text:
        json.dumps(data, ensure_ascii=False).encode()
    return data


def plain(value: object) -> Any:
    """Return what stands in JSON for ``value``, which JSON does not know itself.

    Raises:
        TypeError: nothing does.
        ValueError: it is a Decimal that is no number.
    """
    match value:
        case datetime():
            return format_time(value)
        case date() | time():
            return value.isoformat()
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is not JSON compliant")
            return str(value)
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case Mapping():
            return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def _explained(data: object, error: Exception) -> TypeError | ValueError:
    """Return the error that says where the fault is; without a place if the search finds none."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    if isinstance(error, RecursionError) or "Circular" in str(error):
        return ValueError("data is nested too deeply, or contains itself")
    path, reason = next(_faults(data, "data", 0), ("data", str(error)))
    return kind(f"{path}: {reason}")


def _faults(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the path of each part that has no JSON form, and why."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, Enum) and not isinstance(value, str | int | float):
        value = value.value
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str | int | float | None):
                yield path, f"a key is a {type(key).__name__}, not text"
            elif reason := _reason(key):
                yield path, f"the key {key!r}: {reason}"
            yield from _faults(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", depth + 1)
    elif reason := _reason(value):
        yield path, reason


def _reason(value: object) -> str:
    """Return why a single value has no JSON form; ``""`` when it has one."""
    if isinstance(value, str):
        return "" if _is_text(value) else "half of a surrogate pair is no text"
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{value} is not JSON compliant"
    if value is None or isinstance(value, int):
        return ""
    try:
        plain(value)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits[:80]} is beyond what a number can be")
    return number
