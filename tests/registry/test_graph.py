"""The dependency graph against a naive closure, and the figures for dense graphs."""

from collections.abc import Mapping
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registry.graph import Graph, Node, build_graph, impaired
from xerpium_sdk.wire.registry import Status

NAMES = ["a", "b", "c", "d", "e", "f", "g"]
graphs = st.dictionaries(st.sampled_from(NAMES), st.frozensets(st.sampled_from([*NAMES, "lost"])))


def graph_of(dependencies: Mapping[str, str], **statuses: Status) -> Graph:
    """Return the graph of services with one-letter names: {"a": "bc"} is a service a that needs b and c."""
    return build_graph(
        {name: list(needs) for name, needs in dependencies.items()},
        {name: statuses.get(name, Status.HEALTHY) for name in dependencies},
    )


def node(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.name == name)


def naive_impact(dependencies: Mapping[str, frozenset[str]], name: str) -> set[str]:
    """Return who suffers when ``name`` is down: grow the set until it stays the same."""
    suffering = {name}
    while True:
        more = {other for other, needs in dependencies.items() if needs & suffering} | suffering
        if more == suffering:
            # Whoever needs itself, over any number of steps, does not suffer from another's being down.
            return suffering - {name}
        suffering = more


class TestNodes:
    def test_a_node_knows_its_neighbours_both_ways(self) -> None:
        graph = graph_of({"shop": "", "a": "cb", "b": "", "c": "", "d": "b"})
        assert node(graph, "a").dependencies == ("b", "c")
        assert node(graph, "b").dependents == ("a", "d")
        assert [each.name for each in graph.nodes] == ["a", "b", "c", "d", "shop"]

    def test_impact_goes_all_the_way_up(self) -> None:
        graph = graph_of({"a": "b", "b": "c", "c": "", "x": "b", "y": ""})
        assert node(graph, "c").impact == ("a", "b", "x")
        assert node(graph, "a").impact == ()

    def test_a_service_in_a_cycle_does_not_suffer_from_itself(self) -> None:
        graph = graph_of({"a": "b", "b": "a", "c": "a"})
        assert node(graph, "a").impact == ("b", "c")
        assert node(graph, "b").impact == ("a", "c")

    def test_nodes_carry_their_status(self) -> None:
        graph = graph_of({"a": "b", "b": ""}, b=Status.UNHEALTHY)
        assert (node(graph, "a").status, node(graph, "b").status) == (Status.HEALTHY, Status.UNHEALTHY)

    def test_a_service_without_an_entry_needs_nobody(self) -> None:
        assert build_graph({}, {"a": Status.HEALTHY}).nodes == (Node("a", Status.HEALTHY, (), (), ()),)


class TestMissing:
    def test_what_is_declared_but_unknown_is_missing(self) -> None:
        graph = graph_of({"a": "xb", "b": "x"})
        assert graph.missing == ("x",)
        assert graph.edges == (("a", "b"), ("a", "x"), ("b", "x"))

    def test_what_is_deregistered_is_missing_and_no_node(self) -> None:
        graph = graph_of({"a": "b", "b": "c", "c": ""}, b=Status.DEREGISTERED)
        assert graph.missing == ("b",)
        assert [each.name for each in graph.nodes] == ["a", "c"]
        assert node(graph, "c").dependents == ()


class TestCycles:
    def test_a_cycle_is_a_path_that_closes(self) -> None:
        assert graph_of({"c": "a", "a": "b", "b": "cd", "d": ""}).cycles == (("a", "b", "c", "a"),)

    def test_a_service_that_needs_itself_is_one(self) -> None:
        assert graph_of({"a": "ab", "b": ""}).cycles == (("a", "a"),)

    def test_without_cycles_there_are_none(self) -> None:
        assert graph_of({"a": "bc", "b": "c", "c": ""}).cycles == ()

    def test_each_knot_is_told_once_by_its_shortest_way(self) -> None:
        knot = {"a": "b", "b": "cd", "c": "d", "d": "a"}
        assert graph_of(knot | {"x": "y", "y": "x"}).cycles == (("a", "b", "d", "a"), ("x", "y", "x"))

    def test_a_long_chain_is_no_problem(self) -> None:
        names = [f"service-{number:05}" for number in range(2000)]
        ring = {name: [names[index - 1]] for index, name in enumerate(names)}
        graph = build_graph(ring, dict.fromkeys(names, Status.HEALTHY))
        assert len(graph.cycles[0]) == 2001
        assert len(node(graph, names[7]).impact) == 1999


class TestAgainstTheNaiveWay:
    @given(graphs)
    def test_impact_is_the_closure(self, dependencies: dict[str, frozenset[str]]) -> None:
        graph = build_graph(dependencies, dict.fromkeys(dependencies, Status.HEALTHY))
        known = {name: needs & dependencies.keys() for name, needs in dependencies.items()}
        for each in graph.nodes:
            assert list(each.impact) == sorted(naive_impact(known, each.name))

    @given(graphs)
    def test_cycles_are_real_and_none_is_left_out(self, dependencies: dict[str, frozenset[str]]) -> None:
        graph = build_graph(dependencies, dict.fromkeys(dependencies, Status.HEALTHY))
        known = {name: needs & dependencies.keys() for name, needs in dependencies.items()}
        impacts = {name: naive_impact(known, name) for name in known}
        knots = {name: {name} | {other for other in impacts[name] if name in impacts[other]} for name in known}
        for path in graph.cycles:
            assert path[0] == path[-1]
            assert len(set(path)) == len(path) - 1
            assert all(after in known[before] for before, after in pairwise(path))
        assert {path[0] for path in graph.cycles if len(path) == 2} == {name for name in known if name in known[name]}
        assert {path[0] for path in graph.cycles if len(path) > 2} == {
            min(knot) for knot in knots.values() if len(knot) > 1
        }

    @given(graphs)
    def test_dependents_are_the_edges_backwards(self, dependencies: dict[str, frozenset[str]]) -> None:
        graph = build_graph(dependencies, dict.fromkeys(dependencies, Status.HEALTHY))
        assert {(source, each.name) for each in graph.nodes for source in each.dependents} == {
            (source, target) for source, target in graph.edges if target in dependencies
        }


class TestImpaired:
    @pytest.mark.parametrize("status", [None, Status.UNHEALTHY, Status.DEREGISTERED])
    def test_unhealthy_and_missing_ones_are_named(self, status: Status | None) -> None:
        assert impaired(["b", "a"], lambda name: {"a": Status.HEALTHY, "b": status}[name]) == ("b",)

    @pytest.mark.parametrize("status", [Status.HEALTHY, Status.DEGRADED, Status.STARTING])
    def test_others_are_not(self, status: Status) -> None:
        assert impaired(["a"], lambda _: status) == ()

    def test_they_are_sorted_and_told_once(self) -> None:
        assert impaired(["c", "a", "c", "b"], lambda _: None) == ("a", "b", "c")


@pytest.mark.parametrize("degree", [4, 250])
def test_five_hundred_services_take_less_than_a_second(degree: int) -> None:
    names = [f"service-{number:03}" for number in range(500)]
    dependencies = {name: [names[index * step % 500] for step in range(degree)] for index, name in enumerate(names)}
    started = process_time()
    build_graph(dependencies, dict.fromkeys(names, Status.HEALTHY))
    assert process_time() - started < 1
