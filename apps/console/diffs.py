"""What an entry of the audit changed, line by line, for people. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.secrecy import HIDDEN

__all__ = ["MOST_LINES", "Line", "lines", "summary"]

MOST_LINES = 200
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Line:
    """One value: where it stands, as it was and as it is; None on a side where there was or is nothing.

    ``kind`` is ``added``, ``removed``, ``changed``, ``kept`` or ``hidden`` (a secret, of which only that it changed is
    known).
    """

    name: str
    old: str | None
    new: str | None
    kind: str


def lines(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Line]:
    """Return what was and what is, side by side; values inside of documents have dots in their names."""
    old, new = dict(_leaves("", before or {})), dict(_leaves("", after or {}))
    names = list(dict.fromkeys([*old, *new]))
    return [_line(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in names[:MOST_LINES]]


def summary(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Return the first few changes in one line: ``weight 100 → 50 · reason late``."""
    parts = []
    for line in lines(before, after)[:4]:
        if line.kind == "hidden":
            parts.append(f"{line.name} (hidden)")
        elif line.kind == "added":
            parts.append(f"{line.name} {_short(line.new)}")
        elif line.kind == "removed":
            parts.append(f"{line.name} {_short(line.old)} → –")
        elif line.kind == "changed":
            parts.append(f"{line.name} {_short(line.old)} → {_short(line.new)}")
    return " · ".join(parts)


def _leaves(prefix: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        path = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping) and value:
            yield from _leaves(path, value)
        else:
            yield path, value


def _line(name: str, old: Any, new: Any) -> Line:
    told_old, told_new = _told(old), _told(new)
    if HIDDEN in (told_old, told_new):
        return Line(name, told_old, told_new, "hidden")
    if old is _ABSENT:
        return Line(name, None, told_new, "added")
    if new is _ABSENT:
        return Line(name, told_old, None, "removed")
    return Line(name, told_old, told_new, "kept" if old == new else "changed")


def _told(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, str | int) for one in value):
        return ", ".join(str(one) for one in value)
    return json.dumps(value, ensure_ascii=False)


def _short(text: str | None) -> str:
    text = text or "–"
    return text if len(text) <= 40 else f"{text[:39]}…"
