"""Where the boxes and lines of a dependency graph go: layers from left to right, callers left of what they need.

The method is Sugiyama's: turn the few edges round that close circles, give every node a layer, put a stand-in wherever
an edge passes through a layer, order the layers so that few lines cross, then move each node level with its neighbours
as far as its own layer leaves room. Pure and deterministic; 500 services take about a second.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Box", "Layout", "Line", "arrange"]

BOX_WIDTH, BOX_HEIGHT = 196, 36
COLUMN_GAP, ROW_GAP, LANE_GAP = 60, 12, 10
MARGIN = 16
SWEEPS = 10
PATIENCE = 20_000
"""A picture of more nodes and stand-ins than a tenth of this is swept less often: it cannot be read anyway."""
LEVELLINGS = 6
ALONE_COLUMNS = 5

Edge = tuple[str, str]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A node; x and y are its upper left corner."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as an SVG path from the right side of ``source`` to the left side of ``target``.

    ``turned`` edges close a circle: they run against the direction of all others.
    """

    source: str
    target: str
    path: str
    turned: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture; nothing lies outside of ``width`` by ``height``."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def arrange(names: Collection[str], edges: Iterable[Edge]) -> Layout:
    """Return the layout of a graph.

    Args:
        names: its nodes.
        edges: (service, what it needs); ends that are not in ``names`` are left out.
    """
    known = set(names)
    wanted = sorted({edge for edge in edges if known.issuperset(edge)})
    touched = {name for source, target in wanted if source != target for name in (source, target)}
    order = sorted(touched)
    proper = [(source, target) for source, target in wanted if source != target]
    turned = _closing_edges(order, proper)
    forward = sorted(
        {(target, source) if (source, target) in turned else (source, target) for source, target in proper}
    )
    layers, chains = _layers(order, forward)
    _untangle(layers, chains)
    heights = _levels(layers, chains)
    boxes = {node: _box(node, layer, heights) for layer, nodes in enumerate(layers) for node in nodes}
    foot = max((box.y + BOX_HEIGHT for box in boxes.values()), default=MARGIN - 2 * ROW_GAP)
    boxes |= _in_rows(sorted(known - touched), foot + 2 * ROW_GAP)
    lines = [_line(edge, edge in turned, chains, boxes) for edge in wanted]
    shown = tuple(boxes[name] for name in sorted(known))
    return Layout(
        boxes=shown,
        lines=tuple(lines),
        width=max((box.x + BOX_WIDTH for box in boxes.values()), default=0) + MARGIN,
        height=max((box.y + BOX_HEIGHT for box in boxes.values()), default=0) + MARGIN,
    )


# --- circles ----------------------------------------------------------------------------------------------------------


def _closing_edges(names: Sequence[str], edges: Sequence[Edge]) -> set[Edge]:
    """Return the edges that lead back to where a walk in depth came from; without them there is no circle."""
    targets = _neighbours(edges)
    closing: set[Edge] = set()
    finished: set[str] = set()
    for root in _roots_first(names, edges):
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(root, 0)]
        while stack:
            node, depth = stack.pop()
            while len(path) > depth:
                left = path.pop()
                on_path.discard(left)
                finished.add(left)
            if node in finished or node in on_path:
                continue
            path.append(node)
            on_path.add(node)
            closing |= {(node, target) for target in targets[node] if target in on_path}
            stack += [(target, depth + 1) for target in reversed(targets[node]) if target not in on_path]
        finished |= on_path
    return closing


def _roots_first(names: Sequence[str], edges: Sequence[Edge]) -> list[str]:
    needed = {target for _, target in edges}
    return sorted(names, key=lambda name: (name in needed, name))


def _neighbours(edges: Iterable[Edge]) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        found[source].append(target)
    return found


# --- layers -----------------------------------------------------------------------------------------------------------


