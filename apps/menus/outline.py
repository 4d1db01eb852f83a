"""A menu as those who arrange it see it: all its items with whatever hides them, and what was changed by whom. Pure.

Trees for people (`apps.menus.tree`) leave out what somebody may not see; here everything stands where it belongs, what
belongs nowhere stands apart, and each change lies beside what the service says itself.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.menus.lifetimes import Lifetime
from apps.menus.overlays import FIELDS, TOP
from apps.menus.siblings import arranged
from apps.menus.structure import Item, Layer, Structure, Values, settle

__all__ = ["APART", "DISPLACED", "Change", "Node", "Outline", "Said", "Whom", "declared_values", "outline"]

APART = -1
"""What is above items that stand nowhere."""
DISPLACED = "displaced"


@dataclass(frozen=True, slots=True)
class Whom:
    """For whom a menu is arranged: one scope of overlays.

    Attributes:
        scope: ``global``, ``company``, ``role`` or ``user``.
        scope_id: which company, role or person; 0 for everybody.
        company_id: the company in which it counts; None: in all of them.
    """

    scope: str = "global"
    scope_id: int = 0
    company_id: int | None = None

    def words(self, companies: Mapping[int, str], roles: Mapping[int, str]) -> str:
        """Return who that is, to be put into a sentence: ``everybody in Acme``."""
        where = "all companies"
        if self.company_id is not None:
            where = companies.get(self.company_id, f"company {self.company_id}")
        if self.scope == "role":
            return f"whoever has the role {roles.get(self.scope_id, self.scope_id)} in {where}"
        if self.scope == "user":
            return f"person {self.scope_id} in {where}"
        return f"everybody in {where}"


@dataclass(frozen=True, slots=True)
class Said:
    """A layer, and what the services said of the changed fields when operators changed them."""

    whom: Whom
    layer: Layer
    bases: Mapping[int, Values]


@dataclass(frozen=True, slots=True)
class Change:
    """A field that operators changed.

    Attributes:
        field: one of `FIELDS`.
        value: what counts now.
        said: what the service says now.
        was: what it said when that was changed.
        depth: in which layer, as a number from 0; the most specific one that says something.
    """

    field: str
    value: Any
    said: Any
    was: Any
    depth: int

    @property
    def has_drifted(self) -> bool:
        """Whether the service says something else by now, and not what the operator wants anyway."""
        return bool(self.said not in (self.was, self.value))


@dataclass(frozen=True, slots=True)
class Node:
    """An item where it stands.

    Attributes:
        item: what its service declares.
        parent: the item above it, `TOP` or `APART`.
        changes: what operators changed, each field once.
        own: what is changed in the last layer, which is the one that is worked on.
        apart: why it stands nowhere: ``pending_parent``, ``cycle``, ``displaced``; None when it stands somewhere.
        lifetime: how its service lives.
        instead_of: the item of everybody's in whose place it stands.
    """

    item: Item
    parent: int
    name: str
    icon: str
    order: float
    hidden: bool
    pinned: bool
    changes: tuple[Change, ...]
    own: Values
    apart: str | None
    lifetime: Lifetime
    instead_of: int | None

    @property
    def is_away(self) -> bool:
        """Whether nobody gets it, whatever they may see."""
        return self.hidden or not self.item.is_active or self.apart is not None or not self.lifetime.is_shown


@dataclass(frozen=True, slots=True)
class Outline:
    """All nodes by number, each after what is above it, siblings in their order."""

    nodes: Mapping[int, Node]
    children: Mapping[int, Sequence[int]]
    structure: Structure

    def above(self, number: int) -> list[int]:
        """Return what is above an item, the nearest first."""
        found: list[int] = []
        parent = self.nodes[number].parent
        while parent in self.nodes and parent not in found:
            found.append(parent)
            parent = self.nodes[parent].parent
        return found


def declared_values(item: Item) -> dict[str, Any]:
    """Return what a service says of an item, in the fields that operators may change."""
    return {
        "name": item.name,
        "icon": item.icon,
        "parent_id": item.parent_id or TOP,
        "order_number": item.order_number,
        "hidden": False,
        "pinned": False,
    }


def outline(items: Sequence[Item], said: Sequence[Said], lifetimes: Mapping[str, Lifetime]) -> Outline:
    """Return the outline of a menu.

    Args:
        items: of everybody and of at most one company.
        said: what operators changed, the least specific layer first; the last one is worked on.
        lifetimes: how the services of the items live.
    """
    structure = settle(items, [one.layer for one in said])
    stands_for = {new: old for old, new in structure.replaced.items()}
    below: dict[int, list[Item]] = defaultdict(list)
    for item in structure.items.values():
        if item.id not in structure.replaced:
            below[structure.parents.get(item.id, APART) or TOP].append(item)
    children = {
        parent: [item.id for item in arranged(some, structure.order_of, structure.has_order_of_operators)]
        for parent, some in below.items()
    }
    nodes: dict[int, Node] = {}
    waiting = [(number, start) for start in (APART, TOP) for number in reversed(children.get(start, ()))]
    while waiting:
        number, parent = waiting.pop()
        item = structure.items[number]
        lifetime = lifetimes.get(item.service_name, Lifetime.UNREGISTERED)
        nodes[number] = _node(item, parent, structure, said, lifetime, stands_for.get(number))
        waiting += [(child, number) for child in reversed(children.get(number, ()))]
    return Outline(nodes, children, structure)


def _node(
    item: Item,
    parent: int,
    structure: Structure,
    said: Sequence[Said],
    lifetime: Lifetime,
    instead_of: int | None,
) -> Node:
    values = structure.values.get(item.id, {})
    return Node(
        item=item,
        parent=parent,
        name=values.get("name", item.name),
        icon=values.get("icon", item.icon),
        order=structure.order_of(item),
        hidden=values.get("hidden", False) is True,
        pinned=values.get("pinned", False) is True,
        changes=_changes(item, said) if values else (),
        own=said[-1].layer.changes.get(item.id, {}) if said else {},
        apart=DISPLACED if item.displaced else structure.waiting.get(item.id),
        lifetime=lifetime,
        instead_of=instead_of,
    )


def _changes(item: Item, said: Sequence[Said]) -> tuple[Change, ...]:
    declared = declared_values(item)
    found: dict[str, Change] = {}
    for depth, one in enumerate(said):
        base = one.bases.get(item.id, {})
        for field, value in one.layer.changes.get(item.id, {}).items():
            if field in declared:
                was = base.get(field, declared[field])
                found[field] = Change(field, value, declared[field], was, depth)
    return tuple(found[field] for field in FIELDS if field in found)
