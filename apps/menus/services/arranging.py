"""Arranging a menu: many items at once, as one change that happens as a whole or not at all, and can be taken back."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from django.db import transaction

from apps.core import audit
from apps.core.errors import FieldError, InvalidInput, NotAllowed, NotFound
from apps.core.tenancy.models import required_scope
from apps.menus.declaring import MAX_ICON, MAX_ORDER, name_fault
from apps.menus.models import MenuItem, Overlay
from apps.menus.ordering import place
from apps.menus.outline import DISPLACED, Outline, Whom, declared_values
from apps.menus.overlays import FIELDS, TOP
from apps.menus.selectors.outlines import Arranged, again_with, arranged_for
from apps.menus.services.overlays import require_no_circle
from apps.menus.services.revisions import lock, touch
from apps.menus.services.telling import announce
from apps.menus.structure import CYCLE, Item, Values

__all__ = ["Arrangement", "Wish", "overlays_change", "overlays_move"]

MOST_WISHES = 1000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be changed of one item: values of fields, and fields that are to be as before this scope had a say."""

    item_id: int
    values: Values = field(default_factory=dict)
    unset: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The menu before and after a change, and the wishes that would take it back."""

    before: Outline
    after: Arranged
    undo: tuple[Wish, ...]


def overlays_change(*, whom: Whom, wishes: Sequence[Wish], actor: str, now: dt.datetime) -> Arrangement:
    """Change what ``whom`` gets of some items; what would say nothing new is not kept.

    Raises:
        NotAllowed: what counts for ``whom`` is not the caller's to change.
        NotFound: an item is not in this menu.
        InvalidInput: a value is none, or items would stand below themselves; every fault at once.
    """
    _require_writable(whom)
    with transaction.atomic():
        lock()
        found = arranged_for(whom)
        return _apply(found, wishes, actor, now)


def overlays_move(
    *, whom: Whom, item_ids: Sequence[int], parent_id: int, before_id: int | None, actor: str, now: dt.datetime
) -> Arrangement:
    """Put items below another (0: at the top), in front of one of its children or (None) behind all of them.

    Raises:
        NotAllowed, NotFound, InvalidInput: as `overlays_change`.
    """
    _require_writable(whom)
    with transaction.atomic():
        lock()
        found = arranged_for(whom)
        moved = list(dict.fromkeys(item_ids))
        _require_here(found.outline, [*moved, *([parent_id] if parent_id != TOP else [])])
        wishes = _dropped(found, moved, parent_id, before_id)
        return _apply(found, wishes, actor, now)


# --- where things are dropped -----------------------------------------------------------------------------------------


def _dropped(found: Arranged, moved: list[int], parent_id: int, before_id: int | None) -> list[Wish]:
    """Return the wishes that put items there; all siblings get numbers where fewer would not do."""
    siblings = [number for number in found.outline.children.get(parent_id, ()) if number not in moved]
    index = siblings.index(before_id) if before_id in siblings else len(siblings)
    wanted = [*siblings[:index], *moved, *siblings[index:]]
    orders = place([(number, found.outline.nodes[number].order) for number in siblings], moved, index)
    wishes = _wishes(orders, moved, parent_id)
    if max(map(abs, orders.values()), default=0) <= MAX_ORDER:
        own, _ = _after(found, wishes)
        if list(again_with(found, own, {}).outline.children.get(parent_id, ())) == wanted:
            return wishes
    # Some say that they stand before or after others: only numbers for all of them overrule that.
    return _wishes({number: float(place + 1) for place, number in enumerate(wanted)}, moved, parent_id)


def _wishes(orders: Mapping[int, float], moved: Collection[int], parent_id: int) -> list[Wish]:
    return [
        Wish(number, {"order_number": order, **({"parent_id": parent_id} if number in moved else {})})
        for number, order in orders.items()
    ]


# --- making it so -----------------------------------------------------------------------------------------------------


def _apply(found: Arranged, wishes: Sequence[Wish], actor: str, now: dt.datetime) -> Arrangement:
    if len(wishes) > MOST_WISHES:
        raise InvalidInput(f"At most {MOST_WISHES} items are changed at once.", code="too_many")
    _require_here(found.outline, [wish.item_id for wish in wishes])
    _require_valid(found, wishes)
    own, undo = _after(found, wishes)
    changed = {number: values for number, values in own.items() if values != _own(found, number)}
    bases = {number: _base(found, number, values) for number, values in changed.items()}
    after = again_with(found, changed, bases)
    _require_no_circles(found.outline, after.outline)
    if changed:
        _store(found, changed, bases, actor, now)
        _require_no_circles_elsewhere(found, changed)
        revision = touch([found.whom.company_id])
        _tell(found, changed)
        announce(
            "menu_overlay",
            found.whom.scope,
            [found.whom.company_id],
            {"scope": found.whom.scope, "scope_id": found.whom.scope_id, "items": sorted(changed)[:100],
             "revision": revision, "actor": actor},
            now,
        )  # fmt: skip
    kept = tuple(wish for wish in undo if wish.item_id in changed)
    return Arrangement(found.outline, after, kept)


def _own(found: Arranged, number: int) -> Values:
    return found.said[-1].layer.changes.get(number, {})


def _after(found: Arranged, wishes: Sequence[Wish]) -> tuple[dict[int, dict[str, Any]], list[Wish]]:
    """Return what this scope says of each item afterwards, and the wishes that take that back."""
    own: dict[int, dict[str, Any]] = {}
    undo = []
    for wish in wishes:
        item = found.outline.structure.items[wish.item_id]
        old = _own(found, wish.item_id)
        beneath = _beneath(found, item)
        wanted = {**{name: value for name, value in old.items() if name not in wish.unset}, **wish.values}
        # A place is one thing: whoever moves an item elsewhere and back has moved nothing.
        own[item.id] = {name: value for name, value in wanted.items() if value != beneath[name]}
        touched = {*wish.unset, *wish.values}
        back = {name: old[name] for name in touched if name in old}
        undo.append(Wish(item.id, back, tuple(sorted(touched - old.keys()))))
    return own, undo


def _beneath(found: Arranged, item: Item) -> dict[str, Any]:
    """Return what counts where this scope says nothing."""
    values = declared_values(item)
    if item.pending:
        # Its parent is not here: an operator who puts it at the top says something new.
        values["parent_id"] = None
    for one in found.said[:-1]:
        values.update(one.layer.changes.get(item.id, {}))
    return values


def _store(
    found: Arranged, changed: Mapping[int, Values], bases: Mapping[int, Values], actor: str, now: dt.datetime
) -> None:
    whom = found.whom
    scope = {"scope": whom.scope, "scope_id": whom.scope_id, "company_id": whom.company_id}
    gone = [number for number, values in changed.items() if not values]
    Overlay.objects.filter(item_id__in=gone, **scope).delete()
    rows = [
        Overlay(item_id=number, values=values, base=bases[number], actor=actor, updated_at=now, **scope)
        for number, values in changed.items()
        if values
    ]
    Overlay.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["item", "scope", "scope_id", "company_id"],
        update_fields=["values", "base", "actor", "updated_at"],
    )


def _base(found: Arranged, number: int, values: Values) -> dict[str, Any]:
    """Return what the service says of the changed fields; of those that stay as they are, what it said then."""
    declared = declared_values(found.outline.structure.items[number])
    old, bases = _own(found, number), found.said[-1].bases.get(number, {})
    return {
        name: bases[name] if name in bases and old.get(name) == value else declared[name]
        for name, value in values.items()
    }


def _tell(found: Arranged, changed: Mapping[int, Values]) -> None:
    whom = found.whom
    where = {"scope": whom.scope, "scope_id": whom.scope_id}
    audit.record_all(
        [
            audit.entry(
                "menu_overlay_changed",
                "menu_item",
                number,
                company_id=whom.company_id,
                before={**where, **before} if (before := _own(found, number)) else None,
                after={**where, **values} if values else None,
            )
            for number, values in changed.items()
        ]
    )


# --- what is refused --------------------------------------------------------------------------------------------------


def _require_writable(whom: Whom) -> None:
    if not required_scope(Overlay).writes(whom.company_id):
        whose = "all companies" if whom.company_id is None else "another company"
        raise NotAllowed(f"This counts for {whose}: you change only what is your company's.", code="not_your_company")


def _require_here(known: Outline, numbers: Sequence[int]) -> None:
    missing = [number for number in numbers if number not in known.nodes]
    if missing:
        raise NotFound("An item is not in this menu any more: reload the page.")


def _require_valid(found: Arranged, wishes: Sequence[Wish]) -> None:
    faults = [
        FieldError(f"/changes/{place}/set/{name}", "invalid", words)
        for place, wish in enumerate(wishes)
        for name, words in _faults(found.outline, wish)
    ]
    if faults:
        raise InvalidInput(errors=faults)


def _faults(known: Outline, wish: Wish) -> Iterator[tuple[str, str]]:
    for name, value in wish.values.items():
        words = _fault(known, name, value)
        if words:
            yield name, words
    for name in wish.unset:
        if name not in FIELDS:
            yield name, f"There is no field {name[:40]!r}."


def _fault(known: Outline, name: str, value: Any) -> str | None:
    if name in ("hidden", "pinned"):
        return None if isinstance(value, bool) else "This is true or false."
    if name == "name":
        return (name_fault(value) or None) if isinstance(value, str) else "A name is text."
    if name == "icon":
        return None if isinstance(value, str) and len(value) <= MAX_ICON else "An icon is a short name."
    if name == "parent_id":
        if not isinstance(value, int) or isinstance(value, bool) or (value != TOP and value not in known.nodes):
            return "There is no such item to stand below."
        displaced = value != TOP and known.nodes[value].apart == DISPLACED
        return "What was handed over is in no tree: nothing can stand below it." if displaced else None
    if name == "order_number":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if is_number and isfinite(value) and abs(value) <= MAX_ORDER else "An order is a number."
    return f"There is no field {name[:40]!r}."


def _require_no_circles(before: Outline, after: Outline) -> None:
    for number, why in after.structure.waiting.items():
        if why == CYCLE and before.structure.waiting.get(number) != CYCLE:
            raise InvalidInput(f"An item cannot stand below itself: {_circle(after, number)}.", code="cycle")


def _require_no_circles_elsewhere(found: Arranged, changed: Mapping[int, Values]) -> None:
    """Refuse what would set operators against each other in the tree of a more specific scope."""
    whom = found.whom
    moved = [number for number, values in changed.items() if "parent_id" in {**values, **_own(found, number)}]
    if moved:
        item = MenuItem.objects.get(pk=moved[0])
        require_no_circle(item, (whom.scope, whom.scope_id, whom.company_id))


def _circle(known: Outline, start: int) -> str:
    names, at = [], start
    while True:
        names.append(known.structure.items[at].name)
        above = known.structure.links.get(at)
        if above is None or above == start or len(names) > len(known.nodes):
            return " → ".join(f"“{name}”" for name in [*names, names[0]])
        at = above
