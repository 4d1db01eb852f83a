"""Bytes of others as texts that PostgreSQL can hold. Pure.

What is no UTF-8 becomes ``\\xff``; the NUL character, which neither text nor jsonb can hold, becomes U+FFFD, and so
does half of a surrogate pair.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

__all__ = ["clean", "clean_json", "cut", "integer", "is_text", "name_of", "show_fields"]

REPLACEMENT = "\ufffd"
MAX_FIELDS = 200
MAX_NAME = 200
_TOTAL = 256 * 1024


def clean(value: bytes | str) -> str:
    """Return ``value`` as a text that can be stored."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    text = text.replace("\0", REPLACEMENT)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def cut(text: str, length: int) -> str:
    """Return ``text``, with an ellipsis in place of what is beyond ``length`` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def name_of(value: bytes) -> str:
    """Return a name that others have given, as a text that can be stored and indexed; different names stay different.

    One that is no such text ends in a mark that no other has: U+FFFD and a digest.
    """
    if len(value) <= MAX_NAME and is_text(value) and REPLACEMENT not in (text := value.decode()):
        return text
    return f"{cut(clean(value[: 4 * MAX_NAME]), MAX_NAME)}{REPLACEMENT}{blake2b(value, digest_size=8).hexdigest()}"


def is_text(value: bytes) -> bool:
    """Whether ``value`` is UTF-8 without NUL, so that what is stored of it is all that it was."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in value


def clean_json(document: str) -> str:
    """Return JSON text whose strings can be stored.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    return json.dumps(_clean_value(json.loads(document)), ensure_ascii=False, separators=(",", ":"))


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _clean_value(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean_value(inner) for inner in value]
    return value


def integer(value: bytes | str | None) -> int | None:
    """Return the 64-bit integer that ``value`` is written as, None when it is none."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""
    if not text or len(text) > 20 or not text.isascii() or not text.removeprefix("-").isdigit():
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def show_fields(fields: Mapping[bytes, bytes], *, each: int = 64 * 1024) -> dict[str, str]:
    """Return fields as texts, for people to read: values cut at ``each`` characters, and not more of them than a page
    can show."""
    shown: dict[str, str] = {}
    room = _TOTAL
    for name, value in list(fields.items())[:MAX_FIELDS]:
        text = cut(clean(value[: 4 * each]), min(each, max(room, 100)))
        shown[cut(clean(name[: 4 * MAX_NAME]), MAX_NAME)] = text
        room -= len(text)
    if len(fields) > MAX_FIELDS:
        shown["…"] = f"{len(fields) - MAX_FIELDS} more fields"
    return shown
