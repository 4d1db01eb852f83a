"""Items as their service declares them and as operators have them: one, or a list, without a query for each."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.errors import NotFound
from apps.menus.declaring import icon_warning, parent_field
from apps.menus.lifetimes import Lifetime
from apps.menus.models import COMPANY, GLOBAL, MenuItem, Overlay
from apps.menus.overlays import TOP, effective
from apps.menus.paths import route_key
from apps.menus.selectors.lives import lifetimes_of

__all__ = ["NOTHING", "ItemView", "declared_values", "item", "items", "items_shown", "unknown_siblings"]

NOTHING = "There is no such menu item."


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item with what is known of it.

    Attributes:
        row: what its service declares.
        overlays: what operators changed of it, in the scopes in sight.
        effective: what counts in the company in question, or for everybody.
        lifetime: how its service lives.
        warnings: what was accepted and may not be what was meant.
    """

    row: MenuItem
    overlays: Sequence[Overlay]
    effective: Mapping[str, Any]
    lifetime: Lifetime
    warnings: Sequence[Mapping[str, str]]


def items(
    *,
    service_name: str | None = None,
    company_id: int | None = None,
    key: str | None = None,
    name: str | None = None,
    path: str | None = None,
    parent_id: int | None = None,
    pending: bool | None = None,
    displaced: bool | None = None,
    is_active: bool | None = None,
    q: str | None = None,
) -> "QuerySet[MenuItem]":
    """Return the items in sight for which all that is given holds; ``parent_id`` 0 means those at the top."""
    waits = Q(parent=None, parent_ref__isnull=False)
    conditions = [
        Q(**{column: value})
        for column, value in {
            "service_name": service_name,
            "company_id": company_id,
            "key": key,
            "name": name,
            "route_key": None if path is None else route_key(path),
            "displaced": displaced,
            "is_active": is_active,
        }.items()
        if value is not None
    ]
    if parent_id is not None:
        conditions.append(Q(parent_id=parent_id) if parent_id != TOP else Q(parent=None, parent_ref=None))
    if pending is not None:
        conditions.append(waits if pending else ~waits)
    if q:
        conditions.append(Q(name__icontains=q) | Q(key__icontains=q) | Q(path__icontains=q))
    return MenuItem.objects.filter(*conditions, archived_at=None)


def item(id: int) -> MenuItem:
    """Return one item.

    Raises:
        NotFound: it is not there, archived, or not in sight.
    """
    row = MenuItem.objects.filter(pk=id, archived_at=None).first()
    if row is None:
        raise NotFound(NOTHING)
    return row


def items_shown(rows: Sequence[MenuItem], company_id: int | None) -> list[ItemView]:
    """Return ``rows`` with what is known of them; the number of queries does not depend on theirs.

    Args:
        rows: items in sight.
        company_id: the company whose overlays count in what is effective; None: only those of everybody, and of the
            item's own company.
    """
    overlays: dict[int, list[Overlay]] = defaultdict(list)
    found = Overlay.objects.filter(item_id__in=[row.pk for row in rows]).order_by("pk")
    for overlay in found:
        overlays[overlay.item_id].append(overlay)
    lives = lifetimes_of({row.service_name for row in rows})
    lost = unknown_siblings(rows)
    return [
        ItemView(
            row=row,
            overlays=overlays[row.pk],
            effective=_effective(row, overlays[row.pk], company_id or row.company_id),
            lifetime=lives[row.service_name],
            warnings=[*_warnings(row), *lost[row.pk]],
        )
        for row in rows
    ]


def declared_values(row: MenuItem) -> dict[str, Any]:
    """Return what a service says of an item, in the fields that operators may change."""
    return {
        "name": row.name,
        "icon": row.icon,
        "parent_id": row.parent_id or TOP,
        "order_number": row.order_number,
        "hidden": False,
        "pinned": False,
    }


def unknown_siblings(rows: Iterable[MenuItem]) -> Mapping[int, list[dict[str, str]]]:
    """Return by item a warning for each ``before`` and ``after`` that is the key of nobody beside it."""
    rows = list(rows)
    named = [
        (row, name, ref) for row in rows for name in ("before", "after") if (ref := getattr(row, name)) is not None
    ]
    warnings: dict[int, list[dict[str, str]]] = defaultdict(list)
    if not named:
        return warnings
    keys = {ref for _, _, ref in named} | {ref.partition(":")[2] for _, _, ref in named}
    stored = MenuItem.objects.filter(key__in=keys, archived_at=None).exclude(pk__in=[row.pk for row in rows])
    beside: dict[int | None, set[str]] = defaultdict(set)
    for parent, key, service in [
        *stored.values_list("parent_id", "key", "service_name"),
        *((row.parent_id, row.key, row.service_name) for row in rows),
    ]:
        beside[parent] |= {key, f"{service}:{key}"}
    for row, name, ref in named:
        if ref not in beside[row.parent_id]:
            words = f"No item beside this one has the key “{ref}”: it stands by its number."
            warnings[row.pk].append({"pointer": f"/{name}", "code": "unknown_sibling", "message": words})
    return warnings


def _effective(row: MenuItem, overlays: Iterable[Overlay], company_id: int | None) -> dict[str, Any]:
    of_everybody = [one.values for one in overlays if one.scope == GLOBAL]
    of_company = [one.values for one in overlays if one.scope == COMPANY and one.company_id == company_id]
    return effective(declared_values(row), [*of_everybody, *of_company])


def _warnings(row: MenuItem) -> list[dict[str, str]]:
    found = []
    if words := icon_warning(row.icon):
        found.append({"pointer": "/icon", "code": "unknown_icon", "message": words})
    if row.pending_parent:
        words = f"“{row.parent_ref}” is not there, or below this item itself: this one appears when it can."
        pointer = f"/{parent_field(row.declared) or 'parent_name'}"
        found.append({"pointer": pointer, "code": "pending_parent", "message": words})
    if row.displaced:
        words = "This path was given to another service: the item is kept, and not shown."
        found.append({"pointer": "/path", "code": "handed_over", "message": words})
    return found
