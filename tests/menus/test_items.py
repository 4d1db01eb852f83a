"""``menu-items``: what services declare one by one, over REST."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.access import Principal
from apps.core.models import AuditEntry
from apps.events.models import OutboxEntry
from apps.menus.models import MenuItem, MenuRevision
from tests.menus.conftest import Declare
from tests.support.api import Api, faults_of

ALL = {
    "service_name": "shop",
    "name": "Products",
    "path": "/Products/List/",
    "key": "products",
    "icon": "box",
    "order_number": -5,
    "required_permissions": ["product.view"],
    "permission_mode": "any",
    "labels": {"pl": "Produkty", "pt-BR": "Produtos"},
    "badge": {"endpoint": "/api/v1/products/count", "refresh_interval": 30},
    "is_page": True,
    "is_active": False,
    "description": "All\nof them.",
    "before": "x",
}


def names(api: Api, query: str = "") -> list[str]:
    return [one["name"] for one in api.get(f"/menu-items?{query}").json()["results"]]


# --- Declaring --------------------------------------------------------------------------------------------------------


def test_everything_that_can_be_said(api: Api) -> None:
    answer = api.post("/menu-items/", ALL)
    assert answer.status_code == 201, answer.content
    record = answer.json()
    assert {name: record[name] for name in ALL} == ALL
    assert record["declared"] == {name: value for name, value in ALL.items() if name != "service_name"}
    assert (record["company_id"], record["parent_id"], record["pending_parent"]) == (None, None, False)
    assert record["effective"] == {
        "name": "Products",
        "icon": "box",
        "parent_id": 0,
        "order_number": -5,
        "hidden": False,
        "pinned": False,
    }
    assert [warning["code"] for warning in record["warnings"]] == ["unknown_sibling"]
    assert record["service_status"] == "unregistered"
    assert api.get(f"/menu-items/{record['id']}/").json() == record
    assert api.get("/menu-items/").json() == {"results": [record], "next": None}


def test_what_the_clients_of_today_send(api: Api) -> None:
    sent = {
        "name": "Pricing",
        "path": "/products/pricing",
        "icon": "dollar-sign",
        "parent_name": None,
        "parent_id": None,
        "order_number": 100,
        "required_permissions": [],
        "is_active": True,
        "description": None,
        "service_name": "shop",
    }
    record = api.post("/menu-items/", sent).json()
    assert {name: record[name] for name in sent} == sent
    assert record["warnings"] == []
    assert "description" not in record["declared"]


def test_the_same_item_again_has_the_same_id(api: Api, declare: Declare) -> None:
    first = declare("Products")
    said, told = OutboxEntry.objects.count(), AuditEntry.objects.count()
    revision = MenuRevision.objects.get().value
    assert declare("Products") == first
    assert declare("Products", "/PRODUCTS/")["id"] == first["id"]
    assert (OutboxEntry.objects.count(), AuditEntry.objects.count()) == (said + 1, told + 1)
    assert MenuRevision.objects.get().value == revision + 1
    changed = declare("Goods", "/products", icon="sell")
    assert (changed["id"], changed["name"], changed["icon"]) == (first["id"], "Goods", "sell")
    assert MenuItem.objects.count() == 1


def test_what_is_told_of_a_change(api: Api, declare: Declare) -> None:
    declare("Products")
    entry = OutboxEntry.objects.latest("id").fields
    assert (entry["event_type"], entry["entity_id"], entry["company_id"]) == ("menu_changed", "shop", "")
    assert '"created":["/products"]' in entry["data"].replace(" ", "")
    audit = AuditEntry.objects.latest("id")
    assert (audit.action, audit.object_type, audit.object_id) == ("menu_declared", "menu", "shop")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": ""}, ("/name", "blank")),
        ({"name": "   "}, ("/name", "text")),
        ({"name": "a\u202eb"}, ("/name", "text")),
        ({"name": "a" * 81}, ("/name", "max_length")),
        ({"path": "products"}, ("/path", "path")),
        ({"path": "//evil"}, ("/path", "path")),
        ({"path": "/a/../b"}, ("/path", "path")),
        ({"path": "/a/:id/:id"}, ("/path", "path")),
        ({"path": None}, ("/path", "required")),
        ({"url": "https://a.example"}, ("/url", "contradiction")),
        ({"path": None, "url": "http://a.example"}, ("/url", "url")),
        ({"path": None, "url": "javascript:alert(1)"}, ("/url", "url")),
        ({"parent_id": 1, "parent_name": "A"}, ("/parent_id", "contradiction")),
        ({"parent_id": 0}, ("/parent_id", "min_value")),
        ({"parent_name": 7}, ("/parent_name", "invalid_type")),
        ({"order_number": 1_000_001}, ("/order_number", "max_value")),
        ({"order_number": 1.5}, ("/order_number", "invalid_type")),
        ({"required_permissions": ["product.*"]}, ("/required_permissions/0", "wildcard")),
        ({"required_permissions": ["a b"]}, ("/required_permissions/0", "permission")),
        ({"required_permissions": ["a"] * 51}, ("/required_permissions", "max_length")),
        ({"permission_mode": "some"}, ("/permission_mode", "invalid_choice")),
        ({"labels": {"p": "A"}}, ("/labels/p", "locale")),
        ({"labels": {"pl": ""}}, ("/labels/pl", "blank")),
        ({"badge": {"endpoint": "//evil/count"}}, ("/badge/endpoint", "endpoint")),
        ({"badge": {"endpoint": "/count", "refresh_interval": 4}}, ("/badge/refresh_interval", "interval")),
        ({"badge": {}}, ("/badge/endpoint", "required")),
        ({"key": "a\x00b"}, None),
        ({"key": "a\x07b"}, ("/key", "text")),
        ({"company_id": 0}, ("/company_id", "min_value")),
        ({"service_name": "Not A Name"}, ("/service_name", "name")),
        ({"permissions": []}, ("/permissions", "unknown_field")),
        ({"id": 5}, ("/id", "unknown_field")),
    ],
)
def test_items_that_are_refused(changes: dict[str, Any], fault: tuple[str, str] | None, api: Api) -> None:
    answer = api.post("/menu-items/", {"name": "A", "path": "/a", "service_name": "shop", **changes})
    if fault is None:
        assert answer.status_code == 400
    else:
        assert fault in faults_of(answer)
    assert not MenuItem.objects.exists()


def test_all_that_is_wrong_is_said_at_once(api: Api) -> None:
    found = faults_of(api.post("/menu-items/", {"path": "x", "icon": 7, "badge": {"endpoint": "x"}, "y": 1}))
    assert found == {
        ("/service_name", "required"),
        ("/name", "required"),
        ("/path", "path"),
        ("/icon", "invalid_type"),
        ("/badge/endpoint", "endpoint"),
        ("/y", "unknown_field"),
    }


def test_a_long_link_needs_a_key(api: Api, declare: Declare) -> None:
    url = f"https://a.example/{'b' * 300}"
    body = {"name": "A", "url": url, "service_name": "shop"}
    assert faults_of(api.post("/menu-items/", body)) == {("/key", "required")}
    assert api.post("/menu-items/", {**body, "key": "elsewhere"}).json()["url"] == url


# --- Paths ------------------------------------------------------------------------------------------------------------


def test_two_items_of_a_service_do_not_share_a_path(api: Api, declare: Declare) -> None:
    declare("Products", "/products/:id")
    body = {"name": "Other", "path": "/Products/:pk/", "key": "other", "service_name": "shop"}
    assert faults_of(api.post("/menu-items/", body)) == {("/path", "duplicate_path")}


def test_a_path_of_another_service(api: Api, declare: Declare) -> None:
    declare("Products")
    answer = api.post("/menu-items/", {"name": "P", "path": "/products", "service_name": "billing"})
    assert (answer.status_code, answer.json()["code"]) == (409, "path_taken")
    assert "shop" in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"] == "/path"
    assert MenuItem.objects.count() == 1


def test_a_company_may_have_the_path_of_everybody(api: Api, declare: Declare) -> None:
    declare("Products")
    own = declare("Own", "/products", service="billing", company_id=7)
    assert (own["company_id"], own["displaced"]) == (7, False)


# --- Changing ---------------------------------------------------------------------------------------------------------


def test_put_replaces_and_patch_changes(api: Api) -> None:
    record = api.post("/menu-items/", ALL).json()
    path = f"/menu-items/{record['id']}"
    patched = api.send("PATCH", path, {"name": "Goods", "icon": None, "service_name": "shop", "key": "products"})
    assert patched.status_code == 200, patched.content
    assert patched.json()["declared"] == {**record["declared"], "name": "Goods"}
    put = api.send("PUT", path, {"name": "New", "path": "/new"})
    assert put.status_code == 200, put.content
    assert put.json()["declared"] == {"name": "New", "path": "/new", "key": "products"}
    assert put.json() == api.get(path).json()
    elsewhere = api.send("PATCH", path, {"url": "https://a.example/"}).json()
    assert (elsewhere["path"], elsewhere["url"]) == (None, "https://a.example/")
    assert faults_of(api.send("PUT", path, {"name": "New"})) == {("/path", "required")}


def test_what_stays_as_it_is(api: Api, declare: Declare) -> None:
    path = f"/menu-items/{declare('Products')['id']}"
    for verb in ("PUT", "PATCH"):
        body = {"name": "A", "path": "/a", "key": "x", "company_id": 7}
        assert faults_of(api.send(verb, path, body)) == {("/key", "fixed"), ("/company_id", "fixed")}
        assert faults_of(api.send(verb, path, {"name": "A", "path": "/a", "service_name": "x"})) == {
            ("/service_name", "fixed")
        }


def test_a_changed_path_may_be_taken(api: Api, declare: Declare) -> None:
    declare("Invoices", service="billing")
    mine = declare("Products")
    answer = api.send("PATCH", f"/menu-items/{mine['id']}", {"path": "/invoices"})
    assert (answer.status_code, answer.json()["code"]) == (409, "path_taken")


def test_an_item_that_is_taken_back_returns_with_its_id(api: Api, declare: Declare) -> None:
    record = declare("Products")
    child = declare("List", parent_name="Products")
    path = f"/menu-items/{record['id']}"
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == api.get(path).status_code == 404
    assert (
        api.send("PATCH", path, {}).status_code == api.send("PUT", path, {"name": "A", "path": "/a"}).status_code == 404
    )
    assert names(api) == ["List"]
    assert api.get(f"/menu-items/{child['id']}").json()["pending_parent"] is True
    again = declare("Products")
    assert again["id"] == record["id"]
    assert api.get(f"/menu-items/{child['id']}").json()["parent_id"] == record["id"]


# --- Lists ------------------------------------------------------------------------------------------------------------


def test_filters(api: Api, declare: Declare) -> None:
    top = declare("Products", icon="box")
    declare("List", "/products/list", parent_name="Products", is_active=False)
    declare("Lost", parent_name="Nobody")
    declare("Invoices", service="billing", company_id=7)
    assert names(api, "service_name=billing") == names(api, "company_id=7") == ["Invoices"]
    assert names(api, "pending=true") == ["Lost"]
    assert names(api, f"parent_id={top['id']}") == names(api, "is_active=false") == ["List"]
    assert names(api, "parent_id=0") == ["Products", "Invoices"]
    assert names(api, "q=LIST") == names(api, "path=/Products/List/") == ["List"]
    assert names(api, "key=/products") == names(api, "name=Products") == ["Products"]
    assert names(api, "displaced=true") == []
    assert faults_of(api.get("/menu-items?colour=red")) == {("?colour", "unknown_parameter")}
    page = api.get("/menu-items?limit=3").json()
    assert [one["name"] for one in page["results"]] == ["Products", "List", "Lost"]
    assert names(api, f"cursor={page['next']}") == ["Invoices"]


def test_a_list_costs_the_same_however_long_it_is(api: Api, declare: Declare) -> None:
    declare("A", before="/b")
    with CaptureQueriesContext(connection) as of_few:
        api.get("/menu-items")
    for number in range(20):
        declare(f"P{number}", service=f"s{number}", after="/a")
    with CaptureQueriesContext(connection) as of_many:
        assert len(names(api)) == 21
    assert len(of_many) == len(of_few) <= 8


def test_reads_have_a_tag(api: Api, declare: Declare) -> None:
    record = declare("Products")
    for path in ("/menu-items", f"/menu-items/{record['id']}"):
        tag = api.get(path).headers["ETag"]
        assert api.get(path, headers={"If-None-Match": tag}).status_code == 304


# --- Companies and services -------------------------------------------------------------------------------------------


def test_another_companys_item_is_not_there(api: Api, declare: Declare, come_in_as: Any) -> None:
    record = declare("Products", company_id=7)
    come_in_as(Principal("service", "shop", frozenset({8}), company_id=8))
    assert names(api) == []
    bodies = {"GET": None, "DELETE": None, "PATCH": {}, "PUT": {"name": "A", "path": "/a"}}
    answers = [api.send(verb, f"/menu-items/{record['id']}", body).json() for verb, body in bodies.items()]
    missing = [api.send(verb, "/menu-items/999999", body).json() for verb, body in bodies.items()]
    assert [answer["status"] for answer in answers] == [404] * 4
    assert [answer["detail"] for answer in answers] == [answer["detail"] for answer in missing]


def test_a_service_changes_what_is_its_own(api: Api, declare: Declare, come_in_as: Any) -> None:
    record = declare("Products")
    come_in_as(Principal("service", "billing"))
    assert api.post("/menu-items", {"name": "A", "path": "/a", "service_name": "shop"}).status_code == 403
    for verb, body in {"DELETE": None, "PATCH": {}, "PUT": {"name": "A", "path": "/a"}}.items():
        answer = api.send(verb, f"/menu-items/{record['id']}", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    come_in_as(Principal("service", "shop", frozenset({7}), company_id=7))
    assert api.delete(f"/menu-items/{record['id']}").json()["code"] == "not_your_company"


@pytest.mark.parametrize(
    ("companies", "company_id", "named", "status", "stored"),
    [
        (frozenset(), None, None, 201, None),
        (frozenset({7}), None, 7, 201, 7),
        (frozenset({7}), 7, None, 201, 7),
        (frozenset({7, 8}), 7, 8, 403, None),
        (frozenset({7}), None, 8, 403, None),
        ("*", None, 8, 201, 8),
    ],
    ids=["global", "named", "inside", "another", "not-its", "all"],
)
def test_the_company_of_an_item(
    companies: Any, company_id: Any, named: Any, status: int, stored: Any, api: Api, come_in_as: Any
) -> None:
    come_in_as(Principal("service", "shop", companies, company_id=company_id))
    body = {"name": "A", "path": "/a", "service_name": "shop", "company_id": named}
    answer = api.post("/menu-items", body)
    assert answer.status_code == status, answer.content
    if status == 201:
        assert answer.json()["company_id"] == stored
        assert MenuItem.objects.get().declared_in == company_id
