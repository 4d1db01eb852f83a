"""Making the stored items of a service what it declares: one item, or all of a manifest at once.

A number of statements that does not depend on how many items there are, all under `apps.menus.services.lock`.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import FieldError, InvalidInput, NotAllowed
from apps.core.tenancy import Companies
from apps.menus.declaring import icon_warning
from apps.menus.models import MENU, MenuItem, Overlay
from apps.menus.selectors.items import unknown_siblings
from apps.menus.services.claiming import (
    Judged,
    PathTaken,
    Place,
    Wanted,
    at_places,
    claims_judge,
    conflicts_settle,
    handovers_at,
)
from apps.menus.services.linking import Linking, items_link, relink
from apps.menus.services.matching import Declared, Matched, Target, items_match
from apps.menus.services.revisions import touch
from apps.menus.services.telling import Sides, declaration_tell

__all__ = ["Declared", "Outcome", "menus_reconcile"]

Entry = dict[str, Any]

_STORED = [
    *("declared", "declared_in", "position", "name", "path", "url", "route_key", "icon", "description", "parent_ref"),
    *("parent_ref_kind", "parent", "order_number", "before", "after", "required_permissions", "permission_mode"),
    *("labels", "badge", "is_page", "is_active", "displaced", "archived_at", "revision", "updated_at"),
]


@dataclass(slots=True)
class Outcome:
    """What became of a declaration.

    Entries are ``{"kind": "menu", "key", "id"}``; those of ``updated`` and ``kept_by_overlay`` have ``fields`` too,
    and the latter ``scopes``. Warnings are ``{"pointer", "code", "message"}``.

    Attributes:
        created: what was not there, or came back from the archive.
        updated: what was there and is another now.
        removed: what the service no longer declares.
        kept_by_overlay: what the service changed and operators have decided otherwise.
        pending: what names a parent that is not there, or whose parent would be below it.
        warnings: what was accepted and may not be what was meant.
        ids: the number of each declared item by its key.
        total_before: how many items this service had in this scope; known when it is pruned.
        revision: the one that this made; None when nothing changed.
    """

    created: list[Entry] = field(default_factory=list)
    updated: list[Entry] = field(default_factory=list)
    removed: list[Entry] = field(default_factory=list)
    kept_by_overlay: list[Entry] = field(default_factory=list)
    pending: list[Entry] = field(default_factory=list)
    warnings: list[Entry] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    total_before: int = 0
    revision: int | None = None

    @property
    def changed(self) -> bool:
        """Whether anything is other than it was."""
        return self.revision is not None


def menus_reconcile(
    *,
    service_name: str,
    declared_in: int | None,
    items: Sequence[Declared],
    prune: bool,
    companies: Companies,
    actor: str,
    now: dt.datetime,
    drop: Iterable[int] = (),
) -> Outcome:
    """Make the items of ``service_name`` those that it declares; in the caller's transaction, after `lock`.

    Where nothing changes there is no revision, no audit and no event. A dry run is one that the caller rolls back.

    Args:
        service_name: whose items they are.
        declared_in: the company from within which they are declared; None: from none. Items that name no company are
            of this one.
        items: what is declared.
        prune: whether the items of this service and scope that are not among them are archived.
        companies: for which the caller acts.
        actor: who does it.
        now: when.
        drop: the numbers of items to archive, whatever ``prune`` says.

    Raises:
        InvalidInput: with every fault: paths and keys that stand twice, parents that may be several, circles.
        PathTaken: nothing else is wrong, but another service has a path.
        NotAllowed: an item is of a company that the caller does not act for.
    """
    _require_companies(items, companies)
    matched = items_match(service_name=service_name, declared_in=declared_in, items=items, prune=prune, drop=drop)
    judged = _judge_paths(service_name, matched)
    links = {
        target.row.pk: Linking(
            target.row,
            target.parent_pointer,
            is_new=target.is_new,
            is_said=target.was is None or any(target.was[n] != getattr(target.row, n) for n in _REFS),
            is_renamed=target.was is not None and target.was["name"] != target.row.name,
        )
        for target in matched.targets
    }
    linked = items_link(list(links.values()), matched.removed) if _needs_links(matched) else None
    faults = [*matched.faults, *(linked.faults if linked else ())]
    if faults:
        raise InvalidInput(errors=[*faults, *judged.faults])
    if judged.claims:
        raise PathTaken(judged)
    if linked:
        for target in matched.targets:
            target.row.parent_id = links[target.row.pk].parent_id
    circular = {pk for pk, link in links.items() if link.is_circular}
    outcome = _outcome(matched, circular)
    _store(service_name, matched, linked.others if linked else {}, outcome, actor, now)
    return outcome


_REFS = ("parent_ref", "parent_ref_kind")


def _require_companies(items: Sequence[Declared], companies: Companies) -> None:
    if companies == "*":
        return
    faults = [
        FieldError(f"{item.pointer}/company_id", "not_your_company", "You do not act for this company.")
        for item in items
        if item.values.get("company_id") not in (None, *companies)
    ]
    if faults:
        raise NotAllowed(faults[0].message, errors=faults)


def _judge_paths(service_name: str, matched: Matched) -> Judged:
    """Return what may be shown where, and note in each item whether it is displaced."""
    asking = [
        target
        for target in matched.targets
        if target.place is not None and (target.place != target.place_before or target.row.displaced)
    ]
    places = {target.place for target in asking if target.place is not None}
    owners: dict[Place, str] = {}
    if places:
        rows = MenuItem.objects.filter(at_places(places), archived_at=None, displaced=False)
        others = rows.exclude(service_name=service_name).values_list("route_key", "company_id", "service_name")
        owners = {(str(route), company): owner for route, company, owner in others}
    wanted = [
        Wanted(target.pointer_to("path"), str(target.row.path), target.place) for target in asking if target.place
    ]
    judged = claims_judge(kind=MENU, service_name=service_name, wanted=wanted, owners=owners)
    for target in asking:
        target.row.displaced = target.place in judged.displaced
    for target in matched.targets:
        if target.place is None:
            target.row.displaced = False
    return judged


def _needs_links(matched: Matched) -> bool:
    """Whether anybody's parent may be another one than it was."""
    if matched.removed:
        return True
    return any(target.is_changed or target.row.pending_parent for target in matched.targets)


