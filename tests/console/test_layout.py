"""The layout of the graph: nothing overlaps, everything points to the right, the same graph is the same picture."""

import re
import time
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.console.layout import BOX_HEIGHT, BOX_WIDTH, Box, Layout, arrange

NAMES = [f"s{number:02d}" for number in range(14)]
graphs = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=40)


def boxes(layout: Layout) -> dict[str, Box]:
    return {box.name: box for box in layout.boxes}


def ends(path: str) -> tuple[float, float]:
    """Return where a path begins and ends, from left to right."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", path)]
    return numbers[0], numbers[-2]


def touch(one: Box, other: Box) -> bool:
    return abs(one.x - other.x) < BOX_WIDTH and abs(one.y - other.y) < BOX_HEIGHT


@given(graphs)
@settings(deadline=None, max_examples=150)
def test_boxes_never_overlap_and_lie_inside(edges: set[tuple[str, str]]) -> None:
    layout = arrange(NAMES, edges)
    assert [box.name for box in layout.boxes] == NAMES
    assert not [pair for pair in combinations(layout.boxes, 2) if touch(*pair)]
    for box in layout.boxes:
        assert box.x >= 0
        assert box.x + BOX_WIDTH <= layout.width
        assert box.y >= 0
        assert box.y + BOX_HEIGHT <= layout.height


@given(graphs)
@settings(deadline=None, max_examples=150)
def test_every_edge_is_a_line_from_side_to_side_and_points_right_unless_it_closes_a_circle(
    edges: set[tuple[str, str]],
) -> None:
    layout = arrange(NAMES, edges)
    at = boxes(layout)
    assert {(line.source, line.target) for line in layout.lines} == edges
    for line in layout.lines:
        source, target = at[line.source], at[line.target]
        assert line.turned == (source.x >= target.x)
        if line.source != line.target:
            sides = (source.x, target.x + BOX_WIDTH) if line.turned else (source.x + BOX_WIDTH, target.x)
            assert ends(line.path) == sides


@given(graphs)
@settings(deadline=None, max_examples=50)
def test_only_circles_have_turned_edges(edges: set[tuple[str, str]]) -> None:
    downhill = {(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]}
    assert not [line for line in arrange(NAMES, downhill).lines if line.turned]


@given(
    st.permutations(NAMES), st.permutations(sorted({("s00", "s01"), ("s01", "s02"), ("s00", "s02"), ("s03", "s02")}))
)
def test_the_same_graph_is_the_same_picture(names: list[str], edges: list[tuple[str, str]]) -> None:
    assert arrange(names, edges) == arrange(NAMES, sorted(edges))


def test_lines_that_need_not_cross_do_not() -> None:
    layout = arrange(["a", "b", "x", "y"], [("a", "y"), ("b", "x")])
    at = boxes(layout)
    assert (at["a"].y < at["b"].y) == (at["y"].y < at["x"].y)


def test_a_chain_is_a_level_row() -> None:
    layout = arrange("abcd", [("a", "b"), ("b", "c"), ("c", "d")])
    assert len({box.y for box in layout.boxes}) == 1
    assert [box.x for box in layout.boxes] == sorted(box.x for box in layout.boxes)


def test_a_caller_stands_right_beside_the_only_thing_that_it_needs() -> None:
    at = boxes(arrange("abcx", [("a", "b"), ("b", "c"), ("x", "c")]))
    assert at["x"].x == at["b"].x


def test_what_is_connected_with_nothing_stands_below_in_rows() -> None:
    at = boxes(arrange(["a", "b", *NAMES[:7]], [("a", "b")]))
    lonely = [at[name] for name in NAMES[:7]]
    assert min(box.y for box in lonely) > max(at["a"].y, at["b"].y)
    assert len({box.y for box in lonely}) == 2


def test_a_circle_turns_one_edge_and_a_self_loop_is_drawn_beside_its_box() -> None:
    layout = arrange("abc", [("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")])
    assert [(line.source, line.target) for line in layout.lines if line.turned] == [("b", "b"), ("c", "a")]
    loop = next(line for line in layout.lines if line.source == line.target)
    assert loop.path.startswith("M")


def test_ends_that_are_not_in_the_picture_are_left_out() -> None:
    assert arrange(["a"], [("a", "elsewhere")]).lines == ()


def test_an_empty_graph_is_an_empty_picture() -> None:
    layout = arrange([], [])
    assert (layout.boxes, layout.lines) == ((), ())


def test_five_hundred_services_are_laid_out_in_seconds() -> None:
    names = [f"service-{number}" for number in range(500)]
    edges = {(names[n], names[n * 7919 % n]) for n in range(1, 500)} | {
        (names[n], names[n * 104729 % n]) for n in range(1, 500)
    }
    started = time.process_time()
    layout = arrange(names, edges)
    assert len(layout.boxes) == 500
    assert time.process_time() - started < 5
