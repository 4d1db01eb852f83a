"""What the menu check finds, and what it leaves alone. No database."""

from typing import Any

import pytest

from apps.menus.linting import Entry, Finding, Known, Severity, lint
from xerpium_sdk.wire.credentials import covers


def entry(number: int, name: str, parent: int | None = None, **changes: Any) -> Entry:
    """Return an item with a path of its own and an icon."""
    path = f"/{name.lower()}"
    values = {"service": "shop", "path": path, "route": path, "icon": "home"} | changes
    return Entry(id=number, name=name, parent=parent, **values)


def found(*entries: Entry, **known: Any) -> list[Finding]:
    """Return what is amiss."""
    return lint(entries, Known(**known), covers=covers)


def codes(*entries: Entry, **known: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Return what is amiss, as codes and items."""
    return [(finding.code, finding.items) for finding in found(*entries, **known)]


def test_a_menu_with_nothing_amiss_is_left_alone() -> None:
    tree = (entry(1, "Sales"), entry(2, "Orders", 1, permissions=("order.view",)), entry(3, "Stock"))
    pages = {"shop": {"/orders", "/stock"}}
    assert codes(*tree, routes=pages, granted={"order.*"}, has_icon={"home"}.__contains__) == []


def test_nothing_is_said_of_an_empty_menu() -> None:
    assert codes(routes={}, granted=set(), has_icon=set().__contains__) == []


def test_what_stands_below_something_hidden_is_unreachable() -> None:
    tree = (
        entry(1, "Sales", away="an operator hid it"), entry(2, "Orders", 1), entry(3, "Open", 2), entry(4, "Stock"),
    )  # fmt: skip
    [finding] = found(*tree)
    assert (finding.code, finding.items) == ("unreachable", (2, 3, 1))
    assert finding.text == (
        "Nobody can reach “Orders” and “Open”: “Sales” above them is shown to nobody, as an operator hid it."
    )


def test_what_mends_itself_when_a_service_returns_is_no_finding() -> None:
    assert codes(entry(1, "Sales", away="shop is away", gone=True), entry(2, "Orders", 1, service="orders")) == []


@pytest.mark.parametrize(
    ("route", "is_dead"),
    [("/orders", False), ("/orders/42", False), ("/orders/edit/42", True), ("/order", True), ("/orders/:", False)],
)
def test_a_path_is_dead_where_no_page_is(route: str, is_dead: bool) -> None:
    pages = {"shop": ["/orders", "/orders/:"]}
    assert bool(codes(entry(1, "A", route=route), routes=pages)) is is_dead


def test_folders_links_elsewhere_and_what_nobody_gets_need_no_page() -> None:
    tree = (
        entry(1, "Sales"), entry(2, "Docs", 1, route=None, path="https://a.example"), entry(3, "Off", away="it is off"),
    )  # fmt: skip
    assert codes(*tree, routes={"shop": ["/x"]}) == []


def test_a_service_without_any_page_may_draw_its_own() -> None:
    [finding] = found(entry(1, "A", service="legacy"), routes={"shop": ["/x"]})
    assert (finding.severity, finding.code) == (Severity.NOTE, "dead_route")
    assert "legacy declares no pages at all" in finding.text


def test_a_permission_that_no_role_gives_is_told_once_with_all_who_want_it() -> None:
    tree = (
        entry(1, "A", permissions=("stock.view",)), entry(2, "B", permissions=("stock.view", "order.view")),
        entry(3, "C", permissions=("stock.view", "order.view"), any_of=True),
        entry(4, "D", permissions=("x.a", "x.b"), any_of=True, away="it is off"),
    )  # fmt: skip
    assert codes(*tree, granted={"order.*"}) == [("unknown_permission", (1, 2))]
    assert codes(*tree, granted={"*"}) == []
    assert codes(*tree) == []


def test_siblings_with_the_same_name_are_told_apart_from_cousins() -> None:
    tree = (
        entry(1, "Sales"), entry(2, "Orders", 1), entry(3, " ORDERS", 1, service="other"), entry(4, "Stock"),
        entry(5, "Orders", 4), entry(6, "Sales", away="it is hidden"),
    )  # fmt: skip
    [finding] = found(*tree)
    assert (finding.severity, finding.code, finding.items) == (Severity.WARNING, "duplicate_name", (2, 3))
    assert "(of other and shop)" in finding.text


def test_a_folder_in_which_nobody_gets_anything_is_empty() -> None:
    inner = entry(2, "Orders", 1, away="an operator hid it")
    assert codes(entry(1, "Sales"), inner) == [("empty_folder", (1,))]
    assert codes(entry(1, "Sales", is_page=True), inner) == []


def test_deep_and_crowded_branches_and_missing_icons_are_notes() -> None:
    chain = [entry(number, f"L{number}", number - 1 or None) for number in range(1, 7)]
    assert codes(*chain) == [("too_deep", (5,)), ("too_deep", (6,))]
    crowd = [entry(1, "Sales"), *(entry(number, f"C{number}", 1) for number in range(2, 10))]
    assert codes(*crowd) == [("too_many", (1,))]
    assert codes(*crowd[:-1]) == []
    bare = (entry(1, "A"), entry(2, "B", icon=""), entry(3, "C", 1, icon=""), entry(4, "D", 1, icon=""))
    assert codes(*bare) == [("no_icon", (2,))]
    assert codes(entry(1, "A", icon="sparkle"), has_icon={"home"}.__contains__) == [("unknown_icon", (1,))]


def test_the_worst_comes_first_then_the_order_of_the_tree() -> None:
    tree = (
        entry(1, "A", icon=""), entry(2, "B", permissions=("x.y",)), entry(3, "C"), entry(4, "C"),
        entry(5, "E", permissions=("x.z",)),
    )  # fmt: skip
    assert [finding.code for finding in found(*tree, granted={"a"})] == [
        "unknown_permission", "unknown_permission", "duplicate_name", "no_icon",
    ]  # fmt: skip


def test_a_circle_ends() -> None:
    found(entry(1, "A", 2), entry(2, "B", 1), entry(3, "C", 1, away="it is off"))


def test_ten_thousand_items_are_judged() -> None:
    tree = [entry(number, f"N{number}", (number - 1) // 7 or None) for number in range(1, 10_001)]
    assert len(found(*tree, routes={"shop": ["/x"]}, granted={"a.*"}, has_icon={"home"}.__contains__)) > 1000
