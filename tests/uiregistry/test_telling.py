"""Differences between states of a manifest, in sentences."""

from typing import Any

import pytest

from apps.uiregistry.differences import difference
from apps.uiregistry.manifest import body_of
from apps.uiregistry.telling import Told, counted, tell

MENU: dict[str, Any] = {"name": "Products", "path": "/products", "order_number": 1}
FORM: dict[str, Any] = {
    "name": "Product form",
    "component_type": "form",
    "route_path": "/products/:id",
    "api_endpoint": "/api/v1/products/{id}",
    "props": {"fields": [{"name": "sku", "type": "text"}, {"name": "price", "type": "number"}]},
}
COUNT: dict[str, Any] = {"name": "Count", "widget_type": "metric", "api_endpoint": "/api/v1/count"}


def body(version: str = "1.0.0", **sections: Any) -> dict[str, Any]:
    return body_of(version, 1, sections)


def told(before: Any, after: Any) -> Told:
    return tell(difference(before, after))


def lines(old: dict[str, Any], new: dict[str, Any], section: str = "menus") -> tuple[str, ...]:
    (entry,) = told(body(**{section: [old]}), body(**{section: [new]})).changed
    return entry.lines


def test_what_came_and_went_is_counted_and_named() -> None:
    found = told(body(menus=[MENU], widgets=[COUNT]), body("1.1.0", menus=[MENU], components=[FORM]))
    assert found.sentence == "Adds 1 page or form and removes 1 widget."
    assert [(entry.name, entry.about) for entry in found.added] == [("Product form", "form, /products/:id")]
    assert [(entry.name, entry.about) for entry in found.removed] == [("Count", "metric, /api/v1/count")]
    assert found.notes == ("Version: “1.0.0” before, “1.1.0” now.",)
    child = {"name": "List", "path": "/products/list", "parent_name": "Products", "company_id": 7}
    (entry,) = told(body(), body(menus=[child])).added
    assert entry.about == "/products/list, below Products, for company 7"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"name": "Goods"}, "Name: “Products” before, “Goods” now."),
        ({"order_number": 5}, "Order: 1 before, 5 now."),
        ({"order_number": None}, "Order: 1 before, nothing now."),
        ({"is_active": False}, "Switched on: no now, nothing before."),
        ({"labels": {"pl": "Produkty"}}, "Labels: {\"pl\": \"Produkty\"} now, nothing before."),
        ({"required_permissions": ["a.b", "c.d"]}, "Permissions needed: “a.b”, “c.d” now, nothing before."),
        ({"description": "x" * 200}, f"Description: “{'x' * 90}…” now, nothing before."),
    ],
)  # fmt: skip
def test_a_changed_field_is_a_sentence(change: dict[str, Any], line: str) -> None:
    assert lines(MENU, {**MENU, **change}) == (line,)


def test_lists_tell_what_joined_and_left_them() -> None:
    fields = [{"name": "sku", "type": "number"}, {"name": "color", "type": "text"}]
    assert lines(FORM, {**FORM, "props": {"fields": fields}}, "components") == (
        "Props › fields: with “color”, without “price”, another “sku”.",
    )
    old, new = ({**MENU, "required_permissions": names} for names in (["a.b", "c.d"], ["c.d", "a.b"]))
    assert lines(old, new) == ("Permissions needed: the same in another order.",)


def test_the_same_is_said_to_be_the_same() -> None:
    assert told(body(menus=[MENU]), body(menus=[MENU])).sentence == "Both say the same."
    other = {**MENU, "path": "/other"}
    found = told(body(menus=[MENU, other]), body(menus=[other, MENU]))
    assert (found.sentence, found.notes) == ("No item is another one.", ("The menu items stand in another order.",))
    assert told(None, None).is_empty


def test_counts_are_words() -> None:
    assert counted([]) == ""
    assert counted(["menu"] * 1400) == "1,400 menu items"
    assert counted(["widget", "menu", "component", "component"]) == "1 menu item, 2 pages and forms and 1 widget"
