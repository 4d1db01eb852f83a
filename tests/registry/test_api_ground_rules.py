"""The contract's ground rules on every route of the registry: addresses, verbs, bodies, ids, tags, repeated writes."""

import re
import threading
from typing import Any

import pytest
from django.db import connection

from apps.registry.changes import current_revision
from apps.registry.models import HistoryEntry, Service
from tests.support.api import Api, faults_of
from tests.support.registry import body, id_of

INSTANCE = f"/services/orders/instances/{id_of()}"
READS = ["/services", "/services/orders", "/services/orders/history", "/services/graph"]
VERBS: dict[str, set[str]] = {
    "/services": {"GET", "HEAD", "OPTIONS"},
    "/services/register": {"POST", "OPTIONS"},
    "/services/health": {"POST", "OPTIONS"},
    "/services/graph": {"GET", "HEAD", "OPTIONS"},
    "/services/orders": {"GET", "HEAD", "DELETE", "OPTIONS"},
    "/services/orders/history": {"GET", "HEAD", "OPTIONS"},
    INSTANCE: {"DELETE", "OPTIONS"},
    f"{INSTANCE}/drain": {"POST", "OPTIONS"},
    f"{INSTANCE}/resume": {"POST", "OPTIONS"},
    "/catalog/stream": {"GET", "HEAD", "OPTIONS"},
}
WRITES: dict[str, Any] = {
    "/services/register": body(),
    "/services/health": {"service_name": "orders", "status": "healthy"},
    f"{INSTANCE}/drain": {"reason": "test"},
    f"{INSTANCE}/resume": {"reason": "test"},
}


@pytest.fixture
def orders(api: Api) -> Api:
    """A caller who has registered the service ``orders``."""
    api.register(body())
    return api


