"""Why somebody sees an item, or does not: every reason, its own and those of what is above it. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.menus.lifetimes import Lifetime
from apps.menus.rules import Grants
from apps.menus.structure import CYCLE, PENDING, Item, Layer, Structure

__all__ = ["ARCHIVED", "Reason", "missing_permissions", "reasons"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why an item is not shown.

    Attributes:
        code: ``inactive, archived, service_gone, pending_parent, cycle, displaced, replaced, hidden,
            permission_missing, ancestor`` or ``no_visible_children``.
        message: the same in words.
        item_id: the item above that is not shown, or the row that stands in this one's place.
        scope: in which scope an operator hid it.
        scope_id: which company, role or user that is.
        actor: who hid it.
        permissions: what is missing: all of them, or where any would do, one of them.
        reasons: why the item above is not shown.
    """

    code: str
    message: str
    item_id: int | None = None
    scope: str | None = None
    scope_id: int | None = None
    actor: str | None = None
    permissions: tuple[str, ...] = ()
    reasons: "tuple[Reason, ...]" = ()


ARCHIVED = Reason("archived", "Its service does not declare it any more.")


def reasons(
    item_id: int,
    structure: Structure,
    layers: Sequence[Layer],
    lifetimes: Mapping[str, Lifetime],
    grants: Sequence[str],
    is_shown: Callable[[int], bool],
) -> list[Reason]:
    """Return why the item is not shown to somebody with ``grants``: every reason; none when it is shown.

    Args:
        item_id: which item.
        structure: where the items stand.
        layers: the overlays on them, the least specific first.
        lifetimes: how the services live.
        grants: patterns of permissions, such as ``product.*``.
        is_shown: whether an item is in the tree that these grants make.

    Raises:
        KeyError: there is no such item in this tree.
    """
    given = Grants(grants)
    item = structure.items[item_id]
    found = list(_own(item, structure, layers, lifetimes, given))
    for above in _above(item_id, structure):
        why = tuple(_own(above, structure, layers, lifetimes, given))
        if why:
            message = f"“{above.name}”, which is above it, is not shown."
            found.append(Reason("ancestor", message, item_id=above.id, reasons=why))
    if not found and not is_shown(item_id):
        found.append(Reason("no_visible_children", "It has items below it, none of which is shown, and is no page."))
    return found


def missing_permissions(item: Item, grants: Grants) -> tuple[str, ...]:
    """Return the permissions that an item requires and ``grants`` do not give; none when they suffice."""
    missing = tuple(one for one in item.permissions if not grants.give(one))
    is_enough = item.any_of and len(missing) < len(item.permissions)
    return () if is_enough else missing


def _above(item_id: int, structure: Structure) -> Iterator[Item]:
    """Yield what is above an item, the nearest first, up to the top or to one that waits."""
    at = structure.parents.get(item_id)
    while at is not None:
        yield structure.items[at]
        at = structure.parents.get(at)


def _own(
    item: Item, structure: Structure, layers: Sequence[Layer], lifetimes: Mapping[str, Lifetime], given: Grants
) -> Iterator[Reason]:
    if not item.is_active:
        yield Reason("inactive", "Its service declares it as inactive.")
    lifetime = lifetimes.get(item.service_name, Lifetime.UNREGISTERED)
    if not lifetime.is_shown:
        how = "has left" if lifetime is Lifetime.LEFT else "is out of touch: all its leases have run out"
        yield Reason("service_gone", f"Its service {item.service_name} {how}; the item returns with it.")
    yield from _place(item, structure)
    if structure.values.get(item.id, {}).get("hidden") is True:
        yield _hidden(item, layers)
    if missing := missing_permissions(item, given):
        words = "any of" if item.any_of and len(missing) > 1 else "all of" if len(missing) > 1 else "the permission"
        yield Reason("permission_missing", f"It takes {words} {', '.join(missing)}.", permissions=missing)


def _place(item: Item, structure: Structure) -> Iterator[Reason]:
    if item.displaced:
        yield Reason("displaced", "An operator handed its path to another service.")
    elif item.id in structure.replaced:
        new = structure.replaced[item.id]
        message = f"The company's own “{structure.items[new].name}” stands in its place."
        yield Reason("replaced", message, item_id=new)
    elif structure.waiting.get(item.id) == PENDING:
        yield Reason(PENDING, "The parent that it names is not here.")
    elif structure.waiting.get(item.id) == CYCLE:
        yield Reason(CYCLE, f"What is above it would be below it: {_circle(item, structure)}.")


def _circle(item: Item, structure: Structure) -> str:
    names = [item.name]
    at = structure.links.get(item.id)
    while at is not None and at != item.id and len(names) <= len(structure.items):
        names.append(structure.items[at].name)
        at = structure.links.get(at)
    return " → ".join(f"“{name}”" for name in [*names, item.name])


def _hidden(item: Item, layers: Sequence[Layer]) -> Reason:
    said: list[tuple[Layer, Any]] = [
        (layer, layer.changes[item.id]["hidden"]) for layer in layers if "hidden" in layer.changes.get(item.id, {})
    ]
    layer = said[-1][0]
    whom = "everybody" if layer.scope == "global" else f"{layer.scope} {layer.scope_id}"
    return Reason(
        "hidden",
        f"An operator hid it for {whom}.",
        scope=layer.scope,
        scope_id=layer.scope_id,
        actor=layer.actors.get(item.id),
    )
