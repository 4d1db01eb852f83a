"""Compiling rows into a forest: an immutable tree of which everybody's part is found and written in milliseconds. Pure.

`compile` does what is the same for all viewers (where items stand, in what order, which of them nobody sees) once a
revision. What is left for a request is to judge each distinct requirement and to join pieces (`apps.menus.rendering`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.menus.explaining import Reason, reasons
from apps.menus.lifetimes import Lifetime
from apps.menus.rendering import (
    CLOSE,
    LEAVES,
    OPEN,
    Node,
    Step,
    assembled,
    head_of,
    locale_chain,
    shown_nodes,
    with_labels,
)
from apps.menus.rules import Rules
from apps.menus.siblings import arranged
from apps.menus.structure import Item, Layer, Structure, settle

__all__ = ["Forest", "Item", "Layer", "compile"]

_MOST_LOCALES = 32
"""So many chains of locales keep their pieces; more are made again when they are asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """The tree of one company, for viewers to whom the same overlays apply.

    Attributes:
        structure: where every item stands, those that nobody sees included; for `apps.menus.explaining`.
        layers: the overlays that lie on it.
        children: by item (None: the top) what is below it, in order.
        lifetimes: how the services of the items live.
        rules: the distinct requirements.
        nodes: the items that somebody may see, in pre-order.
        requirements: the number of each node's requirement.
        steps: the way through the nodes.
        locales: in which languages there are names, in lower case.
    """

    structure: Structure
    layers: tuple[Layer, ...]
    children: Mapping[int | None, Sequence[Item]]
    lifetimes: Mapping[str, Lifetime]
    rules: Rules
    nodes: tuple[Node, ...]
    requirements: tuple[int, ...]
    steps: tuple[Step, ...]
    locales: frozenset[str]
    _pieces: dict[tuple[str, ...], list[bytes]] = field(default_factory=dict, repr=False)

    def render(self, grants: Sequence[str], locale: str | None = None) -> bytes:
        """Return the JSON array of what somebody with these patterns of permissions sees.

        Args:
            grants: patterns such as ``product.*``.
            locale: the language of names, such as ``pl-PL``; where an item has none in it, in ``pl``, then its name.
        """
        return assembled(self.steps, self._pieces_in(self.chain(locale)), self._flags(grants))

    def shown(self, grants: Sequence[str]) -> set[int]:
        """Return the numbers of the items that somebody with these patterns of permissions sees."""
        return {self.nodes[number].id for number in shown_nodes(self.steps, self._flags(grants))}

    def why(self, item_id: int, grants: Sequence[str]) -> list[Reason]:
        """Return why somebody with these patterns of permissions does not see an item; nothing when it is seen.

        Raises:
            KeyError: there is no such item in this tree.
        """
        shown = self.shown(grants)
        return reasons(item_id, self.structure, self.layers, self.lifetimes, grants, shown.__contains__)

    def chain(self, locale: str | None) -> tuple[str, ...]:
        """Return the locales of ``locale``'s chain in which anything has a name: the same for all that see the same."""
        return tuple(one for one in locale_chain(locale) if one in self.locales) if self.locales else ()

    def _flags(self, grants: Sequence[str]) -> list[bool]:
        return list(map(self.rules.judge(grants).__getitem__, self.requirements))

    def _pieces_in(self, chain: tuple[str, ...]) -> list[bytes]:
        found = self._pieces.get(chain)
        if found is None:
            found = with_labels(self.nodes, self._pieces[()], chain)
            if len(self._pieces) <= _MOST_LOCALES:
                self._pieces[chain] = found
        return found


def compile(items: Sequence[Item], layers: Sequence[Layer], lifetimes: Mapping[str, Lifetime]) -> Forest:
    """Return the forest of ``items``: those of all companies, and of the one company whose tree it is.

    It never raises, whatever the rows say: see `apps.menus.structure.settle`.

    Args:
        items: the declared items, in any order; none that is archived.
        layers: what operators changed, the least specific scope first.
        lifetimes: how services live; one that is not named was never registered.
    """
    # In the order of their numbers, so that it makes no difference in which order rows were read.
    structure = settle(sorted(items, key=lambda item: item.id), layers)
    children = _children(structure)
    order = _pre_order(structure, children, lifetimes)
    empty, kept = _without_empty(structure, children, order)
    rules = Rules()
    alive = [(item, parent) for item, parent in order if item.id not in empty]
    nodes = tuple(_node(item, structure, lifetimes, kept[item.id] > 0) for item, _ in alive)
    return Forest(
        structure=structure,
        layers=tuple(layers),
        children=children,
        lifetimes=lifetimes,
        rules=rules,
        nodes=nodes,
        requirements=tuple(rules.number(item.permissions, any_of=item.any_of) for item, _ in alive),
        steps=_steps(alive, kept),
        locales=frozenset(locale for node in nodes for locale in node.labels),
        _pieces={(): [head_of(node) for node in nodes]},
    )