def _outcome(matched: Matched, circular: set[int]) -> Outcome:
    outcome = Outcome(total_before=matched.total)
    for target in matched.targets:
        row = target.row
        outcome.ids[row.key] = row.pk
        if target.is_new:
            outcome.created.append(_entry(row))
        elif target.is_changed:
            outcome.updated.append({**_entry(row), "fields": target.fields})
        if row.pending_parent:
            outcome.pending.append(_entry(row))
        outcome.warnings += _warnings(target, row.pk in circular)
    outcome.removed = [_entry(row) for row in matched.removed]
    outcome.warnings += _sibling_warnings(matched.targets)
    outcome.kept_by_overlay = _kept(matched.targets)
    return outcome


def _entry(row: MenuItem) -> Entry:
    return {"kind": MENU, "key": row.key, "id": row.pk}


def _warning(pointer: str, code: str, message: str) -> Entry:
    return {"pointer": pointer, "code": code, "message": message}


def _warnings(target: Target, is_circular: bool) -> list[Entry]:
    row, found = target.row, []
    if words := icon_warning(row.icon):
        found.append(_warning(target.pointer_to("icon"), "unknown_icon", words))
    if row.pending_parent:
        words = f"There is no item “{row.parent_ref}” yet: this one appears when it does."
        if is_circular:
            words = f"“{row.parent_ref}” is below this item itself: it appears when that ends."
        found.append(_warning(target.parent_pointer, "circular_parent" if is_circular else "pending_parent", words))
    if row.displaced:
        words = "An operator gave this path to another service: the item is kept, and not shown."
        found.append(_warning(target.pointer_to("path"), "handed_over", words))
    return found


def _sibling_warnings(targets: Sequence[Target]) -> list[Entry]:
    """Return a warning for each ``before`` and ``after`` that is the key of nobody beside the item."""
    pointers = {target.row.pk: target.pointer for target in targets}
    return [
        {**warning, "pointer": pointers[pk] + warning["pointer"]}
        for pk, found in unknown_siblings(target.row for target in targets).items()
        for warning in found
    ]


