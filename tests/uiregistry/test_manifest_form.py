"""The pure rules of manifests: what is said, when two say the same, which is newer, what is guarded."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import strictjson
from apps.core.renderers import dumps
from apps.uiregistry.manifest import (
    MAX_BYTES,
    body_of,
    counts,
    digest,
    identity,
    is_guarded,
    is_superseded,
    said,
)

MENU = {"name": "Orders", "path": "/orders", "icon": "box", "parent_name": None, "service_name": "orders"}


def body(**changes: Any) -> dict[str, Any]:
    return body_of("1.0.0", 3, {"menus": [MENU]}) | changes


def test_what_an_item_says_has_no_nulls_and_no_owner() -> None:
    assert said(MENU) == {"name": "Orders", "path": "/orders", "icon": "box"}


def test_a_body_has_all_that_put_takes() -> None:
    assert body_of("1.0.0", None, {"menus": [MENU]}) == {
        "schema_version": 1,
        "version": "1.0.0",
        "generation": 0,
        "menus": [{"name": "Orders", "path": "/orders", "icon": "box"}],
        "components": [],
        "widgets": [],
    }


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"generation": 99}, True),
        ({"menus": [dict(reversed(MENU.items()))]}, True),
        ({"menus": [{**MENU, "parent_id": None}]}, True),
        ({"version": "1.0.1"}, False),
        ({"menus": [{**MENU, "name": "Order"}]}, False),
        ({"menus": [{**MENU, "is_active": True}]}, False),
        ({"menus": []}, False),
        ({"widgets": [{"name": "w"}]}, False),
        ({"menus": [MENU, {"path": "/a"}]}, False),
    ],
    ids=["generation", "order of fields", "null", "version", "name", "default said", "none", "widget", "one more"],
)
def test_when_two_say_the_same(changes: dict[str, Any], same: bool) -> None:
    assert (digest(body()) == digest(body(**changes))) is same


def test_the_order_of_items_is_said_too() -> None:
    two = [{"path": "/a"}, {"path": "/b"}]
    assert digest(body(menus=two)) != digest(body(menus=two[::-1]))


def test_having_taken_everything_back_is_a_state_of_its_own() -> None:
    assert digest(None) not in (digest(body()), digest(body(menus=[])))


@pytest.mark.parametrize(
    ("generation", "stored", "late"), [(0, None, False), (0, 0, True), (7, 7, True), (6, 7, True), (8, 7, False)]
)
def test_which_is_newer(generation: int, stored: int | None, late: bool) -> None:
    assert is_superseded(generation, stored) is late


@pytest.mark.parametrize(
    ("removed", "existing", "guarded"),
    [(5, 5, False), (6, 6, True), (6, 11, True), (6, 12, False), (7, 12, True), (50, 100, False), (51, 100, True)],
)
def test_what_does_not_go_at_once(removed: int, existing: int, guarded: bool) -> None:
    assert is_guarded(removed, existing) is guarded


def test_what_makes_an_item_the_same() -> None:
    assert identity("menus", {"key": "k", "path": "/p"}) == (None, "k")
    assert identity("menus", {"path": "/p", "company_id": 7}) == (7, "/p")
    assert identity("menus", {"url": "https://a.example"}) == (None, "https://a.example")
    assert identity("widgets", {"name": "Sales"}) == (None, "Sales")


def test_counts() -> None:
    assert counts(body()) == {"menus": 1, "components": 0, "widgets": 0}
    assert counts(None) == {"menus": 0, "components": 0, "widgets": 0}


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=6,
)


def as_postgres_has_it(value: Any) -> Any:
    """Return what a ``jsonb`` gives back: integers where a float is whole, however large, and no sign of zero."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [as_postgres_has_it(inner) for inner in value]
    if isinstance(value, dict):
        return {name: as_postgres_has_it(inner) for name, inner in value.items()}
    return value


@given(config=VALUES)
def test_what_comes_back_from_the_database_says_the_same_and_can_be_sent_again(config: Any) -> None:
    sent = body_of("1.0.0", 1, {"widgets": [{"name": "w", "config": config}]})
    stored = body_of("1.0.0", 1, {"widgets": [as_postgres_has_it(item) for item in sent["widgets"]]})
    assert digest(stored) == digest(sent)
    again = strictjson.parse(dumps(stored), limit=MAX_BYTES)
    assert digest(again) == digest(sent)
    assert json.dumps(again["widgets"], sort_keys=True) == json.dumps(sent["widgets"], sort_keys=True)
