"""Which item somebody means by the name of a parent, and what would lead in a circle. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Ambiguous", "Directory", "Node", "loop_from", "matches"]


@dataclass(frozen=True, slots=True)
class Node:
    """An item as far as others name it."""

    id: int
    company_id: int | None
    service_name: str
    key: str
    name: str
    route_key: str | None
    displaced: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several items that somebody may mean."""

    candidates: tuple[Node, ...]


class Directory:
    """The items that may be meant, by what they are called."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._ids: dict[int, Node] = {}
        self._names: dict[str, list[Node]] = defaultdict(list)
        self._keys: dict[str, list[Node]] = defaultdict(list)
        for node in sorted(nodes, key=lambda node: node.id):
            self._ids[node.id] = node
            self._names[node.name].append(node)
            self._keys[node.key].append(node)

    def node(self, id: int) -> Node | None:
        """Return the item with a number."""
        return self._ids.get(id)

    def find(self, ref: str, kind: str, of: Node, *, linked: int | None = None) -> Node | Ambiguous | None:
        """Return whom ``of`` means by ``ref``; None when there is nobody.

        A name is looked up among the service's own items first, then among all; what is nobody's name is taken for a
        key, then for ``service:key`` (contract, "Menus"). An item of all companies has no parent in one of them.

        Args:
            ref: the number (``kind`` is ``id``) or the name.
            kind: ``id`` or ``name``.
            of: the item that names it.
            linked: the one that it meant until now, which it goes on to mean where several could be.
        """
        if kind == "id":
            node = self._ids.get(int(ref))
            return node if node is not None and _reaches(of, node) else None
        service, _, key = ref.partition(":")
        for named in (
            [node for node in self._names[ref] if node.service_name == of.service_name],
            self._names[ref],
            [node for node in self._keys[ref] if node.service_name == of.service_name],
            self._keys[ref],
            [node for node in self._keys[key] if node.service_name == service],
        ):
            if found := _likely([node for node in named if _reaches(of, node)], of):
                return found[0] if len(found) == 1 else _linked(found, linked) or Ambiguous(tuple(found))
        return None


def matches(ref: str, kind: str | None, node: Node) -> bool:
    """Whether ``ref`` is something that ``node`` is called."""
    if kind == "id":
        return ref == str(node.id)
    return ref in (node.name, node.key, f"{node.service_name}:{node.key}")


def loop_from(start: int, parents: Mapping[int, int | None]) -> list[int] | None:
    """Return the way up from ``start`` back to it, ``start`` at both ends; None when it leads to the top.

    A circle further up, of which ``start`` is no part, is somebody else's.
    """
    way, seen = [start], {start}
    while (above := parents.get(way[-1])) is not None:
        way.append(above)
        if above == start:
            return way
        if above in seen:
            return None
        seen.add(above)
    return None


def _reaches(of: Node, node: Node) -> bool:
    return node.company_id is None or node.company_id == of.company_id


def _linked(found: list[Node], linked: int | None) -> Node | None:
    return next((node for node in found if node.id == linked), None)


def _likely(found: list[Node], of: Node) -> list[Node]:
    """Return those of ``found`` that remain when something better is among them.

    Better is what is shown than what is displaced, a company's own item than the one whose place it takes, and
    anything than the item itself.
    """
    replaced = {node.route_key for node in found if node.company_id is not None and node.route_key is not None}
    for better in (
        [node for node in found if not node.displaced],
        [node for node in found if node.company_id is not None or node.route_key not in replaced],
        [node for node in found if node.id != of.id],
    ):
        found = [node for node in found if node in better] or found
    return found
