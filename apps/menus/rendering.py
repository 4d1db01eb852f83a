"""Making the bytes of a tree: which items somebody sees, put together from JSON that lies ready in pieces. Pure.

Items lie in pre-order. `Step`s go through them: a run of items without children is taken at once, by the requirements
that hold; an item with children is opened and closed, or skipped with all that is below it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import orjson

__all__ = ["LEAVES", "Node", "Step", "assembled", "head_of", "locale_chain", "shown_nodes", "with_labels"]

LEAVES, OPEN, CLOSE = 0, 1, 2
_CLOSED = b"]},"


class Step(NamedTuple):
    """One step through a tree.

    Attributes:
        kind: `LEAVES` from node ``first`` up to ``last``, `OPEN` of node ``first`` (``last`` is the step to go on with
            when it is not shown), or `CLOSE` of node ``first``.
        first: see ``kind``.
        last: see ``kind``.
        is_page: whether a node that is closed is shown without children too.
    """

    kind: int
    first: int
    last: int
    is_page: bool = False


class Node(NamedTuple):
    """One item in the tree: what its JSON says, and its names by locale (lower case)."""

    id: int
    document: Mapping[str, Any]
    has_children: bool
    labels: Mapping[str, str]


def head_of(node: Node, name: str | None = None) -> bytes:
    """Return a node's piece: its JSON up to its children, and to its end where it has none; ``name`` replaces its own.

    Every piece that ends an item has a comma behind it; who puts the pieces together takes the last one away.
    """
    document = node.document if name is None else {**node.document, "name": name}
    head = orjson.dumps(document)[:-1] + b',"children":['
    return head if node.has_children else head + _CLOSED


def with_labels(nodes: Sequence[Node], pieces: Sequence[bytes], chain: Sequence[str]) -> list[bytes]:
    """Return the pieces in the first locale of ``chain`` that each node has a name in; its plain name otherwise."""
    found = list(pieces)
    for number, node in enumerate(nodes):
        if node.labels:
            name = next((node.labels[locale] for locale in chain if locale in node.labels), None)
            if name is not None:
                found[number] = head_of(node, name)
    return found


def assembled(steps: Sequence[Step], pieces: Sequence[bytes], flags: Sequence[bool]) -> bytes:
    """Return the JSON array of the items whose requirements hold; ``flags`` says so, node by node.

    An item is not shown when what is above it is not, nor when it has children and none of them is shown, unless it is
    a page.
    """
    out: list[bytes] = []
    opened: list[int] = []
    at, end = 0, len(steps)
    while at < end:
        kind, first, last, is_page = steps[at]
        at += 1
        if kind == LEAVES:
            out += compress(pieces[first:last], flags[first:last])
        elif kind == OPEN:
            if flags[first]:
                opened.append(len(out))
                out.append(pieces[first])
            else:
                at = last
        elif len(out) - opened.pop() > 1:
            out[-1] = out[-1][:-1]
            out.append(_CLOSED)
        elif is_page:
            out.append(_CLOSED)
        else:
            out.pop()
    if out:
        out[-1] = out[-1][:-1]
    return b"[%b]" % b"".join(out)


def shown_nodes(steps: Sequence[Step], flags: Sequence[bool]) -> set[int]:
    """Return the numbers of the nodes that `assembled` would show."""
    out: list[int] = []
    opened: list[int] = []
    at, end = 0, len(steps)
    while at < end:
        kind, first, last, is_page = steps[at]
        at += 1
        if kind == LEAVES:
            out += compress(range(first, last), flags[first:last])
        elif kind == OPEN:
            if flags[first]:
                opened.append(len(out))
                out.append(first)
            else:
                at = last
        elif len(out) - opened.pop() == 1 and not is_page:
            out.pop()
    return set(out)


def locale_chain(locale: str | None) -> Iterator[str]:
    """Yield the locales to look for, in lower case: of ``zh-Hant_TW`` that itself, ``zh-hant`` and ``zh``."""
    parts = (locale or "").replace("_", "-").lower().split("-")
    while parts and parts[0]:
        yield "-".join(parts)
        parts.pop()
