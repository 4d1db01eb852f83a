"""Blocking queries and streams as Django answers them: the twins of what the event loop does, on a few threads."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.db import connection

from apps.core import sse
from apps.core.tenancy import system, use
from apps.registry import views
from apps.registry.services import operations
from tests.support import services
from tests.support.api import Api, faults_of
from tests.support.registry import NOW
from tests.support.services import report
from tests.support.wait import wait_until
from xerpium_sdk.wire.registry import Status


@pytest.fixture
def later() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Let something happen in another thread as soon as somebody waits."""
    threads: list[threading.Thread] = []

    def start(function: Callable[[], Any]) -> None:
        def run() -> None:
            wait_until(lambda: free_places() < 4, 5, "somebody to wait")
            with use(system("tests")):
                function()
            connection.close()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()
    assert free_places() == 4


def free_places() -> int:
    return views._blocking_slots._value


def test_what_is_newer_is_answered_at_once(api: Api) -> None:
    services.register("orders", now=NOW)
    for query in ("wait=30&revision=0", "wait=30"):
        answer = api.get(f"/services/orders?{query}")
        assert (answer.status_code, answer.json()["revision"]) == (200, 1)
        assert answer.headers["Cache-Control"] == "private, no-cache"


def test_nothing_new_is_a_204(api: Api) -> None:
    services.register("orders", now=NOW)
    answer = api.get("/services/orders?wait=1&revision=1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_the_unknown_is_a_404_in_the_end(api: Api) -> None:
    began = time.monotonic()
    assert api.get("/services/orders?wait=1").status_code == 404
    assert time.monotonic() - began >= 1


def test_a_change_wakes_who_waits_for_it(api: Api, later: Any) -> None:
    row = services.register("orders", now=NOW)
    api.get("/services/orders")

    def change() -> None:
        services.register("other", 2, now=NOW)
        report(row, now=NOW)

    later(change)
    answer = api.get("/services/orders?wait=30&revision=1")
    assert (answer.status_code, answer.json()["revision"]) == (200, 3)


def test_a_newcomer_wakes_who_waits_for_it(api: Api, later: Any) -> None:
    api.get("/services")
    later(lambda: services.register("orders", now=NOW))
    assert api.get("/services/orders?wait=30").status_code == 200


def test_waiting_for_a_version(api: Api, later: Any) -> None:
    services.register("orders", now=NOW)
    later(lambda: services.register("orders", 2, now=NOW, version="2.0.0"))
    answer = api.get("/services/orders?wait=30&revision=1&version=2")
    assert [one["version"] for one in answer.json()["instances"]] == ["2.0.0"]
    assert api.get("/services/orders?wait=0&version=3").status_code == 404


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("wait=61", ("?wait", "max_value")),
        ("wait=-1", ("?wait", "min_value")),
        ("wait=x", ("?wait", "invalid")),
        ("wait=", ("?wait", "invalid")),
        ("wait=0&revision=-1", ("?revision", "min_value")),
        ("wait=0&revision=9223372036854775808", ("?revision", "max_value")),
        ("wait=0&wait=1", ("?wait", "repeated")),
        ("wait=0&version=x.y.z", ("?version", "version_range")),
    ],
)
def test_bad_parameters(query: str, fault: tuple[str, str], api: Api) -> None:
    services.register("orders", now=NOW)
    assert faults_of(api.get(f"/services/orders?{query}")) == {fault}


def test_only_so_many_threads_wait(api: Api) -> None:
    services.register("orders", now=NOW)
    with views._slot(), views._slot(), views._slot(), views._slot():
        answer = api.get("/services/orders?wait=5&revision=1")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert api.get("/catalog/stream").status_code == 503
        # Who need not wait needs no place.
        assert api.get("/services/orders?wait=5&revision=0").status_code == 200
        assert api.get("/services/orders?wait=0&revision=1").status_code == 204
    assert api.get("/services/orders?wait=1&revision=1").status_code == 204


def frames(answer: Any) -> Iterator[tuple[str, int, Any]]:
    """Yield (event, id, data) of a stream's frames."""
    for piece in answer.streaming_content:
        lines = dict(line.split(": ", 1) for line in piece.decode().splitlines() if line and line[0] != ":")
        if lines:
            yield lines["event"], int(lines["id"]), orjson.loads(lines["data"])


def test_a_stream_begins_with_everything_and_goes_on_with_changes(api: Api) -> None:
    services.register("orders", now=NOW, dependencies=["billing"])
    row = services.register("billing", 2, now=NOW)
    answer = api.get("/catalog/stream")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    assert "Content-Length" not in answer.headers
    told = frames(answer)
    event, revision, data = next(told)
    assert (event, revision, [one["name"] for one in data["services"]]) == ("snapshot", 2, ["billing", "orders"])
    report(row, Status.UNHEALTHY, now=NOW)
    assert [(revision, one["name"]) for _, revision, one in (next(told), next(told))] == [(2, "orders"), (3, "billing")]
    operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    event, revision, record = next(told)
    assert (event, revision, record["status"]) == ("change", 4, "deregistered")
    answer.close()


def test_a_stream_resumes_where_it_broke_off(api: Api) -> None:
    row = services.register("orders", now=NOW)
    api.get("/services")
    report(row, now=NOW)
    answer = api.get("/catalog/stream", headers={"Last-Event-ID": "1"})
    event, revision, record = next(frames(answer))
    assert (event, revision, record["status"]) == ("change", 2, "healthy")
    answer.close()


def test_a_stream_is_kept_alive_and_ends_with_its_thread_s_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(views, "STREAM_SECONDS", 0.2)
    answer = api.get("/catalog/stream")
    pieces = list(answer.streaming_content)
    assert pieces[0].startswith(b"event: snapshot\n")
    assert set(pieces[1:]) == {b": keep-alive\n\n"}
    assert 2 <= len(pieces) <= 6


def test_a_stream_that_is_closed_gives_its_place_back(api: Api) -> None:
    for _ in range(6):
        answer = api.get("/catalog/stream")
        assert next(frames(answer))[0] == "snapshot"
        answer.close()


def test_the_head_of_a_stream_has_no_body_and_takes_no_place(api: Api) -> None:
    for _ in range(6):
        answer = api.send("HEAD", "/catalog/stream")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")


def test_a_stream_takes_no_parameters(api: Api) -> None:
    assert faults_of(api.get("/catalog/stream?since=1")) == {("?since", "unknown_parameter")}
