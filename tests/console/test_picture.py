"""Which services are in the picture, and how they and their lines look."""

from apps.console.picture import MOST_BOXES, Neighbourhood, choose, draw
from xerpium_sdk.wire.registry import Status


def graph(edges: list[tuple[str, str]], **statuses: Status) -> Neighbourhood:
    impact = {name: sum(target == name for _, target in edges) for name in statuses}
    return Neighbourhood(statuses, tuple(edges), (), impact)


def crowd(count: int, status: Status = Status.HEALTHY) -> dict[str, Status]:
    return {f"s{number:03d}": status for number in range(count)}


SMALL = graph(
    [("shop", "orders"), ("orders", "payment"), ("orders", "gone"), ("report", "orders")],
    shop=Status.HEALTHY, orders=Status.HEALTHY, payment=Status.UNHEALTHY, report=Status.HEALTHY, alone=Status.HEALTHY,
)  # fmt: skip


def test_a_small_graph_is_drawn_whole_with_what_is_missing() -> None:
    choice = choose(SMALL)
    assert choice.names == {"shop", "orders", "payment", "gone", "report", "alone"}
    assert choice.why == ""


def test_around_one_service_are_all_that_it_needs_and_all_that_need_it() -> None:
    assert choose(SMALL, around="payment").names == {"payment", "orders", "shop", "report"}
    assert choose(SMALL, around="shop").names == {"shop", "orders", "payment", "gone"}
    assert choose(SMALL, around="unknown").names == frozenset()


def test_a_filter_brings_what_is_directly_connected() -> None:
    assert choose(SMALL, wanted=["payment"]).names == {"payment", "orders"}
    assert choose(SMALL, wanted=[]).names == frozenset()


def test_a_large_graph_shows_what_is_wrong_and_its_neighbours() -> None:
    statuses = crowd(300) | {"bad": Status.UNHEALTHY}
    choice = choose(graph([("s001", "bad"), ("bad", "s002"), ("s003", "s004")], **statuses))
    assert choice.names == {"bad", "s001", "s002"}
    assert "301" in choice.why


def test_a_large_graph_in_good_health_shows_what_is_needed_most() -> None:
    edges = [(f"s{number:03d}", "s299") for number in range(100)]
    choice = choose(graph(edges, **crowd(300)))
    assert len(choice.names) == MOST_BOXES
    assert "s299" in choice.names


def test_a_large_graph_where_all_is_wrong_does_not_grow_without_bound() -> None:
    everything = graph([], **crowd(300, Status.UNHEALTHY))
    assert len(choose(everything).names) == MOST_BOXES
    assert len(choose(everything, wanted=crowd(300)).names) == MOST_BOXES
    assert len(choose(everything, everything=True).names) == 300


def test_lines_show_what_is_down_missing_or_a_circle() -> None:
    edges = [*SMALL.edges, ("payment", "shop")]
    drawn = draw(
        Neighbourhood(SMALL.statuses, tuple(edges), (("shop", "orders", "payment", "shop"),), {}), choose(SMALL).names
    )
    kinds = {(line.source, line.target): kind for line, kind in drawn.lines}
    assert kinds == {
        ("shop", "orders"): "circle",
        ("orders", "payment"): "circle",
        ("payment", "shop"): "circle",
        ("orders", "gone"): "missing",
        ("report", "orders"): "usual",
    }
    kinds = {(line.source, line.target): kind for line, kind in draw(SMALL, choose(SMALL).names).lines}
    assert kinds["orders", "payment"] == "down"


def test_boxes_know_their_neighbours_and_cut_long_names() -> None:
    long = "a-service-with-a-name-of-sixty-letters-to-see-what-is-cut-off"
    drawn = draw(graph([(long, "b")], **{long: Status.HEALTHY, "b": Status.STALE}), frozenset({long, "b"}))
    first, second = drawn.boxes
    assert first.label.endswith("…")
    assert len(first.label) <= 22
    assert (first.needs, second.needed_by) == (("b",), (long,))
    assert (first.impact, second.impact) == (0, 1)
