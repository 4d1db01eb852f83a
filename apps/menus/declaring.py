"""What a service may say of a menu item, and what it means by it. Pure.

`item_faults` looks at an item as it was sent and leaves what has another type than it should to whoever checks types;
`meaning` takes what passed both.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from apps.core.errors import FieldError
from apps.menus.icons import is_known
from apps.menus.paths import endpoint_fault, hidden_character, path_fault, route_key, url_fault

__all__ = [
    "DEFAULT_INTERVAL",
    "DEFAULT_ORDER",
    "LOCALE",
    "MAX_ICON",
    "MAX_INTERVAL",
    "MAX_KEY",
    "MAX_LOCALES",
    "MAX_NAME",
    "MAX_ORDER",
    "MAX_PERMISSION",
    "MAX_PERMISSIONS",
    "MAX_TEXT",
    "MIN_INTERVAL",
    "PERMISSION",
    "differences",
    "icon_warning",
    "item_faults",
    "key_of",
    "meaning",
    "merged",
    "name_fault",
    "parent_field",
]

MAX_NAME = 80
MAX_KEY = 200
MAX_ICON = 60
MAX_TEXT = 2000
MAX_ORDER = 1_000_000
DEFAULT_ORDER = 100
MAX_PERMISSIONS = 50
MAX_PERMISSION = 100
PERMISSION = re.compile(r"[A-Za-z0-9_.:-]+")
MAX_LOCALES = 50
LOCALE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
MIN_INTERVAL, MAX_INTERVAL, DEFAULT_INTERVAL = 5, 86_400, 60

Item = Mapping[str, Any]

# One of each pair excludes the other: whoever changes one means that the other is gone.
_EITHER = (("path", "url"), ("parent_id", "parent_name"))


def item_faults(item: Item, *, partial: bool = False) -> list[FieldError]:
    """Return what is wrong with an item beyond the types of its fields, with pointers into it.

    Args:
        item: what was sent.
        partial: whether it says only what is to be changed, so that it may lack a path.
    """
    faults = []
    judges = {
        "name": name_fault,
        "key": _printable_fault,
        "path": path_fault,
        "url": url_fault,
        "icon": _printable_fault,
        "parent_name": _printable_fault,
        "before": _printable_fault,
        "after": _printable_fault,
        "description": _prose_fault,
    }
    for name, judge in judges.items():
        if (text := item.get(name)) and isinstance(text, str) and (words := judge(text)):
            faults.append(FieldError(f"/{name}", name if name in ("path", "url") else "text", words))
    return [
        *faults,
        *_badge_faults(item.get("badge")),
        *_labels_faults(item.get("labels")),
        *_pair_faults(item, partial),
    ]


def name_fault(text: str) -> str | None:
    """Return what is wrong with the name of an item, in a sentence; None when nothing is."""
    if hidden_character(text):
        return "A name holds no control characters and nothing that changes the order in which it is read."
    if len(_folded(text)) > MAX_NAME:
        return f"A name has at most {MAX_NAME} characters."
    return None if text.strip() else "A name is made of characters that can be seen."


def key_of(item: Item) -> str:
    """Return the key of an item: what its service calls it, by default its path or its link."""
    return str(item.get("key") or item.get("path") or item.get("url") or "").rstrip("/") or "/"


def parent_field(item: Item) -> str | None:
    """Return the field in which an item names its parent; None for one at the top."""
    return next((name for name in ("parent_id", "parent_name") if item.get(name) is not None), None)


def meaning(item: Item) -> dict[str, Any]:
    """Return the columns of `apps.menus.models.MenuItem` that an item gives meaning to, but for key and company."""
    path, parent, badge = item.get("path"), parent_field(item), item.get("badge")
    return {
        "name": _folded(item["name"]),
        "path": path,
        "url": item.get("url"),
        "route_key": route_key(path) if path else None,
        "icon": item.get("icon") or "",
        "description": item.get("description") or "",
        "parent_ref": None if parent is None else _folded(str(item[parent])),
        "parent_ref_kind": None if parent is None else parent.removeprefix("parent_"),
        "order_number": item.get("order_number", DEFAULT_ORDER),
        "before": item.get("before"),
        "after": item.get("after"),
        "required_permissions": list(dict.fromkeys(item.get("required_permissions") or ())),
        "permission_mode": item.get("permission_mode", "all"),
        "labels": {locale: _folded(text) for locale, text in (item.get("labels") or {}).items()},
        "badge": {"refresh_interval": DEFAULT_INTERVAL, **badge} if badge else None,
        "is_page": item.get("is_page", False),
        "is_active": item.get("is_active", True),
    }


def merged(declared: Item, changes: Item) -> dict[str, Any]:
    """Return what a service declares after ``changes``; what they do not name stays, but for the other of a pair."""
    gone = {
        other
        for pair in _EITHER
        for named, other in (pair, pair[::-1])
        if changes.get(named) is not None and changes.get(other) is None
    }
    return {**{name: value for name, value in declared.items() if name not in gone}, **changes}


def differences(before: Item, after: Item) -> list[str]:
    """Return the fields in which two declarations differ, in alphabetical order."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def icon_warning(icon: str) -> str | None:
    """Return what is to be said of an icon that nobody knows; None for one that there is."""
    return None if is_known(icon) else f"There is no icon “{icon}”; a plain mark is drawn in its place."