def _layers(names: Sequence[str], edges: Sequence[Edge]) -> tuple[list[list[str]], dict[Edge, list[str]]]:
    """Return the nodes of each layer, stand-ins included, and for each edge the nodes that it runs through."""
    layer_of = _depths(names, edges)
    layers: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for name in names:
        layers[layer_of[name]].append(name)
    chains = {}
    for source, target in edges:
        # No service's name holds a blank: a stand-in is never taken for one.
        between = [f"{source} {target} {layer}" for layer in range(layer_of[source] + 1, layer_of[target])]
        for offset, stand_in in enumerate(between, start=layer_of[source] + 1):
            layers[offset].append(stand_in)
        chains[source, target] = [source, *between, target]
    return layers, chains


def _depths(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the layer of each node: as far left as its callers allow; a caller of its own right next to its needs."""
    targets, sources = _neighbours(edges), _neighbours((target, source) for source, target in edges)
    depth: dict[str, int] = {}
    waiting = {name: len(sources[name]) for name in names}
    queue = [name for name in names if not waiting[name]]
    for name in queue:
        depth[name] = max((depth[source] + 1 for source in sources[name]), default=0)
        for target in targets[name]:
            waiting[target] -= 1
            if not waiting[target]:
                queue.append(target)
    for name in reversed(queue):
        if not sources[name] and targets[name]:
            depth[name] = min(depth[target] for target in targets[name]) - 1
    return depth


# --- order within the layers ------------------------------------------------------------------------------------------


def _untangle(layers: list[list[str]], chains: Mapping[Edge, Sequence[str]]) -> None:
    """Order each layer by where its neighbours are, to and fro, and keep the order in which the fewest lines cross."""
    right, left = _steps(chains)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, right)
    size = sum(len(layer) for layer in layers)
    for sweep in range(max(2, min(SWEEPS, PATIENCE // max(size, 1)))):
        if not fewest:
            break
        rightward = sweep % 2 == 0
        indices = range(1, len(layers)) if rightward else range(len(layers) - 2, -1, -1)
        for index in indices:
            fixed = layers[index - 1] if rightward else layers[index + 1]
            _sort_by_neighbours(layers[index], fixed, left if rightward else right)
        count = _crossings(layers, right)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    layers[:] = best


def _steps(chains: Mapping[Edge, Sequence[str]]) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    """Return what each node leads to in the next layer, and what leads to it from the layer before."""
    steps = [(here, there) for chain in chains.values() for here, there in pairwise(chain)]
    return _neighbours(steps), _neighbours((there, here) for here, there in steps)


def _sort_by_neighbours(layer: list[str], fixed: Sequence[str], neighbours: Mapping[str, Sequence[str]]) -> None:
    place = {name: index for index, name in enumerate(fixed)}
    stay = {name: index for index, name in enumerate(layer)}
    scale = len(fixed) / max(len(layer), 1)

    def middle(name: str) -> float:
        places = sorted(place[other] for other in neighbours[name]) if name in neighbours else []
        if not places:
            return stay[name] * scale
        half = len(places) // 2
        return places[half] if len(places) % 2 else (places[half - 1] + places[half]) / 2

    layer.sort(key=lambda name: (middle(name), stay[name]))


def _crossings(layers: Sequence[Sequence[str]], right: Mapping[str, Sequence[str]]) -> int:
    return sum(_crossings_between(here, there, right) for here, there in pairwise(layers))


def _crossings_between(here: Sequence[str], there: Sequence[str], right: Mapping[str, Sequence[str]]) -> int:
    place = {name: index for index, name in enumerate(there)}
    seen: list[int] = []
    count = 0
    for name in here:
        ends = sorted(place[other] for other in right[name]) if name in right else []
        count += sum(len(seen) - bisect_right(seen, end) for end in ends)
        for end in ends:
            insort(seen, end)
    return count


# --- heights ----------------------------------------------------------------------------------------------------------


def _levels(layers: Sequence[Sequence[str]], chains: Mapping[Edge, Sequence[str]]) -> dict[str, float]:
    """Return the middle of each node: as near to its neighbours' as the order and the distances of its layer allow."""
    right, left = _steps(chains)
    heights: dict[str, float] = {}
    for layer in layers:
        heights |= _spread(layer, [0.0] * len(layer))
    for levelling in range(LEVELLINGS):
        ordered = layers if levelling % 2 == 0 else layers[::-1]
        for layer in ordered:
            wanted = [_mean_height(name, (*left.get(name, ()), *right.get(name, ())), heights) for name in layer]
            heights |= _spread(layer, wanted)
    top = min(heights.values(), default=0.0)
    return {name: height - top + MARGIN + BOX_HEIGHT / 2 for name, height in heights.items()}


def _mean_height(name: str, others: Sequence[str], heights: Mapping[str, float]) -> float:
    return sum(heights[other] for other in others) / len(others) if others else heights[name]


def _spread(layer: Sequence[str], wanted: Sequence[float]) -> dict[str, float]:
    """Return the heights nearest to the ``wanted`` ones (least squares) that keep order and distances.

    With the distances taken away it is isotonic regression: neighbours that would collide share their mean.
    """
    offsets = [0.0]
    for above, below in pairwise(layer):
        offsets.append(offsets[-1] + _distance(above, below))
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wanted, offsets, strict=True):
        total, size = wish - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / size:
            above_total, above_size = blocks.pop()
            total, size = total + above_total, size + above_size
        blocks.append((total, size))
    means = [total / size for total, size in blocks for _ in range(size)]
    return {name: mean + offset for name, mean, offset in zip(layer, means, offsets, strict=True)}


