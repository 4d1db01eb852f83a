"""The dependency graph as something that can be read: which services are in the picture, and where each is drawn."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from apps.console.layout import BOX_HEIGHT, BOX_WIDTH, Layout, Line, arrange
from xerpium_sdk.wire.registry import Status

__all__ = ["KINDS", "MOST_BOXES", "Choice", "Drawn", "Neighbourhood", "Picture", "choose", "draw"]

MOST_BOXES = 80
"""More than this cannot be read at once: a part is chosen, unless all is asked for."""
LETTERS = 22
KINDS = ("usual", "down", "missing", "circle")
"""How a line may look."""

Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The whole graph, as plain facts."""

    statuses: Mapping[str, Status]
    edges: tuple[Edge, ...]
    cycles: tuple[tuple[str, ...], ...]
    impact: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The names to draw, missing ones included, and in words why these; empty words: all there is."""

    names: frozenset[str]
    why: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """One box with what stands in it."""

    name: str
    label: str
    status: Status | None
    impact: int
    x: float
    y: float
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the template draws."""

    boxes: tuple[Drawn, ...]
    lines: tuple[tuple[Line, str], ...]
    width: float
    height: float
    box_width: int = BOX_WIDTH
    box_height: int = BOX_HEIGHT


def choose(
    graph: Neighbourhood, *, wanted: Collection[str] | None = None, around: str = "", everything: bool = False
) -> Choice:
    """Return what to draw.

    Args:
        graph: all there is.
        wanted: the services that a filter left, None without a filter; what they touch is drawn with them.
        around: one service: everything that it needs, over any number of steps, and everything that needs it.
        everything: draw all, however many.
    """
    every = frozenset(graph.statuses) | {target for _, target in graph.edges}
    if around:
        return Choice(
            _around(around, graph.edges) & every, f"Everything that {around} needs, and everything that needs it."
        )
    if wanted is not None:
        names = _with_neighbours(wanted, graph.edges)
        if len(names) <= MOST_BOXES or everything:
            return Choice(names, "What the filter finds, and what is directly connected with it.")
        return Choice(
            _most_needed(names, graph), f"The {MOST_BOXES} most needed of {len(names):,} that the filter finds."
        )
    if len(every) <= MOST_BOXES or everything:
        return Choice(every, "")
    return _important(every, graph)


def _important(every: frozenset[str], graph: Neighbourhood) -> Choice:
    wrong = {name for name in every if graph.statuses.get(name) is not Status.HEALTHY}
    if not wrong:
        return Choice(_most_needed(every, graph), f"The {MOST_BOXES} most needed of {len(every):,} services.")
    names = _with_neighbours(wrong, graph.edges)
    if len(names) <= MOST_BOXES:
        return Choice(names, f"What is not healthy and what is directly connected with it, of {len(every):,} services.")
    return Choice(_most_needed(wrong, graph), f"The most needed of {len(wrong):,} services that are not healthy.")


def _most_needed(names: Collection[str], graph: Neighbourhood) -> frozenset[str]:
    return frozenset(sorted(names, key=lambda name: (-graph.impact.get(name, 0), name))[:MOST_BOXES])


def _with_neighbours(names: Collection[str], edges: Iterable[Edge]) -> frozenset[str]:
    chosen = frozenset(names)
    return chosen | {end for edge in edges if not chosen.isdisjoint(edge) for end in edge}


def _around(name: str, edges: Iterable[Edge]) -> frozenset[str]:
    found = {name}
    for reached in ([(a, b) for a, b in edges], [(b, a) for a, b in edges]):
        front = {name}
        while front:
            front = {target for source, target in reached if source in front} - found
            found |= front
    return frozenset(found)


def draw(graph: Neighbourhood, names: frozenset[str]) -> Picture:
    """Return the picture of the services named and the dependencies between them."""
    edges = tuple(edge for edge in graph.edges if names.issuperset(edge))
    layout = _arranged(names, edges)
    needs: dict[str, list[str]] = {name: [] for name in names}
    needed_by: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        needs[source].append(target)
        needed_by[target].append(source)
    closed = {pair for cycle in graph.cycles for pair in pairwise(cycle)}
    return Picture(
        boxes=tuple(
            Drawn(
                box.name,
                box.name if len(box.name) <= LETTERS else f"{box.name[: LETTERS - 1]}…",
                graph.statuses.get(box.name),
                graph.impact.get(box.name, 0),
                box.x,
                box.y,
                tuple(needs[box.name]),
                tuple(needed_by[box.name]),
            )
            for box in layout.boxes
        ),
        lines=tuple((line, _kind(line, closed, graph.statuses)) for line in layout.lines),
        width=layout.width,
        height=layout.height,
    )


@lru_cache(maxsize=16)
def _arranged(names: frozenset[str], edges: tuple[Edge, ...]) -> Layout:
    return arrange(names, edges)


def _kind(line: Line, closed: Collection[Edge], statuses: Mapping[str, Status]) -> str:
    """Return how a line looks: part of a circle, to what is missing, to what is down, or as usual."""
    if line.turned or (line.source, line.target) in closed:
        return "circle"
    status = statuses.get(line.target)
    if status is None:
        return "missing"
    return "down" if status is Status.UNHEALTHY else "usual"
