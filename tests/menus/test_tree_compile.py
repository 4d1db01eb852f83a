"""Compiling a tree: where items stand, in what order, and what nobody sees."""

from typing import Any

import pytest

from apps.menus.lifetimes import Lifetime
from tests.menus.forests import forest, item, layer, outline, tree_of


def test_a_node_has_these_fields_and_no_others() -> None:
    made = forest(item(1, icon="folder", badge={"endpoint": "/n", "refresh_interval": 30}), item(2, parent_id=1))
    assert tree_of(made) == [
        {
            "id": 1,
            "key": "/1",
            "name": "Item 1",
            "path": "/1",
            "icon": "folder",
            "service_name": "orders",
            "badge": {"endpoint": "/n", "refresh_interval": 30},
            "children": [
                {
                    "id": 2,
                    "key": "/2",
                    "name": "Item 2",
                    "path": "/2",
                    "icon": "box",
                    "service_name": "orders",
                    "badge": None,
                    "children": [],
                }
            ],
        }
    ]


def test_links_marks_and_pins_show_where_they_apply() -> None:
    made = forest(
        item(1, path=None, key="docs", url="https://docs.example/"),
        item(2, service_name="billing"),
        layers=[layer({2: {"pinned": True}}, "user", 5)],
        lifetimes={"billing": Lifetime.DEGRADED, "orders": Lifetime.WELL},
    )
    link, marked = sorted(tree_of(made), key=lambda node: int(node["id"]))
    assert (link["path"], link["url"]) == (None, "https://docs.example/")
    assert "service_status" not in link
    assert "pinned" not in link
    assert (marked["service_status"], marked["pinned"]) == ("degraded", True)
    assert "url" not in marked


def test_nothing_makes_an_empty_tree() -> None:
    assert forest().render(("*",)) == b"[]"
    assert forest(item(1, permissions=("a",))).render(()) == b"[]"


def test_siblings_stand_by_number_then_key_then_id() -> None:
    made = forest(
        item(1, order_number=2),
        item(2, order_number=1, path="/b"),
        item(3, order_number=1, path="/a"),
        item(4, order_number=1, path="/A", key="/a", service_name="billing"),
    )
    assert outline(tree_of(made)) == [3, 4, 2, 1]


