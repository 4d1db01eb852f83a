"""What operators change of items: which fields, in which order scopes count, and what would lead in a circle. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.menus.parents import loop_from

__all__ = ["FIELDS", "TOP", "USER_FIELDS", "effective", "has_drifted", "links", "loop_of_overlays", "rank"]

FIELDS = ("name", "icon", "parent_id", "order_number", "hidden", "pinned")
USER_FIELDS = ("name", "order_number", "hidden", "pinned")
"""What people may change for themselves."""
TOP = 0
"""What is above an item at the top, where an operator says so."""

Values = Mapping[str, Any]

_SCOPES = {"global": 0, "company": 1, "role": 2, "user": 3}


def rank(scope: str, company_id: int | None) -> tuple[int, bool]:
    """Return what sorts overlays so that the more specific one comes later and counts."""
    return _SCOPES[scope], company_id is not None


def effective(declared: Values, layers: Iterable[Values]) -> dict[str, Any]:
    """Return what counts of an item: what its service says, and over it each of ``layers``, the later the more."""
    found = dict(declared)
    for values in layers:
        found.update({name: value for name, value in values.items() if name in FIELDS})
    return found


def has_drifted(field: str, values: Values, base: Values, now: Values) -> bool:
    """Whether a service says something else of ``field`` by now, and not what the operator wants anyway."""
    return field in base and now[field] not in (base[field], values[field])


def links(
    declared: Mapping[int, int | None], overlaid: Mapping[int, int], replaced: Mapping[int, int]
) -> dict[int, int | None]:
    """Return what is above each item.

    Args:
        declared: the parents that services name.
        overlaid: those that operators name; `TOP` is none.
        replaced: items of everybody in whose place one of a company stands, which what is below them follows.
    """
    merged = {**declared, **{item: parent or None for item, parent in overlaid.items()}}
    return {item: replaced.get(parent, parent) if parent else None for item, parent in merged.items()}


def loop_of_overlays(overlaid: Mapping[int, int], replaced: Mapping[int, int]) -> list[int] | None:
    """Return a circle that consists of nothing but links of operators, so that none of them could give way."""
    only = links({}, overlaid, replaced)
    return next((loop for item in sorted(only) if (loop := loop_from(item, only))), None)
