"""What is different between two states of a manifest, in sentences for operators. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.uiregistry.differences import Changed, Difference, Field, Named

__all__ = ["KINDS", "Entry", "Told", "counted", "tell"]

KINDS: Mapping[str, tuple[str, str]] = {
    "menu": ("menu item", "menu items"),
    "component": ("page or form", "pages and forms"),
    "widget": ("widget", "widgets"),
}
"""What the items of a manifest are called, one and many, in the order of a manifest."""
LONG = 90
_WORDS = {
    "required_permissions": "permissions needed",
    "permissions": "permissions needed",
    "permission_mode": "permissions needed",
    "order_number": "order",
    "parent_name": "parent",
    "parent_id": "parent",
    "is_active": "switched on",
    "is_page": "page of its own",
    "route_path": "route",
    "api_endpoint": "endpoint",
    "refresh_interval": "refreshed every (s)",
    "widget_type": "type",
    "component_type": "type",
    "url": "link",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One item, and what is to be said of it; ``lines`` is empty where its being there says all."""

    kind: str
    name: str
    about: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A difference in words; the lists stand in the order of a manifest."""

    sentence: str
    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    notes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both states say the same."""
        return not (self.added or self.removed or self.changed or self.notes)


def tell(found: Difference) -> Told:
    """Return a difference in words."""
    notes = [] if found.version is None else [_line(found.version)]
    notes += [f"The {KINDS[kind][1]} stand in another order." for kind in found.reordered]
    return Told(
        _sentence(found),
        tuple(_named(one) for one in found.added),
        tuple(_named(one) for one in found.removed),
        tuple(_changed(one) for one in found.changed),
        tuple(notes),
    )


def counted(kinds: Iterable[str]) -> str:
    """Return how many items of each kind there are: ``14 menu items and 1 widget``; empty for none."""
    counts = Counter(kinds)
    words = [
        f"{counts[kind]:,} {one if counts[kind] == 1 else many}" for kind, (one, many) in KINDS.items() if counts[kind]
    ]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))


def _sentence(found: Difference) -> str:
    parts = [
        f"{verb} {words}"
        for verb, entries in (("adds", found.added), ("removes", found.removed), ("changes", found.changed))
        if (words := counted(one.kind for one in entries))
    ]
    if not parts:
        return "No item is another one." if found.version or found.reordered else "Both say the same."
    told = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return f"{told[0].upper()}{told[1:]}."


def _named(one: Named) -> Entry:
    item = one.item
    where = next((str(item[name]) for name in ("path", "url", "route_path", "api_endpoint") if item.get(name)), "")
    parts = [str(item.get("component_type") or item.get("widget_type") or ""), where]
    if parent := item.get("parent_name"):
        parts.append(f"below {parent}")
    if one.company_id is not None:
        parts.append(f"for company {one.company_id}")
    return Entry(one.kind, one.name, ", ".join(filter(None, parts)))


def _changed(one: Changed) -> Entry:
    about = one.key if one.key != one.name else ""
    if one.company_id is not None:
        about = ", ".join(filter(None, (about, f"for company {one.company_id}")))
    return Entry(one.kind, one.name, about, tuple(_line(field) for field in one.fields))


def _line(field: Field) -> str:
    """Return what became of one field, as a sentence."""
    name = _called(field.path)
    name = name[:1].upper() + name[1:]
    if isinstance(field.before, list) and isinstance(field.after, list):
        return f"{name}: {_lists(field.before, field.after)}"
    if not field.had:
        return f"{name}: {_value(field.after)} now, nothing before."
    if not field.has:
        return f"{name}: {_value(field.before)} before, nothing now."
    return f"{name}: {_value(field.before)} before, {_value(field.after)} now."


def _called(path: str) -> str:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    first = _WORDS.get(parts[0], parts[0].replace("_", " "))
    return " › ".join([first, *(part.replace("_", " ") for part in parts[1:])])


def _lists(before: Sequence[Any], after: Sequence[Any]) -> str:
    old, new = _by_name(before), _by_name(after)
    gone, come = [name for name in old if name not in new], [name for name in new if name not in old]
    other = [name for name in new if name in old and old[name] != new[name]]
    parts = [
        f"{verb} {_listed(names)}" for verb, names in (("with", come), ("without", gone), ("another", other)) if names
    ]
    return f"{', '.join(parts)}." if parts else "the same in another order."


def _by_name(values: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        named = value
        if isinstance(value, Mapping):
            named = next((value[key] for key in ("name", "label", "field", "value") if key in value), value)
        found.setdefault(_value(named), value)
    return found


def _listed(names: Sequence[str], most: int = 6) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        text = value if len(value) <= LONG else f"{value[:LONG]}…"
        return f"“{text}”"
    if isinstance(value, list) and not value:
        return "empty"
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return _listed([_value(one) for one in value])
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONG else f"{text[:LONG]}…"