def is_hidden(item: Item, structure: Structure, lifetimes: Mapping[str, Lifetime]) -> bool:
    """Whether nobody sees an item that stands in the tree, whatever they are granted."""
    said = structure.values.get(item.id)
    lifetime = lifetimes.get(item.service_name)
    return (
        not item.is_active
        or (said is not None and said.get("hidden") is True)
        or (lifetime is not None and not lifetime.is_shown)
    )


def _children(structure: Structure) -> dict[int | None, Sequence[Item]]:
    found: dict[int | None, list[Item]] = {}
    for number, parent in structure.parents.items():
        found.setdefault(parent, []).append(structure.items[number])
    is_held = structure.has_order_of_operators
    return {parent: arranged(below, structure.order_of, is_held) for parent, below in found.items()}


def _pre_order(
    structure: Structure, children: Mapping[int | None, Sequence[Item]], lifetimes: Mapping[str, Lifetime]
) -> list[tuple[Item, int | None]]:
    """Return the items that are not hidden, nor below one that is, each with what is above it."""
    found: list[tuple[Item, int | None]] = []
    stack: list[tuple[Item, int | None]] = [(item, None) for item in reversed(children.get(None, ()))]
    while stack:
        item, parent = stack.pop()
        if not is_hidden(item, structure, lifetimes):
            found.append((item, parent))
            stack += [(one, item.id) for one in reversed(children.get(item.id, ()))]
    return found


def _without_empty(
    structure: Structure, children: Mapping[int | None, Sequence[Item]], order: Sequence[tuple[Item, int | None]]
) -> tuple[set[int], Counter[int | None]]:
    """Return the items that are shown to nobody because no child of theirs is, and how many children others keep."""
    empty: set[int] = set()
    kept: Counter[int | None] = Counter()
    for item, parent in reversed(order):
        if item.id in children and not item.is_page and not kept[item.id]:
            empty.add(item.id)
        else:
            kept[parent] += 1
    return empty, kept


def _node(item: Item, structure: Structure, lifetimes: Mapping[str, Lifetime], has_children: bool) -> Node:
    said = structure.values.get(item.id) or {}
    name, icon = said.get("name"), said.get("icon")
    document: dict[str, Any] = {
        "id": item.id,
        "key": item.key,
        "name": item.name if name is None else name,
        "path": item.path,
        "icon": item.icon if icon is None else icon,
        "service_name": item.service_name,
        "badge": item.badge,
    }
    if item.url is not None:
        document["url"] = item.url
    lifetime = lifetimes.get(item.service_name)
    if lifetime is not None and lifetime.mark is not None:
        document["service_status"] = lifetime.mark
    if said.get("pinned") is True:
        document["pinned"] = True
    # An operator's name counts in every language.
    labels = {} if name is not None or not item.labels else _by_locale(item.labels)
    return Node(item.id, document, has_children, labels)


def _by_locale(labels: Mapping[str, str]) -> dict[str, str]:
    return {locale.replace("_", "-").lower(): text for locale, text in labels.items()}


def _steps(alive: Sequence[tuple[Item, int | None]], kept: Counter[int | None]) -> tuple[Step, ...]:
    steps: list[Step] = []
    opened: list[tuple[int, int, Item]] = []  # (step, node, item) of what is not closed yet

    def close() -> None:
        step, node, item = opened.pop()
        steps.append(Step(CLOSE, node, node, item.is_page))
        steps[step] = Step(OPEN, node, len(steps))

    for number, (item, parent) in enumerate(alive):
        while opened and opened[-1][2].id != parent:
            close()
        if kept[item.id]:
            opened.append((len(steps), number, item))
            steps.append(Step(OPEN, number, 0))
        elif steps and steps[-1].kind == LEAVES:
            steps[-1] = Step(LEAVES, steps[-1].first, number + 1)
        else:
            steps.append(Step(LEAVES, number, number + 1))
    while opened:
        close()
    return tuple(steps)
