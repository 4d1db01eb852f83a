"""Whom an item means by the name of its parent, and what is a circle."""

import pytest

from apps.menus.parents import Ambiguous, Directory, Node, loop_from, matches

ME = Node(9, None, "shop", "/me", "Me", "/me")
OWN = Node(1, None, "shop", "/a", "A", "/a")
OTHER = Node(2, None, "billing", "/b", "A", "/b")
THIRD = Node(3, None, "third", "A", "C", "/c")
OF_SEVEN = Node(4, 7, "billing", "/b", "A", "/b")


def found(ref: str, *nodes: Node, of: Node = ME, kind: str = "name", linked: int | None = None) -> object:
    hit = Directory(nodes).find(ref, kind, of, linked=linked)
    if isinstance(hit, Ambiguous):
        return sorted(node.id for node in hit.candidates)
    return hit.id if hit else None


@pytest.mark.parametrize(
    ("ref", "nodes", "expected"),
    [
        ("A", (OWN, OTHER, THIRD), 1),
        ("A", (OTHER, THIRD), 2),
        ("A", (THIRD,), 3),
        ("/b", (OWN, OTHER), 2),
        ("billing:/b", (OWN, OTHER), 2),
        ("third:A", (THIRD, OTHER), 3),
        ("A", (OTHER, Node(5, None, "fifth", "/e", "A", "/e")), [2, 5]),
        ("A", (OTHER, Node(5, None, "fifth", "/e", "A", "/e", displaced=True)), 2),
        ("A", (OF_SEVEN,), None),
        ("B", (OWN,), None),
    ],
)
def test_names(ref: str, nodes: tuple[Node, ...], expected: object) -> None:
    assert found(ref, *nodes) == expected


def test_what_was_meant_until_now_goes_on_to_be() -> None:
    another = Node(5, None, "fifth", "/e", "A", "/e")
    assert found("A", OTHER, another, linked=5) == 5
    assert found("A", OTHER, another, linked=6) == [2, 5]


def test_a_company_sees_its_own_in_place_of_everybodys() -> None:
    mine = Node(9, 7, "shop", "/me", "Me", "/me")
    assert found("A", OTHER, OF_SEVEN, of=mine) == 4
    assert found("4", OTHER, OF_SEVEN, of=mine, kind="id") == 4
    assert found("4", OTHER, OF_SEVEN, kind="id") is None


def test_nobody_means_itself_while_there_is_another() -> None:
    namesake = Node(8, None, "shop", "/x", "Me", "/x")
    assert found("Me", ME, namesake) == 8
    assert found("Me", ME) == 9


def test_what_an_item_is_called() -> None:
    assert all(matches(ref, "name", OWN) for ref in ("A", "/a", "shop:/a"))
    assert not matches("1", "name", OWN)
    assert matches("1", "id", OWN)
    assert not matches("2", "id", OWN)


def test_circles() -> None:
    assert loop_from(1, {1: 1}) == [1, 1]
    assert loop_from(1, {1: 2, 2: 3, 3: 1}) == [1, 2, 3, 1]
    assert loop_from(1, {1: 2, 2: None}) is None
    assert loop_from(1, {1: 2, 2: 3, 3: 2}) is None
