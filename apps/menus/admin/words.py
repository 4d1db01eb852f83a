"""What operators read about items: what services say, what was changed, what keeps an item out of trees. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.menus.lifetimes import Lifetime
from apps.menus.outline import DISPLACED, Change, Node
from apps.menus.overlays import TOP
from apps.menus.structure import CYCLE, PENDING, Item

__all__ = [
    "FIELD_WORDS",
    "Mark",
    "declared_words",
    "marks_of",
    "said_words",
    "trail",
    "value_words",
    "who",
]

FIELD_WORDS = {
    "name": "name",
    "icon": "icon",
    "parent_id": "place",
    "order_number": "order",
    "hidden": "visibility",
    "pinned": "pin",
}
"""What the fields that operators change are called."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A word beside an item, in a tone of ``hub.css``, and a sentence that explains it."""

    word: str
    tone: str
    told: str


def value_words(field: str, value: Any, names: Mapping[int, str]) -> str:
    """Return a value of a field for people; ``names`` are the items' by number."""
    if field == "name":
        return f"“{value}”"
    if field == "icon":
        return str(value) or "no icon"
    if field == "parent_id":
        if not value:
            return "at the top"
        return f"below “{names[value]}”" if value in names else "below an item that is not here"
    if field == "order_number":
        return f"number {value:g}"
    if field == "hidden":
        return "hidden" if value else "shown"
    return "pinned" if value else "not pinned"


def said_words(service: str, field: str, value: Any, names: Mapping[int, str]) -> str:
    """Return what a service says of a field, as a sentence without its full stop."""
    told = value_words(field, value, names)
    if field == "name":
        return f"{service} says {told}"
    if field == "icon":
        return f"{service} says {told}" if value else f"{service} gives it no icon"
    if field == "parent_id":
        return f"{service} puts it {told}"
    if field == "order_number":
        return f"{service} gives it {told}"
    return f"{service} shows it" if field == "hidden" else f"{service} does not pin it"


def declared_words(item: Item, change: Change, names: Mapping[int, str]) -> str:
    """Return what the service says of a field that operators changed, and whether it said something else then."""
    if change.field == "parent_id" and item.pending:
        told = f"{item.service_name} names a parent that is not here"
    else:
        told = said_words(item.service_name, change.field, change.said, names)
    if not change.has_drifted:
        return f"{told}."
    return f"{told} now; it was {value_words(change.field, change.was, names)} when this was changed."


def marks_of(node: Node, names: Mapping[int, str], owner: str = "") -> list[Mark]:
    """Return what is to be known of an item at a glance: why it stands nowhere, and how its service is.

    Args:
        node: the item.
        names: of all items, by number.
        owner: the service that has its path by an operator's word.
    """
    item, found = node.item, []
    if node.apart == PENDING:
        found.append(Mark("waits", "amber", "It names a parent that is not here, and appears when that does."))
    elif node.apart == CYCLE:
        found.append(Mark("circle", "red", "What is above it would be below it; move one of them."))
    elif node.apart == DISPLACED:
        told = f"An operator handed {item.path} to {owner or 'another service'}."
        found.append(Mark("handed over", "grey", told))
    if not item.is_active:
        found.append(Mark("off", "grey", f"{item.service_name} declares it as inactive: nobody gets it."))
    if node.instead_of is not None:
        told = f"It stands in the place of everybody's “{names.get(node.instead_of, node.instead_of)}”."
        found.append(Mark("replaces", "blue", told))
    if node.hidden and not any(change.field == "hidden" for change in node.changes):
        found.append(Mark("hidden", "grey", "It is hidden."))
    return found + _service_marks(item.service_name, node.lifetime)


_LIVES = {
    Lifetime.DEGRADED: ("degraded", "amber", "{} is degraded; its items are shown, and marked."),
    Lifetime.UNHEALTHY: ("unhealthy", "red", "{} is unhealthy; its items are shown, and marked."),
    Lifetime.STALE: ("out of touch", "grey", "{} has not been heard of; its items are hidden until it is."),
    Lifetime.LEFT: ("left", "grey", "{} left the registry; its items are hidden and return with it."),
}


def _service_marks(service: str, lifetime: Lifetime) -> list[Mark]:
    told = _LIVES.get(lifetime)
    return [Mark(told[0], told[1], told[2].format(service))] if told else []


def who(actor: str) -> str:
    """Return who did something, as people say it: an operator is called by the name alone."""
    return actor.removeprefix("operator:")


def trail(node: Node, nodes: Mapping[int, Node]) -> str:
    """Return where an item stands: the names above it, from the top down."""
    names: list[str] = []
    parent = node.parent
    while parent in nodes and parent != TOP and len(names) < 20:
        names.append(nodes[parent].name)
        parent = nodes[parent].parent
    return " › ".join(reversed(names))
