"""What the audit keeps of a thing before and after: only what changed, without secrets, and never much. Pure."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

from apps.core.secrecy import HIDDEN, masked

__all__ = ["MOST_BYTES", "changed", "told"]

Document = dict[str, Any]

MOST_BYTES = 8192
"""How much is kept of a side, as JSON."""
MOST_TEXT = 500
MOST_ITEMS = 100
MOST_LEVELS = 8

_ABSENT = object()
# What is a secret wherever it stands: keys of the hub (after their public id), its enrolment tokens, JSON web tokens,
# credentials of a header, a password in an address.
_SECRETS = re.compile(
    r"(?<=xrp_[0-9A-Za-z]{12}_)[0-9A-Za-z_]{5,}|(?<=xre_)[0-9A-Za-z_]{12,}|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)|\b(?i:bearer|basic) [\w+/=~.-]{8,}",
    re.ASCII,
)
# PostgreSQL stores neither in a text.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def changed(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Document | None, Document | None]:
    """Return ``before`` and ``after`` with what differs, fit to be stored; a side that is None stays None.

    A secret that changed is there on both sides, hidden.
    """
    if before is not None and after is not None:
        names = [name for name in {**before, **after} if before.get(name, _ABSENT) != after.get(name, _ABSENT)]
        before = {name: before[name] for name in names if name in before}
        after = {name: after[name] for name in names if name in after}
    return _bounded(before), _bounded(after)


def told(value: object, length: int) -> str:
    """Return ``value`` as text of at most ``length`` characters without secrets, fit to be stored."""
    text = _UNSTORABLE.sub("\ufffd", _SECRETS.sub(HIDDEN, str(value)))
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _bounded(document: Mapping[str, Any] | None) -> Document | None:
    """Return a document of at most ``MOST_BYTES``; of what is too much there is a note of its size."""
    if document is None:
        return None
    plain: Document = masked(_plain(dict(document), MOST_LEVELS))
    sizes = {name: _size(value) for name, value in plain.items()}
    excess = sum(len(name.encode()) + size + 8 for name, size in zip(plain, sizes.values(), strict=True)) - MOST_BYTES
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if excess <= 0:
            break
        plain[name] = f"(left out: {sizes[name]} bytes)"
        excess -= sizes[name] - _size(plain[name])
    return plain


def _plain(value: Any, levels: int) -> Any:
    """Return ``value`` as JSON has it; what JSON does not have becomes text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        if not levels:
            return "(left out: too deep)"
        kept = {told(name, 100): _plain(inner, levels - 1) for name, inner in list(value.items())[:MOST_ITEMS]}
        return kept if len(value) <= MOST_ITEMS else {**kept, "…": f"and {len(value) - MOST_ITEMS} more"}
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple):
        if not levels:
            return "(left out: too deep)"
        items = [_plain(inner, levels - 1) for inner in value[:MOST_ITEMS]]
        return items if len(value) <= MOST_ITEMS else [*items, f"… and {len(value) - MOST_ITEMS} more"]
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    return told(value, MOST_TEXT)


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