BESIDE: dict[str, tuple[list[Any], list[int]]] = {
    "before": ([item(1), item(2), item(3, before="/1")], [3, 1, 2]),
    "after": ([item(1, after="/2"), item(2), item(3)], [2, 1, 3]),
    "several after one keep it": ([item(1), item(2, after="/4"), item(3, after="/4"), item(4)], [1, 4, 2, 3]),
    "several before one keep it": ([item(1), item(2), item(3, before="/1"), item(4, before="/1")], [3, 4, 1, 2]),
    "a chain": ([item(1, after="/2"), item(2, after="/3"), item(3), item(4)], [3, 2, 1, 4]),
    "unknown ones count for nothing": ([item(1, before="/9"), item(2, after="/8"), item(3)], [1, 2, 3]),
    "the second when the first is unknown": ([item(1, before="/9", after="/3"), item(2), item(3)], [2, 3, 1]),
    "oneself": ([item(1), item(2, before="/2")], [1, 2]),
    "round and round": ([item(1, after="/2"), item(2, after="/1"), item(3, before="/1")], [3, 1, 2]),
    "no sibling": ([item(1), item(2, parent_id=1, is_page=True), item(3, before="/2")], [1, 3]),
    "one's own service first": (
        [
            item(1, key="top", service_name="billing"),
            item(2, key="top", path="/t"),
            item(3),
            item(4, before="top"),
        ],
        [3, 1, 4, 2],
    ),
    "of another service": ([item(1), item(2, key="x", service_name="billing"), item(3, before="x")], [1, 3, 2]),
    "another's by name": (
        [item(1, key="x"), item(2, key="x", service_name="billing"), item(3, before="billing:x")],
        [1, 3, 2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_before_and_after_name_siblings(name: str) -> None:
    items, expected = BESIDE[name]
    assert [node["id"] for node in tree_of(forest(*items))] == expected


def test_an_operators_number_counts_more_than_before_and_after() -> None:
    items = [item(1), item(2), item(3, before="/1")]
    made = forest(*items, layers=[layer({3: {"order_number": 100.5}})])
    assert outline(tree_of(made)) == [1, 2, 3]
    assert outline(tree_of(forest(*items, layers=[layer({2: {"order_number": 1}})]))) == [2, 3, 1]


def test_the_most_specific_overlay_wins_field_by_field() -> None:
    made = forest(
        item(1),
        item(2),
        layers=[
            layer({1: {"name": "Of all", "icon": "star", "hidden": True}}),
            layer({1: {"hidden": False, "name": "Of one"}}, "company", 7),
            layer({1: {"order_number": 500}}, "role", 3),
            layer({9: {"name": "of nobody"}}, "user", 5),
        ],
    )
    assert [(node["name"], node["icon"]) for node in tree_of(made)] == [("Item 2", "box"), ("Of one", "star")]


def test_operators_move_items() -> None:
    items = [item(1, is_page=True), item(2, parent_id=1), item(3)]
    assert outline(tree_of(forest(*items, layers=[layer({2: {"parent_id": 3}})]))) == [1, (3, [2])]
    assert outline(tree_of(forest(*items, layers=[layer({2: {"parent_id": 0}})]))) == [1, 2, 3]
    # Also what waits for its own parent; and when the new place is gone, the old one counts again.
    waiting = item(4, pending=True)
    assert outline(tree_of(forest(*items, waiting, layers=[layer({4: {"parent_id": 3}})]))) == [(1, [2]), (3, [4])]
    assert outline(tree_of(forest(*items, layers=[layer({2: {"parent_id": 99}})]))) == [(1, [2]), 3]


@pytest.mark.parametrize("value", [None, "3", 1.5, True, [], {}])
def test_an_overlay_that_makes_no_sense_counts_for_nothing(value: Any) -> None:
    made = forest(item(1), item(2), layers=[layer({2: {"parent_id": value, "order_number": None, "hidden": 1}})])
    assert outline(tree_of(made)) == [1, 2]


def test_what_waits_for_its_parent_is_nowhere_and_nor_is_what_is_below_it() -> None:
    items = [item(1, pending=True), item(2, parent_id=1), item(3, parent_id=99), item(4)]
    assert outline(tree_of(forest(*items))) == [4]


def test_an_operators_link_holds_and_the_newest_other_gives_way() -> None:
    made = forest(item(1, parent_id=3), item(2, parent_id=1), item(3), layers=[layer({3: {"parent_id": 2}})])
    assert made.structure.waiting == {2: "cycle"}
    assert outline(tree_of(made)) == []
    declared = forest(item(1, parent_id=2, is_page=True), item(2, parent_id=1), item(3))
    assert declared.structure.waiting == {2: "cycle"}
    assert outline(tree_of(declared)) == [3]
    operators = [layer({1: {"parent_id": 2}}), layer({2: {"parent_id": 1}}, "user", 5)]
    assert forest(item(1), item(2), layers=operators).structure.waiting == {2: "cycle"}
    assert forest(item(1, parent_id=1)).structure.waiting == {1: "pending_parent"}


def test_a_folder_without_anything_to_show_is_gone_unless_it_is_a_page() -> None:
    items = [item(1), item(2, parent_id=1), item(3, parent_id=2, permissions=("a",)), item(4, is_page=True)]
    items.append(item(5, parent_id=4, is_active=False))
    made = forest(*items)
    assert outline(tree_of(made, "a")) == [(1, [(2, [3])]), 4]
    assert outline(tree_of(made, "b")) == [4]
    page = forest(*items[:1], item(2, parent_id=1, is_page=True), items[2])
    assert outline(tree_of(page, "b")) == [(1, [2])]


@pytest.mark.parametrize("fields", [{"is_active": False}, {"service_name": "left"}, {"service_name": "stale"}])
def test_what_nobody_sees_takes_what_is_below_it_along(fields: Any) -> None:
    lifetimes = {"left": Lifetime.LEFT, "stale": Lifetime.STALE, "orders": Lifetime.UNHEALTHY}
    made = forest(item(1, **fields), item(2, parent_id=1), item(3), lifetimes=lifetimes)
    assert outline(tree_of(made)) == [3]
    hidden = forest(item(1), item(2, parent_id=1), item(3), layers=[layer({1: {"hidden": True}})])
    assert outline(tree_of(hidden)) == [3]


def test_a_companys_row_takes_the_place_of_everybodys_with_its_children() -> None:
    items = [
        item(1),
        item(2, parent_id=1, path="/list"),
        item(3, parent_id=2),
        item(4, company_id=7, path="/list", name="Own"),
        item(5, company_id=7, parent_id=4),
    ]
    made = forest(*items)
    # It names no place of its own, so it has that of the other.
    assert outline(tree_of(made)) == [(1, [(4, [3, 5])])]
    assert outline(tree_of(forest(*items[:3]))) == [(1, [(2, [3])])]
    elsewhere = item(4, company_id=7, path="/list", parent_id=6)
    assert outline(tree_of(forest(*items[:3], elsewhere, item(6)))) == [1, (6, [(4, [3])])]
    below_itself = item(4, company_id=7, path="/list", parent_id=2)
    assert outline(tree_of(forest(*items[:3], below_itself))) == [(1, [(4, [3])])]


def test_a_displaced_row_is_nowhere_and_takes_no_place() -> None:
    made = forest(item(1, path="/a"), item(2, path="/a", company_id=7, displaced=True), item(3, parent_id=2))
    assert outline(tree_of(made)) == [1]


def test_names_are_in_the_nearest_language() -> None:
    labels = {"pl": "Zamówienia", "pl_PL": "Zlecenia", "de": "Aufträge"}
    made = forest(item(1, labels=labels), item(2, parent_id=1, labels={"pl": "Lista"}), item(3))
    names = {locale: tree_of(made, locale=locale)[0]["name"] for locale in ("pl-PL", "pl_pl", "PL", "pl-AT", "de-AT")}
    assert names == {
        "pl-PL": "Zlecenia",
        "pl_pl": "Zlecenia",
        "PL": "Zamówienia",
        "pl-AT": "Zamówienia",
        "de-AT": "Aufträge",
    }
    assert tree_of(made, locale="pl-PL")[0]["children"][0]["name"] == "Lista"
    assert tree_of(made, locale="fr")[0]["name"] == tree_of(made)[0]["name"] == "Item 1"
    assert made.chain("fr") == made.chain("") == made.chain(None) == made.chain("-") == ()
    renamed = forest(item(1, labels=labels), layers=[layer({1: {"name": "Ours"}})])
    assert tree_of(renamed, locale="pl")[0]["name"] == "Ours"


def test_a_tree_as_deep_as_it_has_items_is_compiled_and_rendered() -> None:
    deep = forest(*[item(number, parent_id=number - 1 or None) for number in range(1, 5001)])
    assert deep.render(("*",)).count(b'"children"') == 5000
    assert deep.shown(()) == set(range(1, 5001))
