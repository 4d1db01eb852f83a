"""What a manifest is: its form, when two say the same, which is the newer one, what may not go at once. Pure.

Two manifests say the same when their version and their items do, in their order. The generation is no part of what is
said: it only tells which of two different manifests counts.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.menus.declaring import key_of

__all__ = [
    "MAX_BYTES",
    "MAX_GENERATION",
    "MAX_ITEMS",
    "NO_VERSION",
    "SCHEMA_VERSION",
    "SECTIONS",
    "body_of",
    "counts",
    "digest",
    "identity",
    "is_guarded",
    "is_same",
    "is_superseded",
    "said",
]

Body = dict[str, Any]

SCHEMA_VERSION = 1
SECTIONS: Mapping[str, str] = {"menus": "menu", "components": "component", "widgets": "widget"}
"""The lists of a manifest, in the order in which they are declared, with what one of their items is called."""
MAX_BYTES = 2 * 1024 * 1024
MAX_ITEMS = 5000
"""Of all three lists together."""
MAX_GENERATION = 2**53 - 1
"""The largest whole number that every reader of JSON has exactly."""
NO_VERSION = "0.0.0"
MOST_UNGUARDED = 5
"""So many items may always go."""

_INT64 = range(-(2**63), 2**63)


def body_of(version: str, generation: int | None, items: Mapping[str, Iterable[Mapping[str, Any]]]) -> Body:
    """Return the body that PUT takes and that says ``items``, which are in sections and as they were sent.

    Args:
        version: the service's; "0.0.0" where nobody said one.
        generation: the stored one; None, which becomes 0, where there is none.
        items: by section; a section that is missing is empty.
    """
    lists = {section: [said(item) for item in items.get(section, ())] for section in SECTIONS}
    return {"schema_version": SCHEMA_VERSION, "version": version, "generation": generation or 0, **lists}


def said(item: Mapping[str, Any]) -> Body:
    """Return what an item says: without nulls, which mean absence, and without whose it is, which is known."""
    return {name: _plain(value) for name, value in item.items() if value is not None and name != "service_name"}


def digest(body: Mapping[str, Any] | None) -> str:
    """Return the SHA-256 of what a body says, in hexadecimal; the same for two that say the same.

    None, which stands for everything having been taken back, has a digest of its own.
    """
    content = None
    if body is not None:
        lists = {section: [said(item) for item in body.get(section, ())] for section in SECTIONS}
        content = {"version": body["version"], **lists}
    return hashlib.sha256(_text(content).encode()).hexdigest()


def is_same(one: Any, other: Any) -> bool:
    """Return whether two JSON values say the same, whichever of them has been in the database.

    Python takes true for 1, and a large number for another one where the one is a float and the other an integer.
    """
    return _text(_plain(one)) == _text(_plain(other))


def is_superseded(generation: int, stored: int | None) -> bool:
    """Return whether a manifest with other content comes too late: its generation is not above the stored one."""
    return stored is not None and generation <= stored


def is_guarded(removed: int, existing: int) -> bool:
    """Return whether so many items of those that exist go only when somebody confirms it (contract, "Manifest")."""
    return removed > MOST_UNGUARDED and 2 * removed > existing


def counts(body: Mapping[str, Any] | None) -> dict[str, int]:
    """Return how many items each section of a body has."""
    return {section: len(body.get(section, ())) if body else 0 for section in SECTIONS}


def identity(section: str, item: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return what makes an item the same one in two manifests: its company, and its key or name."""
    return item.get("company_id"), key_of(item) if section == "menus" else str(item.get("name", ""))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """Return ``value`` with each number in the one form that survives PostgreSQL and the hub's parser.

    A ``jsonb`` number has no sign of zero, 1e3 comes back as the integer 1000, and 1e30 as an integer that the parser
    would not take.
    """
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() and int(value) in _INT64 else value
    return float(value) if type(value) is int and value not in _INT64 else value
