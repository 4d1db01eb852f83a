"""Menus as those who arrange them see them: read from the database, so that whoever writes sees it at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from apps.menus.lifetimes import Lifetime
from apps.menus.models import COMPANY, GLOBAL, ROLE, USER, MenuRevision, Overlay
from apps.menus.outline import Outline, Said, Whom, outline
from apps.menus.rows import read_part
from apps.menus.selectors.lives import lifetimes_of
from apps.menus.structure import Item, Layer, Values
from apps.serviceauth.selectors import roles_of

__all__ = ["Arranged", "again_with", "arranged_for", "revision_of"]


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
    lifetimes = lifetimes_of({item.service_name for item in items})
    return Arranged(whom, outline(items, said, lifetimes), said, lifetimes, revision)


def again_with(found: Arranged, changes: Mapping[int, Values], bases: Mapping[int, Values]) -> Arranged:
    """Return the menu as it would be if its own layer said ``changes`` of some items; nothing is read or stored.

    Args:
        found: the menu as it is.
        changes: by item, all that the layer says of it then.
        bases: by item, what its service said of the changed fields when that was decided.
    """
    last = found.said[-1]
    layer = Layer(last.layer.scope, last.layer.scope_id, {**last.layer.changes, **changes}, last.layer.actors)
    said = [*found.said[:-1], Said(last.whom, layer, {**last.bases, **bases})]
    items = list(found.outline.structure.items.values())
    return replace(found, outline=outline(items, said, found.lifetimes), said=said)


def revision_of(company_id: int | None) -> int:
    """Return when what a company has (None: what everybody has) last changed."""
    wanted = Q(company_id=None) | Q(company_id=company_id)
    return MenuRevision.objects.filter(wanted).order_by("-value").values_list("value", flat=True).first() or 0


def _items(company_id: int | None) -> list[Item]:
    own = () if company_id is None else read_part(company_id).items
    return [*read_part(None).items, *own]


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
