"""The AsyncAPI document: well-formed, complete, and about the same wire that the SDK speaks."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from jsonschema_rs import Draft7Validator

from apps.events import declarations, services
from tests.contract.asyncapi import complaints, resolve
from xerpium_sdk.events.patterns import messages
from xerpium_sdk.wire.envelope import FIELDS, Envelope, EventType
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS_DEAD, STREAM_HUB

ADDRESS = "/api/asyncapi/"
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://shipping.example/parcel",
    "type": "object",
    "required": ["gate"],
    "properties": {
        "gate": {"$ref": "#/$defs/Gate"},
        "next": {"anyOf": [{"$ref": "#gate"}, {"type": "null"}]},
        "$ref": {"type": "string", "const": "#/$defs/Gate"},
        "discriminator": {"type": "object", "properties": {"mapping": {"type": "object"}}},
        "size": {"prefixItems": [{"type": "number"}, {"$ref": "#/$defs/Gate"}], "items": False},
    },
    "dependentSchemas": {"next": {"required": ["gate"]}},
    "discriminator": {"propertyName": "gate", "mapping": {}},
    "$defs": {"Gate": {"$anchor": "gate", "type": "string", "examples": [{"$ref": "none"}]}},
    "unevaluatedProperties": False,
}


@pytest.fixture(autouse=True)
def _no_declarations(transactional_db: None) -> Iterator[None]:
    declarations.forget_after_commit()
    yield
    declarations.forget_after_commit()


def declare(event_type: str = "parcel_scanned", **told: Any) -> None:
    services.type_declare(event_type=event_type, service_name="shipping", actor="service:test", **told)


def read() -> Any:
    answer = Client().get(ADDRESS)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def test_the_check_finds_what_is_wrong() -> None:
    good = read()
    assert complaints(good) == []
    for path, name, value in (
        ("", "asyncapi", "2.6.0"),
        ("/info", "titel", "x"),
        ("/channels/events", "address", 7),
        ("/channels/replay", "parameters", {}),
        ("/operations/publishEvents", "action", "publish"),
        ("/operations/publishEvents", "channel", {"$ref": "#/channels/nothing"}),
        ("/operations/publishEvents", "messages", [{"$ref": "#/components/messages/product_updated"}]),
        ("/channels/replies", "address", "x"),
        ("/operations/ask/reply", "address", {"location": "reply_to"}),
        ("/components/messages/product_updated", "payload", {"type": "objekt"}),
        ("/components/messages/product_updated", "headers", {"type": "string"}),
        ("/components/messages/product_updated", "examples", [{}]),
        ("/components/correlationIds/Correlation", "location", "header"),
        ("/components/schemas", "a b", {}),
    ):
        bad = read()
        (resolve(bad, f"#{path}") if path else bad)[name] = value
        assert complaints(bad) != [], (path, name)


def test_it_describes_every_standard_type_and_every_stream() -> None:
    document = read()
    channels = document["channels"]
    assert {name: channel["address"] for name, channel in channels.items()} == {
        "events": STREAM_EVENTS,
        "custom": STREAM_EVENTS_CUSTOM,
        "hub": STREAM_HUB,
        "dead": STREAM_EVENTS_DEAD,
        "replay": "xerpium:events:replay:{group}",
        "requests": "xerpium:requests:{service}",
        "replies": None,
    }
    assert channels["events"]["messages"].keys() == {*EventType}
    assert channels["custom"]["messages"] == {}
    actions = {(one["action"], one["channel"]["$ref"]) for one in document["operations"].values()}
    assert {
        (action, f"#/channels/{name}") for action in ("send", "receive") for name in ("events", "custom")
    } <= actions
    for message in channels["events"]["messages"].values():
        headers = resolve(document, resolve(document, message["$ref"])["headers"]["allOf"][0]["$ref"])
        assert tuple(headers["properties"]) == FIELDS
        assert headers["required"] == list(FIELDS)


def test_declared_types_come_with_their_schemas() -> None:
    declare(schema=SCHEMA, example={"gate": "north"}, description="A parcel passed a gate.")
    declare("parcel_lost")
    document = read()
    assert complaints(document) == []
    assert document["channels"]["custom"]["messages"].keys() == {"parcel_lost", "parcel_scanned"}
    message = document["components"]["messages"]["parcel_scanned"]
    assert (message["description"], message["examples"][0]["payload"]) == ("A parcel passed a gate.", {"gate": "north"})
    payload = resolve(document, message["payload"]["$ref"])
    home = "#/components/schemas/parcel_scanned.data/$defs/Gate"
    assert payload["properties"]["gate"] == {"$ref": home}
    assert payload["properties"]["next"]["anyOf"][0] == {"$ref": home}
    assert payload["properties"]["$ref"]["const"] == "#/$defs/Gate"
    assert payload["properties"]["discriminator"]["properties"] == {"mapping": {"type": "object"}}
    assert not payload.keys() & {"$schema", "$id", "discriminator"}
    assert payload["$defs"]["Gate"]["examples"] == [{"$ref": "none"}]
    assert payload["required"] == ["gate"]


def test_a_schema_that_refers_to_itself_still_does() -> None:
    declare(schema={"properties": {"parts": {"items": {"$ref": "#"}}}})
    document = read()
    assert complaints(document) == []
    payload = document["components"]["schemas"]["parcel_scanned.data"]
    assert payload["properties"]["parts"]["items"] == {"$ref": "#/components/schemas/parcel_scanned.data"}


def test_messages_on_the_wire_are_what_the_document_says() -> None:
    declare(schema=SCHEMA, example={"gate": "north"})
    document = read()
    for name, message in document["components"]["messages"].items():
        for example in message.get("examples", []):
            for part in ("headers", "payload"):
                schema = {**message[part], "components": document["components"]}
                assert list(Draft7Validator(schema).iter_errors(example[part])) == [], name
            assert Envelope.decode(example["headers"]).data == example["payload"]
    assert "examples" in document["components"]["messages"]["parcel_scanned"]


def test_requests_and_replies_are_what_the_document_says() -> None:
    schemas = {name: one["payload"] for name, one in read()["components"]["messages"].items()}
    asked = messages.make_request(
        service_name="shop",
        request_id="r1",
        request_type="stock",
        reply_to="xerpium:replies:shop-1",
        data={"sku": 7},
        company_id=7,
        user_id=None,
        correlation_id=None,
    )
    request = Draft7Validator(schemas["Request"])
    assert {one.message for one in request.iter_errors(dict(asked.data))} <= {'"deadline" is a required property'}
    assert asked.event_type == messages.REQUEST
    for reply in ({"request_id": "r1", "data": 3}, {"request_id": "r1", "error": {"type": "KeyError", "message": "7"}}):
        assert Draft7Validator(schemas["Reply"]).is_valid(reply)


def test_anybody_may_read_it_and_nobody_learns_of_a_companys_types(settings: Any) -> None:
    declare("secret_sent", company_id=7)
    for is_open in (True, False):
        settings.HUB_OPEN = is_open
        answer = Client().get(ADDRESS, REMOTE_ADDR="10.0.0.9", headers={"Authorization": "Bearer nonsense"})
        assert answer.status_code == 200
        assert b"secret_sent" not in answer.content


def test_it_says_nothing_of_where_redis_is(settings: Any) -> None:
    settings.REDIS_URL = "redis://:hush@10.9.8.7:6390/0"
    content = Client().get(ADDRESS).content
    assert b"hush" not in content
    assert b"10.9.8.7" not in content


def test_verbs_slashes_and_tags() -> None:
    client = Client()
    bare, slashed, head = client.get("/api/asyncapi"), client.get(ADDRESS), client.head(ADDRESS)
    assert bare.content == slashed.content
    tag = bare.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]+"', tag)
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", tag)
    assert client.get(ADDRESS, headers={"If-None-Match": tag}).status_code == 304
    assert client.options(ADDRESS).status_code == 204
    assert client.post(ADDRESS).status_code == 405
    declare()
    changed = client.get(ADDRESS, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_it_is_made_once_for_a_state_of_the_catalogue() -> None:
    declare()
    read()
    with CaptureQueriesContext(connection) as asked:
        read()
    assert len(asked) == 1