def _distance(above: str, below: str) -> float:
    lanes = _is_stand_in(above) + _is_stand_in(below)
    return (BOX_HEIGHT + ROW_GAP, BOX_HEIGHT / 2 + LANE_GAP, LANE_GAP)[lanes]


def _is_stand_in(name: str) -> bool:
    return " " in name


# --- drawing ----------------------------------------------------------------------------------------------------------


def _box(name: str, layer: int, heights: Mapping[str, float]) -> Box:
    x = MARGIN + layer * (BOX_WIDTH + COLUMN_GAP)
    return Box(name, x, round(heights[name] - BOX_HEIGHT / 2, 1))


def _in_rows(names: Sequence[str], top: float) -> dict[str, Box]:
    """Put those that need nothing and are needed by nobody into rows below the rest."""
    step_x, step_y = BOX_WIDTH + ROW_GAP, BOX_HEIGHT + ROW_GAP
    return {
        name: Box(name, MARGIN + index % ALONE_COLUMNS * step_x, top + index // ALONE_COLUMNS * step_y)
        for index, name in enumerate(names)
    }


def _line(edge: Edge, turned: bool, chains: Mapping[Edge, Sequence[str]], boxes: Mapping[str, Box]) -> Line:
    source, target = edge
    if source == target:
        return Line(source, target, _loop(boxes[source]), True)
    chain = chains[(target, source) if turned else edge]
    first, *between, last = (boxes[name] for name in chain)
    points: list[Point] = [(first.x + BOX_WIDTH, first.y + BOX_HEIGHT / 2)]
    for box in between:
        points += [(box.x, box.y + BOX_HEIGHT / 2), (box.x + BOX_WIDTH, box.y + BOX_HEIGHT / 2)]
    points.append((last.x, last.y + BOX_HEIGHT / 2))
    return Line(source, target, _curve(points[::-1] if turned else points), turned)


def _curve(points: Sequence[Point]) -> str:
    """Return a path through the points that leaves and enters each of them level."""
    (x, y), *rest = points
    steps = [f"M{x:g} {y:g}"]
    for to_x, to_y in rest:
        half = (x + to_x) / 2
        steps.append(f"L{to_x:g} {to_y:g}" if y == to_y else f"C{half:g} {y:g} {half:g} {to_y:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
    return "".join(steps)


def _loop(box: Box) -> str:
    x, y = box.x + BOX_WIDTH, box.y + BOX_HEIGHT / 2
    return f"M{x:g} {y - 8:g}c28 -8 28 24 0 16"
