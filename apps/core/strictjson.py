"""JSON as the hub reads it: RFC 8259 without the corners in which two programs understand two different things.

Refused beside what is no JSON at all: duplicate keys (one reader takes the first, one the last), NaN and Infinity,
numbers that overflow (integers beyond 64 bits, floats beyond double), U+0000 and lone surrogates (PostgreSQL stores
neither), a byte order mark, any encoding but UTF-8, and nesting deeper than 32 levels (or whatever the caller says).

The standard library's C scanner with hooks does all of this in one pass; it is faster here than ``orjson`` followed
by the checks that it lacks.
"""

import json
import re
from collections import Counter
from math import isinf
from typing import Any, NoReturn

MAX_DEPTH = 32

_INT64_DIGITS = 19
_INT64 = range(-(2**63), 2**63)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class NotJSON(ValueError):
    """Raised when bytes are not JSON as the hub reads it; the text says why, in words for the caller."""


class TooLong(ValueError):
    """Raised when there are more bytes than the limit."""


def parse(body: bytes, *, limit: int, max_depth: int = MAX_DEPTH) -> Any:
    """Return what ``body`` says: dict, list, str, int, float, bool or None.

    Raises:
        TooLong: ``body`` has more than ``limit`` bytes.
        NotJSON: ``body`` is not JSON as described above.
    """
    if len(body) > limit:
        raise TooLong(f"The body may have at most {limit} bytes.")
    try:
        value = _decoder.decode(body.decode())
    except UnicodeDecodeError as error:
        raise NotJSON(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise NotJSON(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    # Fewer brackets than levels allowed is the usual case, and two counts are cheaper than a walk.
    if body.count(b"[") + body.count(b"{") > max_depth and _deeper_than(max_depth, value):
        raise _too_deep(max_depth)
    if b"\\u" in body:
        _refuse_bad_escapes(body, value)
    return value


def _too_deep(max_depth: int) -> NotJSON:
    return NotJSON(f"The body is nested deeper than {max_depth} levels.")


def _deeper_than(max_depth: int, value: Any) -> bool:
    """Return whether containers nest deeper than ``max_depth``, going down level by level instead of recursing."""
    level = [value]
    for _ in range(max_depth + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return True


def _refuse_bad_escapes(body: bytes, value: Any) -> None:
    r"""Refuse ``\u0000`` and half surrogate pairs; only an escape can bring either in."""
    if _NUL.search(body):
        raise NotJSON("The body contains U+0000, which no text may contain.")
    if b"\\ud" in body or b"\\uD" in body:
        text = json.dumps(value, ensure_ascii=False, check_circular=False)
        if _SURROGATE.search(text):
            raise NotJSON("The body contains half of a surrogate pair.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise NotJSON(f"The key {twice[:100]!r} stands twice in one object.")
    return members


def _integer(digits: str) -> int:
    # The length first: converting a million digits takes seconds.
    if len(digits) > _INT64_DIGITS + 1 or (number := int(digits)) not in _INT64:
        raise NotJSON("An integer does not fit into 64 bits.")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise NotJSON("A number is too large for a double.")
    return number


def _constant(word: str) -> NoReturn:
    raise NotJSON(f"{word} is not JSON.")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
