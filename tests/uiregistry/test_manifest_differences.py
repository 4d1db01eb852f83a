"""What is different between two manifests."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.uiregistry.differences import difference
from apps.uiregistry.manifest import body_of, digest

ORDERS = {"name": "Orders", "path": "/orders", "order_number": 10, "labels": {"pl": "Zamówienia"}}
OPEN = {"name": "Open", "path": "/orders/open", "parent_name": "Orders"}
SALES: dict[str, Any] = {
    "name": "Sales",
    "widget_type": "chart",
    "api_endpoint": "/sales",
    "config": {"title": "Sales", "columns": ["a", "b"], "a/b": 1},
}


def body(*menus: dict[str, Any], version: str = "1.0.0", widgets: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return body_of(version, 1, {"menus": menus, "widgets": widgets})


def test_nothing_is_different() -> None:
    assert difference(body(ORDERS, OPEN), body(ORDERS, OPEN)).is_empty
    assert difference(None, None).is_empty


def test_what_came_and_what_went() -> None:
    found = difference(body(ORDERS), body(OPEN, widgets=(SALES,))).as_json()
    assert found["added"] == [
        {"kind": "menu", "key": "/orders/open", "company_id": None, "name": "Open", "item": OPEN},
        {"kind": "widget", "key": "Sales", "company_id": None, "name": "Sales", "item": SALES},
    ]
    assert [(one["kind"], one["key"]) for one in found["removed"]] == [("menu", "/orders")]
    assert (found["changed"], found["version"], found["reordered"]) == ([], None, [])


def test_what_changed_field_by_field() -> None:
    config = {"title": "All sales", "columns": ["a"], "max_rows": 3}
    before = body(ORDERS, widgets=(SALES,))
    after = body(
        {"name": "All orders", "path": "/orders", "labels": {"pl": "Zamówienia", "de": "Bestellungen"}},
        widgets=({**SALES, "config": config},),
        version="1.1.0",
    )
    found = difference(before, after).as_json()
    assert found["version"] == {"field": "version", "before": "1.0.0", "after": "1.1.0"}
    assert found["changed"] == [
        {
            "kind": "menu",
            "key": "/orders",
            "company_id": None,
            "name": "All orders",
            "fields": [
                {"field": "name", "before": "Orders", "after": "All orders"},
                {"field": "order_number", "before": 10},
                {"field": "labels/de", "after": "Bestellungen"},
            ],
        },
        {
            "kind": "widget",
            "key": "Sales",
            "company_id": None,
            "name": "Sales",
            "fields": [
                {"field": "config/title", "before": "Sales", "after": "All sales"},
                {"field": "config/columns", "before": ["a", "b"], "after": ["a"]},
                {"field": "config/a~1b", "before": 1},
                {"field": "config/max_rows", "after": 3},
            ],
        },
    ]


def test_items_of_two_companies_are_two() -> None:
    mine, yours = {**ORDERS, "company_id": 7}, {**ORDERS, "company_id": 8}
    found = difference(body(mine), body(yours))
    assert [(one.company_id, one.key) for one in (*found.added, *found.removed)] == [(8, "/orders"), (7, "/orders")]


def test_another_order_of_the_list_is_told_by_itself() -> None:
    found = difference(body(ORDERS, OPEN), body(OPEN, ORDERS))
    assert (found.reordered, found.changed, found.is_empty) == (("menu",), (), False)


def test_true_is_not_one() -> None:
    (changed,) = difference(body({"path": "/a", "x": [1]}), body({"path": "/a", "x": [True]})).changed
    assert [one.path for one in changed.fields] == ["x"]


def test_everything_taken_back() -> None:
    found = difference(body(ORDERS), None).as_json()
    assert [one["key"] for one in found["removed"]] == ["/orders"]
    assert found["version"] == {"field": "version", "before": "1.0.0"}


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"path": st.sampled_from(["/a", "/b", "/c"])},
        optional={
            "name": st.sampled_from(["A", "B"]),
            "is_page": st.booleans() | st.integers(0, 1),
            "labels": st.dictionaries(st.sampled_from(["pl", "de"]), st.sampled_from(["x", "y"])),
        },
    ),
    unique_by=lambda item: item["path"],
)


@given(before=ITEMS, after=ITEMS)
def test_there_is_a_difference_exactly_where_two_do_not_say_the_same(before: Any, after: Any) -> None:
    one, other = body(*before), body(*after)
    assert difference(one, other).is_empty == (digest(one) == digest(other))
