"""Where each item of a tree stands: whose place it takes, what is above it, which links give way. Pure.

Whatever is stored, this makes a forest of it: what names a parent that is not here waits, and where links go round, one
of them gives way, never an operator's while there is another (contract, "Menus"; decision 0025).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeGuard

__all__ = ["CYCLE", "PENDING", "Item", "Layer", "Structure", "Values", "settle"]

PENDING, CYCLE = "pending_parent", "cycle"
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One menu item as its service declares it."""

    id: int
    service_name: str
    company_id: int | None
    key: str
    name: str
    path: str | None
    url: str | None
    route_key: str | None
    icon: str
    parent_id: int | None
    pending: bool
    order_number: float
    before: str | None
    after: str | None
    permissions: tuple[str, ...]
    any_of: bool
    is_page: bool
    is_active: bool
    labels: Mapping[str, str]
    badge: Mapping[str, Any] | None
    displaced: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """What operators changed in one scope.

    Attributes:
        scope: ``global``, ``company``, ``role`` or ``user``.
        scope_id: which company, role or user; 0 for ``global``.
        changes: by item, the new values of fields: ``name, icon, parent_id`` (0: at the top)``, order_number, hidden,
            pinned``.
        actors: by item, who said so last.
    """

    scope: str
    scope_id: int
    changes: Mapping[int, Values]
    actors: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Structure:
    """Where the items of one tree stand.

    Attributes:
        items: all that were given, by number; the later of two with the same number.
        values: what overlays say, by item; of each field what the most specific layer says.
        replaced: the company's row that stands in the place of everybody's, by the latter's number.
        parents: what is above each item that stands in the tree; None is the top. Neither displaced nor replaced ones
            are among them, nor those that wait.
        waiting: why an item waits outside of the tree: `PENDING` or `CYCLE`.
        links: what is above each item, the link of a `CYCLE` included; for words.
    """

    items: Mapping[int, Item]
    values: Mapping[int, Values]
    replaced: Mapping[int, int]
    parents: Mapping[int, int | None]
    waiting: Mapping[int, str]
    links: Mapping[int, int | None]

    def order_of(self, item: Item) -> float:
        """Return the number that an item is ordered by."""
        said = self.values[item.id].get("order_number") if item.id in self.values else None
        return float(said) if _is_number(said) else item.order_number

    def has_order_of_operators(self, item: Item) -> bool:
        """Whether an operator said where it stands among its siblings."""
        return item.id in self.values and _is_number(self.values[item.id].get("order_number"))


def settle(items: Sequence[Item], layers: Sequence[Layer]) -> Structure:
    """Return where ``items`` stand, with ``layers`` on top, the least specific first. It never raises.

    The items are those of all companies and of at most one company.
    """
    known = {item.id: item for item in items}
    values = _merged(layers, known)
    replaced = _replaced(known.values())
    links = _Links(known, values, replaced)
    parents: dict[int, int | None] = {}
    waiting: dict[int, str] = {}
    for item in known.values():
        if item.displaced or item.id in replaced:
            continue
        parent = links.of(item)
        if parent is _Links.MISSING:
            waiting[item.id] = PENDING
        else:
            parents[item.id] = parent  # type: ignore[assignment]  # a number, or None
    every = dict(parents)
    for number in _going_round(parents, links.held):
        waiting[number] = CYCLE
        del parents[number]
    return Structure(known, values, replaced, parents, waiting, every)


def _merged(layers: Sequence[Layer], known: Mapping[int, Item]) -> dict[int, Values]:
    values: dict[int, dict[str, Any]] = {}
    for layer in layers:
        for number, changes in layer.changes.items():
            if number in known:
                values.setdefault(number, {}).update(changes)
    return dict(values)


def _replaced(items: Any) -> dict[int, int]:
    own = {item.route_key: item.id for item in items if item.company_id is not None and _has_place(item)}
    if not own:
        return {}
    return {
        item.id: own[item.route_key]
        for item in items
        if item.company_id is None and _has_place(item) and item.route_key in own
    }


def _has_place(item: Item) -> bool:
    return item.route_key is not None and not item.displaced


class _Links:
    """Finds what is above an item; ``held`` are the items of which an operator said so."""

    MISSING = object()

    def __init__(self, known: Mapping[int, Item], values: Mapping[int, Values], replaced: Mapping[int, int]) -> None:
        self._known, self._values, self._replaced = known, values, replaced
        self._stands_for = {new: old for old, new in replaced.items()}
        self.held: set[int] = set()

    def of(self, item: Item) -> object:
        """Return the number of what is above ``item``, None for the top, `MISSING` when that is not here."""
        moved = self._moved(item)
        if moved is not self.MISSING:
            self.held.add(item.id)
            return moved
        return self._declared(item)

    def _moved(self, item: Item) -> object:
        """Return where an operator put it; `MISSING` also when that is not here (any more): then it is as declared."""
        said = self._values[item.id].get("parent_id") if item.id in self._values else None
        if not isinstance(said, int) or isinstance(said, bool):
            return self.MISSING
        return None if said == 0 else self._standing(said, item)

    def _declared(self, item: Item) -> object:
        if item.pending:
            return self.MISSING
        if item.parent_id is None:
            return self._place_taken(item, otherwise=None)
        if self._replaced.get(item.parent_id) == item.id:
            # It stands for its own parent.
            return self._place_taken(item, otherwise=self.MISSING)
        return self._standing(item.parent_id, item)

    def _place_taken(self, item: Item, *, otherwise: object) -> object:
        """Return what was above the row in whose place ``item`` stands: who names no other place, gets that one."""
        old = self._stands_for.get(item.id)
        if old is None:
            return otherwise
        row = self._known[old]
        found = self._moved(row)
        if found is self.MISSING and not row.pending:
            found = None if row.parent_id is None else self._standing(row.parent_id, item)
        return otherwise if found is self.MISSING or found == item.id else found

    def _standing(self, number: int, item: Item) -> object:
        number = self._replaced.get(number, number)
        parent = self._known.get(number)
        return self.MISSING if parent is None or parent.displaced or number == item.id else number


def _going_round(parents: Mapping[int, int | None], held: set[int]) -> list[int]:
    """Return one item of each circle: the newest whose link is no operator's, the newest of all if all are."""
    found: list[int] = []
    done: set[int] = set()
    for start, above in parents.items():
        if above is None or above in done:
            done.add(start)
            continue
        path: dict[int, None] = {}
        at: int | None = start
        while at is not None and at not in done and at not in path:
            path[at] = None
            at = parents.get(at)
        if at is not None and at in path:
            steps = list(path)
            circle = steps[steps.index(at) :]
            found.append(max([one for one in circle if one not in held] or circle))
        done.update(path)
    return found


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