_OVERLAID = {
    "name": "name",
    "icon": "icon",
    "order_number": "order_number",
    "parent_id": "parent_id",
    "parent_name": "parent_id",
}


def _kept(targets: Sequence[Target]) -> list[Entry]:
    """Return what services say otherwise now, and operators have decided."""
    changed = {target.row.pk: target for target in targets if not target.is_new and target.fields}
    scopes: dict[int, dict[str, list[str]]] = {}
    overlays = Overlay.objects.filter(item_id__in=changed).order_by("pk") if changed else []
    for overlay in overlays:
        fields = [name for name in changed[overlay.item_id].fields if _OVERLAID.get(name) in overlay.values]
        for name in fields:
            held = scopes.setdefault(overlay.item_id, {}).setdefault(name, [])
            if overlay.scope not in held:
                held.append(overlay.scope)
    return [
        {
            **_entry(changed[pk].row),
            "fields": list(by_field),
            "scopes": list(dict.fromkeys(scope for held in by_field.values() for scope in held)),
        }
        for pk, by_field in scopes.items()
    ]


def _store(
    service_name: str,
    matched: Matched,
    others: Mapping[int, int | None],
    outcome: Outcome,
    actor: str,
    now: dt.datetime,
) -> None:
    changed = [target for target in matched.targets if target.is_changed]
    has = [target.place for target in changed if target.place is not None]
    left = [
        *(target.place_before for target in changed if target.place_before not in (None, target.place)),
        *((row.route_key, row.company_id) for row in matched.removed if row.route_key and not row.displaced),
    ]
    if changed or matched.removed:
        companies = {target.row.company_id for target in changed} | {row.company_id for row in matched.removed}
        outcome.revision = touch(companies)
        _archive(matched.removed, outcome.revision, now)
        _vacate(changed)
        for target in changed:
            target.row.revision, target.row.updated_at = outcome.revision, now
        relink(others, outcome.revision)
    _upsert([target for target in matched.targets if target.is_changed or target.is_moved])
    if outcome.revision:
        _promote([place for place in left if place is not None], outcome.revision)
        conflicts_settle(kind=MENU, claimant=service_name, has=has, left=[place for place in left if place])
        declaration_tell(
            service_name=service_name,
            changes=_sides(changed, matched.removed),
            revision=outcome.revision,
            actor=actor,
            now=now,
        )


def _archive(rows: Sequence[MenuItem], revision: int, now: dt.datetime) -> None:
    if rows:
        stored = MenuItem.objects.filter(pk__in=[row.pk for row in rows])
        stored.update(archived_at=now, parent=None, revision=revision, updated_at=now)


def _vacate(changed: Sequence[Target]) -> None:
    """Take items that move out of each other's way: two may exchange their paths."""
    moving = [target.row.pk for target in changed if target.was and target.was["route_key"] != target.row.route_key]
    if moving:
        MenuItem.objects.filter(pk__in=moving).update(displaced=True)


def _upsert(targets: Sequence[Target]) -> None:
    if targets:
        MenuItem.objects.bulk_create(
            [target.row for target in targets],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=_STORED,
        )


def _promote(places: Sequence[Place], revision: int) -> None:
    """Show what was displaced at places that are free now, unless they are somebody else's by an operator's word."""
    if not places:
        return
    here = MenuItem.objects.filter(at_places(places), archived_at=None).order_by("pk")
    rows = list(here.values_list("pk", "route_key", "company_id", "service_name", "displaced"))
    if not any(displaced for *_, displaced in rows):
        return
    given = handovers_at(MENU, places)
    taken = {(route, company) for _, route, company, _, displaced in rows if not displaced}
    shown = []
    for pk, route, company, service, displaced in rows:
        place = (str(route), company)
        if displaced and place not in taken and given.get(place, service) == service:
            taken.add(place)
            shown.append(pk)
    MenuItem.objects.filter(pk__in=shown).update(displaced=False, revision=revision)


def _sides(changed: Sequence[Target], removed: Sequence[MenuItem]) -> dict[int | None, dict[str, Sides]]:
    sides: dict[int | None, dict[str, Sides]] = defaultdict(dict)
    for target in changed:
        sides[target.row.company_id][target.row.key] = (target.said, target.row.declared)
    for row in removed:
        sides[row.company_id][row.key] = (row.declared, None)
    return sides