def without_what_differs(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    content = re.sub(rb'"request_id":"[^"]*"', b"", answer.content)
    return answer.status_code, re.sub(rb'"(last_seen|status_since)":"[^"]*"', b"", content), headers


@pytest.mark.parametrize("path", [path for path in VERBS if path != "/catalog/stream"])
def test_every_verb_answers_with_and_without_a_slash(path: str, orders: Api) -> None:
    for verb in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
        sent = WRITES.get(path) if verb == "POST" else None
        bare = orders.send(verb, path, sent)
        orders.register(body())
        slashed = orders.send(verb, f"{path}/", sent)
        orders.register(body())
        assert (bare.status_code == 405) == (verb not in VERBS[path]), (verb, bare.content)
        assert bare.status_code == slashed.status_code, verb
        assert not 300 <= bare.status_code < 400
        if verb in ("GET", "HEAD", "OPTIONS", "TRACE"):
            assert without_what_differs(bare) == without_what_differs(slashed), verb


@pytest.mark.parametrize(("path", "verbs"), VERBS.items())
def test_verbs_that_a_route_does_not_know(path: str, verbs: set[str], orders: Api) -> None:
    answer = orders.send("PATCH", path, {})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == verbs
    options = orders.send("OPTIONS", path)
    assert (options.status_code, options.content) == (204, b"")
    assert set(options.headers["Allow"].split(", ")) == verbs


@pytest.mark.parametrize("path", READS)
def test_a_head_is_a_get_without_its_body(path: str, orders: Api) -> None:
    get, head = orders.get(path), orders.send("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == get.headers["ETag"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize("path", READS)
def test_reads_carry_a_strong_tag_and_honour_it(path: str, orders: Api) -> None:
    first = orders.get(path)
    tag = first.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]+"', tag)
    assert first.headers["Cache-Control"] == "private, no-cache"
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = orders.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
        assert "Content-Type" not in again.headers
    assert orders.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    orders.post("/services/health", {"service_name": "orders", "status": "degraded"})
    changed = orders.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


@pytest.mark.parametrize("path", READS)
def test_unknown_query_parameters_are_refused(path: str, orders: Api) -> None:
    assert faults_of(orders.get(f"{path}?zome=x")) == {("?zome", "unknown_parameter")}
    assert orders.get(f"{path}?").status_code == 200


@pytest.mark.parametrize("path", WRITES)
def test_writes_take_no_query_parameters(path: str, orders: Api) -> None:
    assert faults_of(orders.post(f"{path}?x=1", WRITES[path])) == {("?x", "unknown_parameter")}


BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no json": (b"name=orders", 400),
    "half": (b'{"name": "orders"', 400),
    "twice": (b'{"name": "a", "name": "b"}', 400),
    "NaN": (b'{"port": NaN}', 400),
    "NUL": (b'{"name": "a\\u0000"}', 400),
    "surrogate": (b'{"name": "\\ud800"}', 400),
    "latin-1": ('{"name": "ü"}'.encode("latin-1"), 400),
    "deep": (b"[" * 100_000, 400),
    "33 levels": (b'{"metadata":' + b"[" * 32 + b"]" * 32 + b"}", 400),
    "huge number": (b'{"port": 1e999}', 400),
    "long number": (b'{"port": ' + b"9" * 30 + b"}", 400),
    "a list": (b"[]", 422),
    "a text": (b'"orders"', 422),
    "null": (b"null", 422),
    "a number": (b"7", 422),
    "too long": (b'{"name": "' + b"a" * 1024 * 1024 + b'"}', 413),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", WRITES)
def test_bodies_that_are_no_use(path: str, name: str, orders: Api) -> None:
    raw, status = BODIES[name]
    if name == "nothing" and path.endswith(("drain", "resume")):
        status = 200
    before = current_revision()
    answer = orders.send("POST", path, raw=raw)
    assert answer.status_code == status, answer.content
    if status != 200:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert current_revision() == before


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_is_taken(path: str, content_type: str, orders: Api) -> None:
    raw = b"name=orders"
    answer = orders.send("POST", path, raw=raw, content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_has_several_spellings(content_type: str, orders: Api) -> None:
    assert orders.send("POST", "/services/register", body(), content_type=content_type).status_code == 201


@pytest.mark.parametrize("given", ["abc-1.2_X", "a" * 128])
def test_a_request_id_is_taken_over(given: str, orders: Api) -> None:
    answer = orders.get("/services/nobody", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given == answer.json()["request_id"]


@pytest.mark.parametrize("given", [None, "", "a b", "a" * 129, "ü", "a\tb"])
def test_a_request_id_is_made(given: str | None, orders: Api) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    answer = orders.get("/services/nobody", headers=headers)
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


def test_a_request_id_becomes_the_correlation_id_of_the_event(api: Api) -> None:
    api.register(body(), headers={"X-Request-ID": "call-7"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT fields->>'correlation_id' FROM events_outboxentry WHERE stream = 'xerpium:hub'")
        assert cursor.fetchall() == [("call-7",)]


@pytest.mark.parametrize("path", WRITES)
def test_a_repeated_key_gets_the_first_answer_and_changes_nothing(path: str, orders: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    orders.register(body(number=2))
    first = orders.post(path, WRITES[path], headers=key)
    assert first.status_code in (200, 201), first.content
    before = (current_revision(), HistoryEntry.objects.count())
    again = orders.post(path, WRITES[path], headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (current_revision(), HistoryEntry.objects.count()) == before
    other = orders.post(path, {**WRITES[path], "colour": "red"}, headers=key)
    assert faults_of(other) == {("Idempotency-Key", "idempotency_key_reused")}


@pytest.mark.parametrize("path", ["/services/orders", INSTANCE])
def test_a_repeated_departure_is_answered_as_the_first(path: str, orders: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    assert orders.delete(path, headers=key).status_code == 204
    assert orders.delete(path, headers=key).status_code == 204
    assert orders.delete(path).status_code == 404
    assert HistoryEntry.objects.filter(change="deregistered").count() == 1


def test_a_first_registration_may_carry_a_key(api: Api) -> None:
    """Its answer is made before the commit, when the catalogue does not show the newcomer yet."""
    api.register(body("billing"))
    sent = body(dependencies=["billing", "nobody"])
    record = api.register(sent, headers={"Idempotency-Key": "k1"})
    assert record == api.get("/services/orders").json()
    assert (record["revision"], record["impaired"]) == (2, ["nobody"])
    assert len(record["instances"]) == 1


def test_a_refused_write_frees_its_key(orders: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    assert orders.post("/services/register", body(port=0), headers=key).status_code == 422
    assert orders.post("/services/register", body(), headers=key).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "ü", "a" * 256])
def test_keys_are_visible_ascii(key: str, orders: Api) -> None:
    answer = orders.post("/services/register", body(), headers={"Idempotency-Key": key})
    assert faults_of(answer) == {("Idempotency-Key", "invalid")}


def test_a_repeat_while_the_first_runs_is_a_conflict(orders: Api) -> None:
    """The first is held up by a lock on the name; the repeat does not wait for it."""
    key = {"Idempotency-Key": "k1"}
    answers: list[int] = []

    def first() -> None:
        answers.append(Api().post("/services/register", body(version="2.0.0"), headers=key).status_code)
        connection.close()

    from django.db import transaction

    from apps.registry.changes import lock_name
    from tests.support.wait import wait_until

    with transaction.atomic(), connection.cursor() as cursor:
        lock_name(cursor, "orders")
        thread = threading.Thread(target=first)
        thread.start()
        wait_until(lambda: waits_for_a_lock(), description="the first request to wait")
        repeat = orders.post("/services/register", body(version="2.0.0"), headers=key)
    thread.join()
    assert (repeat.status_code, repeat.json()["code"]) == (409, "idempotency_running")
    assert answers == [201]


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


NOWHERE = [
    "/services/nobody",
    "/services/Orders",
    "/services/%00",
    "/services/%FF%FE",
    "/services/..%2F",
    "/services/nobody/history",
    "/services/%00/history",
    "/services/orders/nothing",
    "/services/orders/instances",
    "/catalog",
    "/services//history",
    "/services/orders//",
    "/services/" + "a" * 3000,
]


@pytest.mark.parametrize("path", NOWHERE)
def test_nothing_is_there(path: str, orders: Api) -> None:
    answer = orders.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.content


@pytest.mark.parametrize("instance", ["nobody", "%00", "%FF", "a" * 3000, "%E2%80%AE", "'; --"])
def test_no_instance_is_there(instance: str, orders: Api) -> None:
    for verb, path in (("DELETE", ""), ("POST", "/drain"), ("POST", "/resume")):
        answer = orders.send(verb, f"/services/orders/instances/{instance}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.content
    assert Service.objects.count() == 1


def test_a_problem_has_all_its_members_and_is_never_kept(orders: Api) -> None:
    answer = orders.get("/services/nobody")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    problem = answer.json()
    assert list(problem) == ["type", "title", "status", "detail", "code", "request_id", "errors"]
    assert (problem["status"], problem["title"]) == (404, "Not Found")
