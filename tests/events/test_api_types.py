"""``events/types``: the catalogue of event types, and the AsyncAPI document that is made from it."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.access import Principal
from apps.events.models import EventTypeDeclaration, OutboxEntry
from tests.support.api import Api, faults_of
from xerpium_sdk.wire.envelope import EventType

SCHEMA = {"type": "object", "required": ["gate"], "properties": {"gate": {"type": "string"}}}
PARCEL = {
    "event_type": "parcel_scanned",
    "service_name": "shipping",
    "description": "A parcel passed a gate.",
    "schema": SCHEMA,
    "example": {"gate": "north"},
}


def declared(api: Api, **changes: Any) -> dict[str, Any]:
    """Declare a type, which must succeed, and return the record."""
    answer = api.post("/events/types", PARCEL | changes)
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def names(api: Api, query: str = "limit=500") -> list[str]:
    return [one["event_type"] for one in api.get(f"/events/types?{query}").json()["results"]]


# --- Declaring --------------------------------------------------------------------------------------------------------


def test_a_declared_type(api: Api) -> None:
    record = declared(api)
    assert {name: record[name] for name in PARCEL} == PARCEL
    assert (record["standard"], record["stream"], record["company_id"]) == (False, "xerpium:events:custom", None)
    assert isinstance(record["id"], int)
    assert record["created_at"].endswith("Z")
    assert api.get(f"/events/types/{record['id']}/").json() == api.get("/events/types/parcel_scanned").json() == record
    assert "parcel_scanned" in names(api)


def test_the_least_that_can_be_said(api: Api) -> None:
    said = {"event_type": "a", "service_name": "b", "description": None, "schema": None, "example": None}
    record = api.post("/events/types", said).json()
    assert (record["description"], record["schema"], record["example"]) == ("", None, None)


def test_declaring_again_changes_what_the_service_says(api: Api) -> None:
    first = declared(api)
    announced = OutboxEntry.objects.count()
    assert declared(api) == first
    assert OutboxEntry.objects.count() == announced
    changed = declared(api, description="Another.", schema=None)
    assert (changed["id"], changed["description"], changed["schema"]) == (first["id"], "Another.", None)
    assert EventTypeDeclaration.objects.count() == 1


def test_a_type_has_one_owner(api: Api) -> None:
    declared(api)
    answer = api.post("/events/types", PARCEL | {"service_name": "billing"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "shipping" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"event_type": "ParcelScanned"}, ("/event_type", "event_type")),
        ({"event_type": "parcel__scanned"}, ("/event_type", "event_type")),
        ({"event_type": "parcel_"}, ("/event_type", "event_type")),
        ({"event_type": "7_parcels"}, ("/event_type", "event_type")),
        ({"event_type": "a" * 101}, ("/event_type", "max_length")),
        ({"service_name": "Not A Name"}, ("/service_name", "name")),
        ({"service_name": "xerpium-hub"}, ("/service_name", "reserved_name")),
        ({"company_id": 0}, ("/company_id", "min_value")),
        ({"description": "a" * 2001}, ("/description", "max_length")),
        ({"schema": True}, ("/schema", "not_a_dict")),
        ({"schema": {"type": "objekt"}}, ("/schema/type", "anyOf")),
        ({"schema": {"$ref": "http://127.0.0.1/x"}}, ("/schema/$ref", "remote_reference")),
        ({"schema": {"$ref": "file:///etc/passwd"}}, ("/schema/$ref", "remote_reference")),
        ({"schema": {"$ref": "#"}}, ("/schema", "too_complex")),
        ({"schema": {"properties": {"a": {"pattern": "("}}}}, ("/schema/properties/a/pattern", "invalid_schema")),
        ({"schema": {"description": "a" * 70_000}}, ("/schema", "too_large")),
        ({"example": {"gate": 7}}, ("/example/gate", "type")),
        ({"example": {}}, ("/example/gate", "required")),
        ({"example": []}, ("/example", "not_a_dict")),
        ({"exmaple": {}}, ("/exmaple", "unknown_field")),
        ({"id": 7}, ("/id", "unknown_field")),
    ],
)
def test_declarations_that_are_refused(changes: dict[str, Any], fault: tuple[str, str], api: Api) -> None:
    found = faults_of(api.post("/events/types", PARCEL | changes))
    assert fault[0] in {pointer for pointer, _ in found}, found
    assert fault in found
    assert EventTypeDeclaration.objects.count() == OutboxEntry.objects.count() == 0


def test_all_that_is_wrong_is_said_at_once(api: Api) -> None:
    found = faults_of(api.post("/events/types", {"event_type": "A", "schema": [], "x": 1}))
    assert found == {
        ("/event_type", "event_type"),
        ("/service_name", "required"),
        ("/schema", "not_a_dict"),
        ("/x", "unknown_field"),
    }


# --- Changing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["name", "id"])
def test_put_replaces_and_patch_changes(by: str, api: Api) -> None:
    record = declared(api)
    path = f"/events/types/{record['event_type' if by == 'name' else 'id']}"
    patched = api.send("PATCH", path, {"description": "Other.", "schema": None})
    assert patched.status_code == 200, patched.content
    assert {**patched.json(), "updated_at": 0} == {**record, "description": "Other.", "updated_at": 0}
    put = api.send("PUT", path, {"event_type": "parcel_scanned", "service_name": "shipping", "description": "New."})
    assert put.status_code == 200, put.content
    assert (put.json()["description"], put.json()["schema"], put.json()["example"]) == ("New.", None, None)
    assert put.json() == api.get(path).json()


def test_what_stays_as_it_is(api: Api) -> None:
    declared(api)
    for verb in ("PUT", "PATCH"):
        answer = api.send(
            verb, "/events/types/parcel_scanned", {"event_type": "x", "service_name": "y", "company_id": 7}
        )
        assert faults_of(answer) == {("/event_type", "fixed"), ("/service_name", "fixed"), ("/company_id", "fixed")}
    answer = api.send("PATCH", "/events/types/parcel_scanned", {"example": {"gate": 1}})
    assert faults_of(answer) == {("/example/gate", "type")}


def test_a_type_that_is_taken_back(api: Api) -> None:
    record = declared(api)
    path = f"/events/types/{record['id']}"
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    assert api.get(path).status_code == api.send("PUT", path, {}).status_code == 404
    assert "parcel_scanned" not in names(api)


# --- Standard types ---------------------------------------------------------------------------------------------------


def test_standard_types_are_there_without_a_declaration(api: Api) -> None:
    assert names(api) == sorted(EventType)
    record = api.get("/events/types/product_updated").json()
    assert (record["id"], record["standard"], record["service_name"]) == (None, True, None)
    assert record["stream"] == "xerpium:events"
    assert record["example"] is None or isinstance(record["example"], dict)


def test_every_standard_type_has_an_example(api: Api) -> None:
    records = api.get("/events/types?limit=500").json()["results"]
    assert [one["event_type"] for one in records if not isinstance(one["example"], dict)] == []


def test_a_standard_type_that_somebody_declares(api: Api) -> None:
    record = declared(api, event_type="product_updated", service_name="product-service")
    assert record["standard"] is True
    assert record["schema"] == SCHEMA
    path = "/events/types/product_updated"
    assert api.delete(path).status_code == 204
    assert api.get(path).json()["schema"] is None
    for verb in ("DELETE", "PUT", "PATCH"):
        assert api.send(verb, path, None if verb == "DELETE" else {}).status_code == 404


# --- Lists ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(api: Api) -> Api:
    """Three declared types, one of them of a company."""
    declared(api)
    declared(api, event_type="parcel_lost", description="Nobody knows where it is.")
    declared(api, event_type="invoice_sent", service_name="billing", description="", company_id=7)
    return api


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("standard=false", ["invoice_sent", "parcel_lost", "parcel_scanned"]),
        ("standard=true&q=product", [name for name in sorted(EventType) if "product" in name]),
        ("service_name=shipping", ["parcel_lost", "parcel_scanned"]),
        ("service_name=nobody", []),
        ("q=PARCEL&standard=false", ["parcel_lost", "parcel_scanned"]),
        ("q=knows", ["parcel_lost"]),
        ("company_id=7", ["invoice_sent"]),
        ("company_id=8", []),
    ],
)
def test_filters(query: str, found: list[str], shop: Api) -> None:
    assert names(shop, query) == found


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("standard=yes", ("?standard", "invalid_choice")),
        ("company_id=x", ("?company_id", "invalid")),
        ("q=%00", ("?q", "null_characters_not_allowed")),
        ("name=x", ("?name", "unknown_parameter")),
        ("cursor=x", ("?cursor", "invalid")),
    ],
)
def test_filters_that_are_refused(query: str, fault: tuple[str, str], shop: Api) -> None:
    assert faults_of(shop.get(f"/events/types?{query}")) == {fault}


def test_pages(shop: Api) -> None:
    seen: list[str] = []
    query: str | None = "limit=4"
    while query:
        page = shop.get(f"/events/types?{query}").json()
        seen += [one["event_type"] for one in page["results"]]
        query = f"limit=4&cursor={page['next']}" if page["next"] else None
    assert seen == sorted([*EventType, "invoice_sent", "parcel_lost", "parcel_scanned"])


def test_a_list_takes_as_many_queries_however_long_it_is(api: Api) -> None:
    with CaptureQueriesContext(connection) as of_few:
        api.get("/events/types")
    for number in range(50):
        declared(api, event_type=f"kind_{number}x")
    with CaptureQueriesContext(connection) as of_many:
        assert len(names(api)) == 50 + len(EventType)
    assert len(of_many) == len(of_few) <= 3


# --- Companies and services -------------------------------------------------------------------------------------------


def test_another_companys_types_are_not_there(shop: Api, come_in_as: Any) -> None:
    pk = EventTypeDeclaration.objects.get(event_type="invoice_sent").pk
    come_in_as(Principal("service", "billing", frozenset({8})))
    assert names(shop, "standard=false") == ["parcel_lost", "parcel_scanned"]
    assert names(shop, "company_id=7") == names(shop, "service_name=billing") == []
    for key in ("invoice_sent", pk):
        for verb in ("GET", "PUT", "PATCH", "DELETE"):
            answer = shop.send(verb, f"/events/types/{key}", {} if verb.startswith("P") else None)
            assert answer.status_code == 404, (verb, answer.content)
    taken = shop.post("/events/types", {"event_type": "invoice_sent", "service_name": "billing"})
    assert taken.status_code == 409
    assert b"company" not in taken.content
    come_in_as(Principal("service", "billing", frozenset({7})))
    assert shop.get(f"/events/types/{pk}").status_code == 200


def test_a_service_declares_and_changes_what_is_its_own(shop: Api, come_in_as: Any) -> None:
    come_in_as(Principal("service", "billing"))
    assert shop.post("/events/types", PARCEL).status_code == 403
    for verb in ("PUT", "PATCH", "DELETE"):
        answer = shop.send(verb, "/events/types/parcel_lost", None if verb == "DELETE" else {})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    assert shop.send("PATCH", "/events/types/invoice_sent", {"description": "x"}).status_code == 200
    assert shop.delete("/events/types/invoice_sent").status_code == 204


@pytest.mark.parametrize(
    ("companies", "named", "status", "stored"),
    [
        (frozenset({7}), None, 201, None),
        (frozenset({7}), 7, 201, 7),
        (frozenset({7, 8}), None, 201, None),
        (frozenset({7}), 8, 403, None),
        ("*", 8, 201, 8),
    ],
)
def test_the_company_of_a_declaration(
    companies: Any, named: Any, status: int, stored: Any, api: Api, come_in_as: Any
) -> None:
    come_in_as(Principal("service", "shipping", companies))
    answer = api.post("/events/types", PARCEL | {"company_id": named})
    assert answer.status_code == status, answer.content
    if status == 201:
        assert answer.json()["company_id"] == stored


# --- Tags and repeats -------------------------------------------------------------------------------------------------


def test_reads_have_a_tag_and_repeats_their_first_answer(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first = api.post("/events/types", PARCEL, headers=key)
    again = api.post("/events/types", PARCEL, headers=key)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    for path in ("/events/types", "/events/types/parcel_scanned", "/events/types/product_updated"):
        tag = api.get(path).headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]+"', tag)
        assert api.get(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("key", ["nobody", "0", "9" * 18, "9" * 400, "%00", "%FF", "..%2F", "a" * 3000, "'; --"])
def test_nothing_is_there(key: str, api: Api) -> None:
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        answer = api.send(verb, f"/events/types/{key}", {} if verb.startswith("P") else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.content
