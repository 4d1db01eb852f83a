"""Menus as those who arrange them see them: read from the database, so that whoever writes sees it at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from apps.menus.lifetimes import Lifetime, lifetime_of
from apps.menus.models import COMPANY, GLOBAL, ROLE, USER, MenuItem, MenuRevision, Overlay
from apps.menus.outline import Outline, Said, Whom, outline
from apps.menus.structure import Item, Layer, Values
from apps.registry import selectors as registry
from apps.registry.models import Service
from apps.serviceauth.selectors import roles_of

__all__ = ["Arranged", "again_with", "arranged_for", "revision_of"]

_COLUMNS = (
    "id", "service_name", "company_id", "key", "name", "path", "url", "route_key", "icon", "parent_id", "parent_ref",
    "order_number", "before", "after", "required_permissions", "permission_mode", "is_page", "is_active", "labels",
    "badge", "displaced",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arranged:
    """A menu: for whom it is arranged, and what lies on it, the least specific layer first and its own last."""

    whom: Whom
    outline: Outline
    said: Sequence[Said]
    lifetimes: Mapping[str, Lifetime]
    revision: int


def arranged_for(whom: Whom) -> Arranged:
    """Return the menu that ``whom`` has, as far as it is in sight of the running code."""
    revision = revision_of(whom.company_id)
    items = _items(whom.company_id)
    said = _said(whom)
    lifetimes = _lifetimes({item.service_name for item in items})
    return Arranged(whom, outline(items, said, lifetimes), said, lifetimes, revision)


def again_with(found: Arranged, changes: Mapping[int, Values]) -> Outline:
    """Return the outline as it would be if the last layer said ``changes`` of some items; nothing is read or stored."""
    last = found.said[-1]
    layer = Layer(last.layer.scope, last.layer.scope_id, {**last.layer.changes, **changes}, last.layer.actors)
    said = [*found.said[:-1], Said(last.whom, layer, last.bases)]
    return outline(list(found.outline.structure.items.values()), said, found.lifetimes)


def revision_of(company_id: int | None) -> int:
    """Return when what a company has (None: what everybody has) last changed."""
    wanted = Q(company_id=None) | Q(company_id=company_id)
    return MenuRevision.objects.filter(wanted).order_by("-value").values_list("value", flat=True).first() or 0


def _lifetimes(names: set[str]) -> dict[str, Lifetime]:
    states = registry.service_states(names)
    known = set(Service.objects.filter(name__in=names).values_list("name", flat=True))
    return {
        name: lifetime_of(states[name].statuses if name in states else (), was_registered=name in known)
        for name in names
    }


def _items(company_id: int | None) -> list[Item]:
    own = Q(company_id=None) if company_id is None else Q(company_id=None) | Q(company_id=company_id)
    rows = MenuItem.objects.filter(own, archived_at=None).order_by("id").values_list(*_COLUMNS)
    return [_item(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _item(row: dict[str, Any]) -> Item:
    pending = row.pop("parent_ref") is not None and row["parent_id"] is None
    permissions, mode = tuple(row.pop("required_permissions")), row.pop("permission_mode")
    return Item(pending=pending, permissions=permissions, any_of=mode == "any", **row)


def _said(whom: Whom) -> list[Said]:
    """Return what was changed in each scope that counts for ``whom``, its own last and also when that is empty."""
    wanted = _scopes_for(whom)
    found: dict[Whom, list[Overlay]] = defaultdict(list)
    condition = Q()
    for one in wanted:
        condition |= Q(scope=one.scope, scope_id=one.scope_id, company_id=one.company_id)
    for overlay in Overlay.objects.filter(condition, item__archived_at=None).order_by("item_id"):
        found[Whom(overlay.scope, overlay.scope_id, overlay.company_id)].append(overlay)
    return [_layer(one, found[one]) for one in wanted if found[one] or one == whom]


def _layer(whom: Whom, overlays: Iterable[Overlay]) -> Said:
    some = list(overlays)
    changes = {overlay.item_id: overlay.values for overlay in some}
    actors = {overlay.item_id: overlay.actor for overlay in some}
    layer = Layer(whom.scope, whom.scope_id, changes, actors)
    return Said(whom, layer, {overlay.item_id: overlay.base for overlay in some})


def _scopes_for(whom: Whom) -> list[Whom]:
    """Return the scopes that count for ``whom``, the least specific first: those of a role or person in all companies
    before those in this one."""
    found = [Whom(GLOBAL)]
    if whom.company_id is not None:
        found.append(Whom(COMPANY, whom.company_id, whom.company_id))
    companies = dict.fromkeys((None, whom.company_id))
    if whom.scope == USER and whom.company_id is not None:
        for role_id, _ in roles_of(whom.scope_id, whom.company_id):
            found += [Whom(ROLE, role_id, company_id) for company_id in companies]
    if whom.scope in (ROLE, USER):
        found += [Whom(whom.scope, whom.scope_id, company_id) for company_id in companies]
    return found
