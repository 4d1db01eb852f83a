"""``POST events/``: one event or many, all or nothing; who may publish what; what a repeat does."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import redis
from apps.core.access import Principal
from apps.events import services, streams
from tests.support.api import Api, faults_of
from tests.support.registry import NO_REDIS, redis_at
from xerpium_sdk.wire.envelope import FIELDS, Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM

EVENT_ID = "6f1c1f0e-2f0b-4c53-9a37-0c2a4c1c9b7d"


def event(**changes: Any) -> dict[str, Any]:
    """Return an event as a service sends it, with ``changes``."""
    return {
        "event_type": "product_updated",
        "service_name": "product-service",
        "entity_type": "Product",
        "entity_id": 42,
        **changes,
    }


def parcel(**changes: Any) -> dict[str, Any]:
    """Return an event of a declared type, with ``changes``."""
    told = {"event_type": "parcel_scanned", "service_name": "shipping", "entity_type": "Parcel", "entity_id": "JJD-1"}
    return told | changes


def declare(event_type: str = "parcel_scanned", service_name: str = "shipping", **told: Any) -> None:
    services.type_declare(event_type=event_type, service_name=service_name, actor="service:test", **told)


def stored(stream: str = STREAM_EVENTS, entry_id: str | None = None) -> list[tuple[str, dict[str, str]]]:
    """Return what stands in a stream, or its one entry of this id."""
    found: Any = redis.client().xrange(stream, entry_id or "-", entry_id or "+")
    return list(found)


def entries(stream: str = STREAM_EVENTS) -> list[dict[str, str]]:
    """Return the fields of all entries of a stream."""
    return [fields for _, fields in stored(stream)]


# --- What reaches the stream ------------------------------------------------------------------------------------------


def test_one_event(api: Api) -> None:
    answer = api.post("/events/", event(data={"name": "Tisch"}, company_id=7, user_id=3))
    assert answer.status_code == 201, answer.content
    published = answer.json()
    [(stream_id, fields)] = stored()
    assert published == {"event_id": fields["event_id"], "stream_id": stream_id}
    assert tuple(fields) == FIELDS
    assert (fields["company_id"], fields["user_id"], fields["data"]) == ("7", "3", '{"name":"Tisch"}')
    assert uuid.UUID(published["event_id"]).version == 4


def test_everything_that_is_given_arrives(api: Api) -> None:
    sent = event(
        event_id=EVENT_ID.upper(),
        timestamp="2026-05-04T14:00:00.5+02:00",
        data={"a": [1, 2.5, None, "ü"], "deep": {"b": True}},
        correlation_id="import-7",
        version="1.1",
        company_id=2**62,
        user_id=-5,
        entity_id=-(2**63),
    )
    assert api.post("/events", sent).json()["event_id"] == EVENT_ID
    [fields] = entries()
    got = Envelope.decode(fields)
    assert (got.event_id, got.timestamp, got.version) == (EVENT_ID, "2026-05-04T12:00:00.500Z", "1.1")
    assert (got.entity_id, got.company_id, got.user_id) == (-(2**63), 2**62, -5)
    assert (got.data, got.correlation_id) == (sent["data"], "import-7")


def test_what_is_absent_or_null_is_absent(api: Api) -> None:
    nothing = dict.fromkeys(("entity_id", "company_id", "user_id", "data", "correlation_id", "event_id", "timestamp"))
    answer = api.post("/events", event(**nothing, version=None), headers={"X-Request-ID": "call-7"})
    assert answer.status_code == 201, answer.content
    [fields] = entries()
    assert (fields["entity_id"], fields["company_id"], fields["user_id"]) == ("", "", "")
    assert (fields["data"], fields["version"], fields["correlation_id"]) == ("{}", "1.0", "call-7")


def test_a_time_without_a_zone_is_utc(api: Api) -> None:
    api.post("/events", event(timestamp="2026-05-04T12:00:00"))
    assert entries()[0]["timestamp"] == "2026-05-04T12:00:00.000Z"


def test_many_events_arrive_in_their_order(api: Api) -> None:
    declare()
    answer = api.post("/events", [event(entity_id=1), parcel(), event(entity_id=2)])
    assert answer.status_code == 201, answer.content
    results = answer.json()["results"]
    assert [fields["entity_id"] for fields in entries()] == ["1", "2"]
    assert [fields["entity_id"] for fields in entries(STREAM_EVENTS_CUSTOM)] == ["JJD-1"]
    for one, stream in zip(results, (STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS), strict=True):
        [(_, fields)] = stored(stream, one["stream_id"])
        assert fields["event_id"] == one["event_id"]


def test_a_thousand_events_take_as_many_round_trips_as_one(api: Api) -> None:
    declare()

    with CaptureQueriesContext(connection) as of_one, commands() as one:
        api.post("/events", parcel())
    with CaptureQueriesContext(connection) as of_many, commands() as many:
        answer = api.post("/events", [parcel(entity_id=str(number)) for number in range(1000)])
    assert answer.status_code == 201, answer.content
    assert len(answer.json()["results"]) == 1000
    assert len(of_many) <= len(of_one) <= 2
    assert {name: one[name] for name in ("XADD", "EXEC", "XLEN")} == {"XADD": 1, "EXEC": 1, "XLEN": 1}
    # All in one MULTI.
    assert {name: many[name] for name in ("XADD", "EXEC", "XLEN")} == {"XADD": 1000, "EXEC": 1, "XLEN": 1}


@contextmanager
def commands() -> Iterator[Counter[str]]:
    """Count the commands of the block in this worker's database: other workers' tests use the same server."""
    counted: Counter[str] = Counter()
    own = redis.client().connection_pool.connection_kwargs["db"]
    with redis.client().monitor() as monitor:
        yield counted
        redis.client().echo("enough")
        while (told := monitor.next_command())["command"] != "ECHO enough":
            if told["db"] == own:
                counted[told["command"].partition(" ")[0].upper()] += 1


def test_a_list_of_one_is_answered_as_a_list(api: Api) -> None:
    assert len(api.post("/events", [event()]).json()["results"]) == 1


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"event_type": None}, ("/event_type", "null")),
        ({"event_type": ""}, ("/event_type", "blank")),
        ({"event_type": "a" * 101}, ("/event_type", "max_length")),
        ({"event_type": 7}, ("/event_type", "invalid_type")),
        ({"event_type": "product_udpated"}, ("/event_type", "undeclared")),
        ({"service_name": "Not A Name"}, ("/service_name", "name")),
        ({"service_name": "xerpium-hub"}, ("/service_name", "reserved_name")),
        ({"entity_type": ""}, ("/entity_type", "blank")),
        ({"entity_type": "a\nb"}, ("/entity_type", "text")),
        ({"entity_id": "42"}, ("/entity_id", "invalid_type")),
        ({"entity_id": "x" * 65}, ("/entity_id", "invalid_type")),
        ({"entity_id": 4.2}, ("/entity_id", "invalid_type")),
        ({"entity_id": True}, ("/entity_id", "invalid_type")),
        ({"entity_id": [1]}, ("/entity_id", "invalid_type")),
        ({"user_id": "anna"}, ("/user_id", "invalid_type")),
        ({"company_id": "7"}, ("/company_id", "invalid_type")),
        ({"company_id": 0}, ("/company_id", "min_value")),
        ({"data": []}, ("/data", "not_a_dict")),
        ({"data": "{}"}, ("/data", "not_a_dict")),
        ({"correlation_id": "a" * 201}, ("/correlation_id", "max_length")),
        ({"correlation_id": "a\tb"}, ("/correlation_id", "text")),
        ({"version": "one"}, ("/version", "version")),
        ({"event_id": "7"}, ("/event_id", "uuid")),
        ({"event_id": "{" + EVENT_ID + "}"}, ("/event_id", "max_length")),
        ({"timestamp": "yesterday"}, ("/timestamp", "invalid")),
        ({"timestamp": 1714824000}, ("/timestamp", "invalid_type")),
        ({"timestamp": "0001-01-01T00:00:00+23:00"}, ("/timestamp", "overflow")),
        ({"corelation_id": "x"}, ("/corelation_id", "unknown_field")),
        ({"stream_id": "1-1"}, ("/stream_id", "unknown_field")),
    ],
)
def test_an_event_that_is_refused(changes: dict[str, Any], fault: tuple[str, str], api: Api) -> None:
    assert fault in faults_of(api.post("/events", event(**changes)))
    pointer, code = fault
    assert (f"/1{pointer}", code) in faults_of(api.post("/events", [event(), event(**changes)]))
    assert entries() == []


def test_what_is_required(api: Api) -> None:
    assert faults_of(api.post("/events", {})) == {
        (f"/{name}", "required") for name in ("event_type", "service_name", "entity_type")
    }


def test_all_faults_of_all_events_are_listed_at_once(api: Api) -> None:
    declare(schema={"type": "object", "required": ["gate"], "properties": {"gate": {"type": "string"}}})
    answer = api.post(
        "/events",
        [
            event(),
            event(entity_id="x", colour="red", company_id=0),
            "no event",
            parcel(data={"gate": 7}),
            parcel(),
            event(event_type="nobody_knows"),
            event(event_id=EVENT_ID),
            event(event_id=EVENT_ID.upper()),
        ],
    )
    assert faults_of(answer) == {
        ("/1/entity_id", "invalid_type"),
        ("/1/colour", "unknown_field"),
        ("/1/company_id", "min_value"),
        ("/2", "invalid"),
        ("/3/data/gate", "type"),
        ("/4/data/gate", "required"),
        ("/5/event_type", "undeclared"),
        ("/7/event_id", "repeated"),
    }
    assert entries() == entries(STREAM_EVENTS_CUSTOM) == []


def test_an_undeclared_type_is_told_what_may_have_been_meant(api: Api) -> None:
    declare()
    for given, meant in (("product_udpated", "product_updated"), ("parcel_scaned", "parcel_scanned")):
        [fault] = api.post("/events", event(event_type=given)).json()["errors"]
        assert f"Did you mean “{meant}”?" in fault["message"]


def test_a_thousand_unknown_types_are_refused_in_time(api: Api) -> None:
    for number in range(200):
        declare(f"kind_of_event_number_{number}x", "shipping")
    answer = api.post("/events", [event(event_type=f"kind_of_event_{number}") for number in range(1000)])
    assert len(faults_of(answer)) == 1000


@pytest.mark.parametrize(("body", "code"), [([], "empty"), ([{}] * 1001, "max_length")])
def test_lists_of_none_and_of_too_many(body: Any, code: str, api: Api) -> None:
    assert faults_of(api.post("/events", body)) == {("", code)}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"[", 400),
        (b"[" * 100_000, 400),
        (b'{"data": NaN}', 400),
        (b'{"entity_type": "\\u0000"}', 400),
        (b'{"entity_type": "\\ud800"}', 400),
        (b'{"entity_id": 9223372036854775808}', 400),
        (b'{"a": 1, "a": 1}', 400),
        (b'{"data": ' + b'{"a":' * 40 + b"1" + b"}" * 41, 400),
        (b"null", 422),
        (b"7", 422),
        (b'"event"', 422),
        (b"[[]]", 422),
        (b"[null]", 422),
        (b"[" + b"[]," * 999 + b"[]]", 422),
        (b'{"data": {"a": "' + b"a" * 1024 * 1024 + b'"}}', 413),
    ],
)
def test_hostile_bodies(raw: bytes, status: int, api: Api) -> None:
    answer = api.send("POST", "/events", raw=raw)
    assert answer.status_code == status, answer.content[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert redis.client().exists(STREAM_EVENTS) == 0


def test_only_json_is_taken_and_no_parameters(api: Api) -> None:
    assert api.send("POST", "/events", raw=b"a=b", content_type="application/x-www-form-urlencoded").status_code == 415
    assert faults_of(api.post("/events?dry_run=true", event())) == {("?dry_run", "unknown_parameter")}


# --- Declared types ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entity_id", ["JJD-1", "ü" * 64, 7, "42", None])
def test_ids_of_declared_types_may_be_text(entity_id: Any, api: Api) -> None:
    declare()
    assert api.post("/events", parcel(entity_id=entity_id, user_id="anna")).status_code == 201
    [fields] = entries(STREAM_EVENTS_CUSTOM)
    assert fields["entity_id"] == ("" if entity_id is None else str(entity_id))
    assert fields["user_id"] == "anna"
    assert entries() == []


@pytest.mark.parametrize("entity_id", ["", "x" * 65])
def test_ids_of_declared_types_are_short(entity_id: str, api: Api) -> None:
    declare()
    assert faults_of(api.post("/events", parcel(entity_id=entity_id))) == {("/entity_id", "max_length")}


def test_a_declaration_counts_at_once(api: Api) -> None:
    assert faults_of(api.post("/events", parcel())) == {("/event_type", "undeclared")}
    told = {"event_type": "parcel_scanned", "service_name": "shipping", "schema": {"required": ["gate"]}}
    assert api.post("/events/types", told).status_code == 201
    assert faults_of(api.post("/events", parcel())) == {("/data/gate", "required")}
    assert api.post("/events", parcel(data={"gate": 1})).status_code == 201
    assert api.delete("/events/types/parcel_scanned").status_code == 204
    assert faults_of(api.post("/events", parcel())) == {("/event_type", "undeclared")}


def test_a_standard_type_may_have_a_schema_too(api: Api) -> None:
    declare("product_updated", "product-service", schema={"properties": {"name": {"type": "string"}}})
    assert faults_of(api.post("/events", event(data={"name": 7}))) == {("/data/name", "type")}
    assert api.post("/events", event(data={"name": "Tisch"})).status_code == 201
    assert len(entries()) == 1


# --- Who may publish what ---------------------------------------------------------------------------------------------


def test_a_service_publishes_in_its_own_name(api: Api, come_in_as: Any) -> None:
    come_in_as(Principal("service", "product-service"))
    assert api.post("/events", event()).status_code == 201
    answer = api.post("/events", [event(), event(service_name="billing"), event(service_name="stock")])
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/1/service_name", "/2/service_name"]
    assert len(entries()) == 1


@pytest.mark.parametrize(
    ("companies", "named", "status", "stored"),
    [
        ("*", 9, 201, "9"),
        ("*", None, 201, ""),
        (frozenset({7}), 7, 201, "7"),
        (frozenset({7}), None, 201, ""),
        (frozenset({7, 8}), None, 201, ""),
        (frozenset({7, 8}), 8, 201, "8"),
        (frozenset(), None, 201, ""),
        (frozenset({7}), 9, 403, None),
        (frozenset(), 9, 403, None),
    ],
)
def test_companies(companies: Any, named: Any, status: int, stored: str | None, api: Api, come_in_as: Any) -> None:
    come_in_as(Principal("service", "product-service", companies))
    answer = api.post("/events", event(company_id=named))
    assert answer.status_code == status, answer.content
    assert [fields["company_id"] for fields in entries()] == ([] if stored is None else [stored])
    if status == 403:
        assert answer.json()["errors"][0]["pointer"] == "/company_id"


@pytest.mark.parametrize(("named", "status", "stored"), [(None, 201, ["7"]), (7, 201, ["7"]), (8, 403, [])])
def test_whoever_is_in_a_company_publishes_there(
    named: Any, status: int, stored: list[str], api: Api, come_in_as: Any
) -> None:
    come_in_as(Principal("service", "product-service", frozenset({7, 8}), company_id=7))
    answer = api.post("/events", event(company_id=named))
    assert answer.status_code == status, answer.content
    assert [fields["company_id"] for fields in entries()] == stored


def test_what_is_done_for_a_person_names_the_person(api: Api, come_in_as: Any) -> None:
    come_in_as(Principal("user", "user:5", frozenset({7}), company_id=7, user_id=5, actors=("product-service",)))
    assert api.post("/events", event(user_id=None)).status_code == 201
    assert api.post("/events", event(user_id=6)).status_code == 201
    assert [fields["user_id"] for fields in entries()] == ["5", "6"]


def test_another_companys_type_is_not_declared(api: Api, come_in_as: Any) -> None:
    declare(company_id=9)
    come_in_as(Principal("service", "shipping", frozenset({7})))
    answer = api.post("/events", parcel(event_type="parcel_scaned"))
    assert faults_of(answer) == {("/event_type", "undeclared")}
    assert b"parcel_scanned" not in answer.content
    assert faults_of(api.post("/events", parcel())) == {("/event_type", "undeclared")}


def test_what_a_company_declares_holds_for_its_own_events(api: Api) -> None:
    declare(company_id=7, schema={"required": ["gate"]})
    declare("product_updated", "product-service", company_id=7, schema={"required": ["name"]})
    for company_id in (None, 8):
        answer = api.post("/events", parcel(company_id=company_id, data={"gate": 1}))
        assert faults_of(answer) == {("/company_id", "other_company")}
        assert api.post("/events", event(company_id=company_id)).status_code == 201
    assert faults_of(api.post("/events", [parcel(company_id=7), event(company_id=7)])) == {
        ("/0/data/gate", "required"),
        ("/1/data/name", "required"),
    }
    assert api.post("/events", parcel(company_id=7, data={"gate": 1})).status_code == 201


# --- Repeats ----------------------------------------------------------------------------------------------------------


def test_a_repeated_key_publishes_once(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = (api.post("/events", [event(), event()], headers=key) for _ in range(2))
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(entries()) == 2
    assert len({fields["event_id"] for fields in entries()}) == 2
    assert faults_of(api.post("/events", event(), headers=key)) == {("Idempotency-Key", "idempotency_key_reused")}


def test_a_repeat_whose_first_answer_was_lost_has_the_same_event_ids(api: Api) -> None:
    """Redis had the events, and then PostgreSQL could not store the answer: the caller was told to try again."""
    key = {"Idempotency-Key": "k1"}
    api.post("/events", [event(), event()], headers=key)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_idempotencyrecord")
    api.post("/events", [event(), event()], headers=key)
    api.post("/events", [event(), event()], headers={"Idempotency-Key": "k2"})
    ids = [fields["event_id"] for fields in entries()]
    assert ids[:2] == ids[2:4]
    assert not {*ids[:4]} & {*ids[4:]}


def test_a_key_that_was_refused_may_be_used_again(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    assert api.post("/events", event(entity_id="x"), headers=key).status_code == 422
    assert api.post("/events", event(), headers=key).status_code == 201


def test_the_same_key_at_the_same_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of many publishes; the others hear that it still runs, or what it answered."""
    hold, inside = threading.Event(), threading.Event()
    append = streams.append

    def slow_append(sent: Any) -> list[str]:
        inside.set()
        assert hold.wait(10)
        return append(sent)

    monkeypatch.setattr(streams, "append", slow_append)
    answers: list[Any] = []

    def publish() -> None:
        answers.append(Api().post("/events", event(), headers={"Idempotency-Key": "k1"}))
        connection.close()

    first = threading.Thread(target=publish)
    first.start()
    assert inside.wait(10)
    others = [threading.Thread(target=publish) for _ in range(5)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    hold.set()
    first.join()
    publish()
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"idempotency_running"}
    assert len(entries()) == 1


# --- Trouble ----------------------------------------------------------------------------------------------------------


def test_redis_is_away(api: Api) -> None:
    with redis_at(NO_REDIS):
        answer = api.post("/events", event())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert api.post("/events", event()).status_code == 201


def test_a_journal_that_is_behind_stops_publishing_before_anything_is_lost(api: Api, settings: Any) -> None:
    api.post("/events", [event(), event()])
    settings.EVENTS_HARD_MAX_LENGTH = 2
    answer = api.post("/events", event())
    assert (answer.status_code, answer.json()["code"]) == (503, "journal_behind")
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(entries()) == 2


def test_data_that_json_can_say_arrives_as_it_was(api: Api) -> None:
    data = {"price": 19.9, "big": 2**53 + 1, "tiny": 1e-300, "text": 'a"\\\u2028', "list": [], "null": None, "": {}}
    assert api.post("/events", event(data=data)).status_code == 201
    assert json.loads(entries()[0]["data"]) == data