def _pair_faults(item: Item, partial: bool) -> list[FieldError]:
    faults = []
    if item.get("path") is not None and item.get("url") is not None:
        faults.append(FieldError("/url", "contradiction", "An item has a path or a url, not both."))
    if item.get("parent_id") is not None and item.get("parent_name") is not None:
        faults.append(FieldError("/parent_id", "contradiction", "Name the parent once: by its id or by its name."))
    if not partial and item.get("path") is None and item.get("url") is None:
        faults.append(FieldError("/path", "required", "An item has a path, or a url in its place."))
    if not partial and len(key_of(item)) > MAX_KEY and not item.get("key"):
        faults.append(FieldError("/key", "required", f"A link of more than {MAX_KEY} characters needs a key."))
    return faults


def _badge_faults(badge: Any) -> list[FieldError]:
    if not isinstance(badge, Mapping):
        return []
    faults = []
    if isinstance(endpoint := badge.get("endpoint"), str) and (words := endpoint_fault(endpoint)):
        faults.append(FieldError("/badge/endpoint", "endpoint", words))
    interval = badge.get("refresh_interval")
    if type(interval) is int and interval != 0 and not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        message = f"0 (by hand), or {MIN_INTERVAL} to {MAX_INTERVAL} seconds."
        faults.append(FieldError("/badge/refresh_interval", "interval", message))
    return faults


def _labels_faults(labels: Any) -> list[FieldError]:
    if not isinstance(labels, Mapping):
        return []
    faults = []
    if len(labels) > MAX_LOCALES:
        faults.append(FieldError("/labels", "max_length", f"At most {MAX_LOCALES} locales."))
    for locale, text in list(labels.items())[:MAX_LOCALES]:
        pointer = f"/labels/{str(locale).replace('~', '~0').replace('/', '~1')}"
        if not LOCALE.fullmatch(locale):
            faults.append(FieldError(pointer, "locale", "A locale is written as pl, pt-BR or zh-Hant-TW."))
        elif isinstance(text, str) and (words := name_fault(text)):
            faults.append(FieldError(pointer, "text", words))
    return faults


def _printable_fault(text: str) -> str | None:
    if hidden_character(text) or not 0 < len(_folded(text)) <= MAX_KEY:
        return "This is made of characters that can be seen."
    return None


def _prose_fault(text: str) -> str | None:
    return "No control characters, please." if hidden_character(re.sub(r"[\n\r\t]", " ", text)) else None


def _folded(text: str) -> str:
    """Return a text as it is stored and compared: composed, without spaces around it."""
    return unicodedata.normalize("NFC", text).strip()
