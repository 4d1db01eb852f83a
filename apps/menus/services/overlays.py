"""What operators change of one item in one scope: set as a whole, and taken back."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q

from apps.core import audit
from apps.core.errors import FieldError, InvalidInput, NotFound
from apps.core.tenancy import system, use
from apps.menus.models import COMPANY, GLOBAL, ROLE, USER, MenuItem, Overlay
from apps.menus.overlays import TOP, links, loop_of_overlays, rank
from apps.menus.parents import loop_from
from apps.menus.selectors.items import NOTHING, declared_values
from apps.menus.services.revisions import lock, touch
from apps.menus.services.telling import announce
from apps.serviceauth.selectors import roles_of

__all__ = ["NO_OVERLAY", "overlay_remove", "overlay_set"]

NO_OVERLAY = "Nothing of this item is changed in this scope."

_Where = tuple[str, int, int | None]
"""A scope, its number, and the company in which it holds."""


def overlay_set(
    *,
    item_id: int,
    scope: str,
    scope_id: int,
    company_id: int | None,
    values: Mapping[str, Any],
    reason: str = "",
    actor: str,
    now: dt.datetime,
) -> Overlay:
    """Let ``values`` count in a scope in place of what the service says of an item, and of any others set there before.

    Setting the same again changes nothing, unless the service has changed its mind meanwhile: then the operator has
    seen that, and it is no drift any more.

    Args:
        item_id: the item.
        scope: ``global``, ``company``, ``role`` or ``user``.
        scope_id: which company, role or user; 0 for ``global``.
        company_id: in which company it holds; None: in all.
        values: by field (`apps.menus.overlays.FIELDS`), at least one.
        reason: why, in the operator's words.
        actor: who says so.
        now: when.

    Raises:
        NotFound: there is no such item in sight.
        InvalidInput: the scope is not one of the item, its parent is none, or it would be below itself.
    """
    where = (scope, scope_id, company_id)
    with transaction.atomic():
        lock()
        item = _item(item_id)
        _require_scope(item, company_id)
        base = {name: value for name, value in declared_values(item).items() if name in values}
        row = _stored(item_id, where)
        if row is not None and (row.values, row.base, row.reason) == (dict(values), base, reason):
            return row
        before = None if row is None else row.values
        row = row or Overlay(item_id=item_id, scope=scope, scope_id=scope_id, company_id=company_id)
        row.values, row.base, row.reason, row.actor, row.updated_at = dict(values), base, reason, actor, now
        row.save()
        if "parent_id" in values:
            _require_parent(item, where, values["parent_id"])
        if "parent_id" in values or "parent_id" in (before or {}):
            require_no_circle(item, where)
        _tell(item, where, before, row.values, actor, now)
    return row


def overlay_remove(
    *, item_id: int, scope: str, scope_id: int, company_id: int | None, actor: str, now: dt.datetime
) -> None:
    """Let count what the service says, or what is said in less specific scopes.

    Raises:
        NotFound: there is no such item in sight, or nothing of it is changed there.
        InvalidInput: what is said elsewhere would then lead in a circle.
    """
    where = (scope, scope_id, company_id)
    with transaction.atomic():
        lock()
        item, row = _item(item_id), _stored(item_id, where)
        if row is None:
            raise NotFound(NO_OVERLAY)
        before = row.values
        row.delete()
        if "parent_id" in before:
            require_no_circle(item, where)
        _tell(item, where, before, None, actor, now)


def _item(item_id: int) -> MenuItem:
    item = MenuItem.objects.filter(pk=item_id, archived_at=None).first()
    if item is None:
        raise NotFound(NOTHING)
    return item


def _stored(item_id: int, where: _Where) -> Overlay | None:
    scope, scope_id, company_id = where
    rows = Overlay.objects.filter(item_id=item_id, scope=scope, scope_id=scope_id, company_id=company_id)
    return rows.first()


def _require_scope(item: MenuItem, company_id: int | None) -> None:
    if item.company_id not in (None, company_id):
        words = f"This item is company {item.company_id}'s: what is changed of it holds in that company."
        raise InvalidInput(errors=[FieldError("?company_id", "company_item", words)])


def _require_parent(item: MenuItem, where: _Where, parent_id: int) -> None:
    if parent_id == TOP:
        return
    parent = MenuItem.objects.filter(pk=parent_id, archived_at=None).only("company_id").first()
    if parent is None or parent.company_id not in (None, where[2]):
        words = "There is no such item in this menu to stand below."
        raise InvalidInput(errors=[FieldError("/parent_id", "unknown_parent", words)])


def require_no_circle(item: MenuItem, where: _Where) -> None:
    """Refuse what would put an item below itself in the tree of its scope, or set operators against each other.

    Links of services give way to those of operators, so in the trees of more specific scopes only what operators say
    counts.

    Raises:
        InvalidInput: with the circle spelt out.
    """
    with use(system("compare what operators say of menus")):
        rows = Overlay.objects.filter(values__has_key="parent_id", item__archived_at=None)
        overlays = [(row.scope, row.scope_id, row.company_id, row.item_id, row.values["parent_id"]) for row in rows]
    for variant in _variants(where, {(scope, of, company) for scope, of, company, _, _ in overlays}):
        said = sorted(overlays, key=lambda row: rank(row[0], row[2]))
        overlaid = {number: parent for *one, number, parent in said if tuple(one) in variant}
        loop = _loop(item, where, overlaid) if variant[-1] == where else _foreign_loop(variant, overlaid)
        if loop:
            words = f"This would lead in a circle: {' → '.join(_names(loop))}."
            raise InvalidInput(errors=[FieldError("/parent_id", "cycle", words)])


def _variants(where: _Where, present: set[_Where]) -> list[list[_Where]]:
    """Return the sets of scopes that count together and have ``where`` among them, its own tree first."""
    own = _chain(where)
    found = [_chain(one) for one in sorted(present, key=str) if one != where]
    return [own, *(chain for chain in found if where in chain)]


def _chain(where: _Where) -> list[_Where]:
    """Return the scopes that count for whoever is in ``where``, the least specific first."""
    scope, scope_id, company = where
    chain: list[_Where] = [(GLOBAL, 0, None)]
    if company is not None:
        chain.append((COMPANY, company, company))
    companies = dict.fromkeys((None, company))
    if scope == USER and company is not None:
        chain += [(ROLE, role, of) for role, _ in roles_of(scope_id, company) for of in companies]
    if scope in (ROLE, USER):
        chain += [(scope, scope_id, of) for of in companies]
    return chain


def _replaced(company: int | None, among: Q) -> dict[int, int]:
    """Return which items of everybody, of those ``among``, give their place to one of a company."""
    if company is None:
        return {}
    shown = MenuItem.objects.filter(archived_at=None, displaced=False, route_key__isnull=False)
    own = {route: pk for pk, route in shown.filter(company_id=company).values_list("pk", "route_key")}
    everybodys = shown.filter(among, company_id=None, route_key__in=own).values_list("pk", "route_key")
    return {pk: own[route] for pk, route in everybodys}


def _loop(item: MenuItem, where: _Where, overlaid: Mapping[int, int]) -> list[int] | None:
    """Return the circle in which an item stands in the tree of a scope."""
    inside = Q(company_id=None) | Q(company_id=where[2])
    with use(system("compare what operators say of menus")):
        declared = dict(MenuItem.objects.filter(inside, archived_at=None).values_list("pk", "parent_id"))
        replaced = _replaced(where[2], Q())
    parents = links(declared, overlaid, replaced)
    # Only a link of an operator is in question: that of a service gives way by itself.
    return loop_from(item.pk, parents) if item.pk in overlaid else None


def _foreign_loop(variant: list[_Where], overlaid: Mapping[int, int]) -> list[int] | None:
    """Return a circle in which operators would have set each other in a more specific scope."""
    with use(system("compare what operators say of menus")):
        replaced = _replaced(variant[-1][2], Q(pk__in=overlaid.values()))
    return loop_of_overlays(overlaid, replaced)


def _names(loop: list[int]) -> list[str]:
    names = dict(MenuItem.objects.filter(pk__in=loop).values_list("pk", "name"))
    return [names.get(number, "an item that you do not see") for number in loop]


def _tell(
    item: MenuItem,
    where: _Where,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    actor: str,
    now: dt.datetime,
) -> None:
    scope, scope_id, company_id = where
    revision = touch([company_id])
    place = {"scope": scope, "scope_id": scope_id}
    audit.record(
        "menu_overlay_changed",
        "menu_item",
        item.pk,
        company_id=company_id,
        before=None if before is None else {**place, **before},
        after=None if after is None else {**place, **after},
    )
    data = {**place, "item_id": item.pk, "key": item.key, "service_name": item.service_name, "actor": actor}
    announce("menu_overlay", item.pk, [company_id], {**data, "revision": revision}, now)
