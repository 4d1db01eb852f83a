"""The contract's ground rules on every route of the bus: verbs, bodies, who comes in, engines that are away."""

import re
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.core import redis
from apps.events import services
from apps.events.models import DeadLetter, GroupState, JournalEntry
from tests.support.api import Api, faults_of
from tests.support.database import database_away
from tests.support.registry import NO_REDIS, redis_at
from tests.support.wait import wait_until

EVENT_ID = "6f1c1f0e-2f0b-4c53-9a37-0c2a4c1c9b7d"
TYPE: dict[str, Any] = {"event_type": "parcel_scanned", "service_name": "shipping"}
PARCEL = {**TYPE, "entity_type": "Parcel"}
READ, WRITE = {"GET", "HEAD", "OPTIONS"}, {"POST", "OPTIONS"}
VERBS: dict[str, set[str]] = {
    "/events": {*READ, "POST"},
    f"/events/{EVENT_ID}": READ,
    "/events/types": {*READ, "POST"},
    "/events/types/parcel_scanned": {*READ, "PUT", "PATCH", "DELETE"},
    "/events/dead-letters": READ,
    "/events/dead-letters/replay": WRITE,
    "/events/dead-letters/discard": WRITE,
    "/events/dead-letters/{pk}": READ,
    "/events/dead-letters/{pk}/replay": WRITE,
    "/events/dead-letters/{pk}/discard": WRITE,
    "/events/groups": READ,
    "/events/streams": READ,
}
LIVE = {"/events/groups", "/events/streams"}
WRITES: dict[tuple[str, str], Any] = {
    ("POST", "/events"): PARCEL,
    ("POST", "/events/types"): TYPE,
    ("PUT", "/events/types/parcel_scanned"): {},
    ("PATCH", "/events/types/parcel_scanned"): {},
    ("POST", "/events/dead-letters/replay"): {"group": "nobody"},
    ("POST", "/events/dead-letters/discard"): {"group": "nobody"},
}


@pytest.fixture
def bus(api: Api) -> Api:
    """One of everything."""
    services.type_declare(**TYPE, actor="service:test")
    now = timezone.now()
    JournalEntry.objects.create(
        recorded_at=now, occurred_at=now, stream="s", stream_id="1-0", event_id=EVENT_ID, data={}, verdict="valid"
    )
    letter("1-0")
    return api


def letter(entry_id: str) -> DeadLetter:
    return DeadLetter.objects.create(
        entry_id=entry_id, group="billing", reason="x", stream="s", stream_id="1-0", dead_at=timezone.now(), fields={}
    )


def at(path: str) -> str:
    """Return ``path`` with the id of a dead letter that waits."""
    return path.format(pk=letter(f"9-{DeadLetter.objects.count()}").pk) if "{pk}" in path else path


@pytest.mark.parametrize(("path", "verbs"), VERBS.items())
def test_every_verb_answers_with_and_without_a_slash(path: str, verbs: set[str], bus: Api) -> None:
    for verb in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
        answers = []
        for slash in ("", "/"):
            services.type_declare(**TYPE, actor="service:test")
            answers.append(bus.send(verb, at(path) + slash, WRITES.get((verb, path))))
        statuses = {answer.status_code for answer in answers}
        assert len(statuses) == 1, (verb, statuses)
        assert (statuses == {405}) == (verb not in verbs), (verb, answers[0].content)
        assert not statuses & {301, 302, 307, 308, 404, 500}
        if statuses == {405} or verb == "OPTIONS":
            assert {*answers[0].headers["Allow"].split(", ")} == verbs


@pytest.mark.parametrize("path", [path for path, verbs in VERBS.items() if "GET" in verbs])
def test_reads(path: str, bus: Api) -> None:
    path = at(path)
    get, head = bus.get(path), bus.send("HEAD", path)
    assert (get.status_code, head.status_code, head.content) == (200, 200, b"")
    assert ("ETag" in get.headers) == (path not in LIVE)
    if path not in LIVE:
        assert re.fullmatch(r'"[0-9a-f]+"', get.headers["ETag"])
        assert bus.get(path, headers={"If-None-Match": get.headers["ETag"]}).status_code == 304
    assert faults_of(bus.get(f"{path}?zome=x")) == {("?zome", "unknown_parameter")}
    assert bus.get(f"{path}?").status_code == 200


BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no json": (b"a=b", 400),
    "half": (b'{"a": ', 400),
    "twice": (b'{"a": 1, "a": 2}', 400),
    "NaN": (b'{"a": NaN}', 400),
    "NUL": (b'{"a": "\\u0000"}', 400),
    "surrogate": (b'{"a": "\\ud800"}', 400),
    "latin-1": ('{"a": "ü"}'.encode("latin-1"), 400),
    "deep": (b"[" * 100_000, 400),
    "a text": (b'"a"', 422),
    "null": (b"null", 422),
    "a list": (b"[]", 422),
    "too long": (b'{"a": "' + b"a" * 1024 * 1024 + b'"}', 413),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(("verb", "path"), WRITES)
def test_bodies_that_are_no_use(verb: str, path: str, name: str, bus: Api) -> None:
    raw, status = BODIES[name]
    answer = bus.send(verb, path, raw=raw)
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("verb", "path"), WRITES)
def test_writes_take_json_alone_and_no_parameters(verb: str, path: str, bus: Api) -> None:
    assert bus.send(verb, path, raw=b"a=b", content_type="text/plain").status_code == 415
    assert faults_of(bus.send(verb, f"{path}?x=1", WRITES[verb, path])) == {("?x", "unknown_parameter")}


@pytest.mark.parametrize(("verb", "path"), WRITES)
def test_a_repeated_key_gets_the_first_answer(verb: str, path: str, bus: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = (bus.send(verb, path, WRITES[verb, path], headers=key) for _ in range(2))
    assert first.status_code in (200, 201), first.content
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = bus.send(verb, path, {**WRITES[verb, path], "colour": "red"}, headers=key)
    assert faults_of(other) == {("Idempotency-Key", "idempotency_key_reused")}


@pytest.mark.parametrize("path", VERBS)
def test_a_closed_hub_lets_nobody_in(path: str, bus: Api, settings: Any) -> None:
    settings.HUB_OPEN = False
    for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = bus.send(verb, at(path), WRITES.get((verb, path)))
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert DeadLetter.objects.exclude(state="waiting").count() == 0


def test_the_database_is_away(bus: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.pool, "timeout", 0.1)  # type: ignore[attr-defined]  # of Django's PostgreSQL
    paths = {at(path): verbs - {"OPTIONS"} for path, verbs in VERBS.items()}
    with database_away():
        for path, verbs in paths.items():
            for verb in verbs:
                answer = bus.send(verb, path, WRITES.get((verb, path), {}))
                assert answer.status_code == 503, (verb, path, answer.content)
                assert int(answer.headers["Retry-After"]) >= 1
    wait_until(lambda: bus.get("/events").status_code == 200, timeout=20, description="the database to be back")


def test_what_the_last_look_found_is_told_while_redis_is_away(bus: Api) -> None:
    GroupState.objects.create(
        stream="xerpium:events", group="billing", pending=3, lag=7, active_at=timezone.now(), seen_at=timezone.now()
    )
    with redis_at(NO_REDIS):
        [group] = bus.get("/events/groups").json()["results"]
        assert bus.get("/events/streams").json() == {"results": [], "next": None}
    assert (group["pending"], group["lag"], group["live"], group["consumers"]) == (3, 7, False, [])


def test_reading_needs_no_redis(bus: Api) -> None:
    with redis_at(NO_REDIS):
        for path in ("/events", "/events/types", "/events/dead-letters", f"/events/{EVENT_ID}"):
            assert bus.get(path).status_code == 200


def test_a_request_id_becomes_the_correlation_id(bus: Api) -> None:
    bus.post("/events", [PARCEL, PARCEL | {"correlation_id": "mine"}], headers={"X-Request-ID": "call-7"})
    entries: Any = redis.client().xrange("xerpium:events:custom")
    assert [fields["correlation_id"] for _, fields in entries] == ["call-7", "mine"]
