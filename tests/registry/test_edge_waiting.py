"""Who waits on the event loop: blocking queries and streams that wake, end, are left and are limited."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest
from django.db import connection

from apps.core.asgi import Receive, Scope, Send
from apps.core.redis import client
from apps.registry import edge, feed, leases, sse
from apps.registry.changes import current_revision
from apps.registry.live import live
from apps.registry.models import Instance
from apps.registry.services import operations
from tests.support import services
from tests.support.asgi import Exchange, call, lifespan
from tests.support.registry import NO_REDIS, NOW, redis_at
from tests.support.services import report
from tests.support.wait import wait_until_async
from xerpium.asgi import Hub, django
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

SERVICE = "/api/v1/services/orders"
STREAM = "/api/v1/catalog/stream"


async def no_django(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError(f"{scope['path']} was left to Django")


def on_the_loop(test: Callable[[Hub], Coroutine[Any, Any, None]], *, behind: Any = no_django) -> None:
    """Run ``test`` with a hub whose catalogue is loaded; afterwards nobody may be left waiting."""

    async def run() -> None:
        hub = Hub(behind, fast_paths=True)
        async with lifespan(hub):
            await wait_until_async(_loaded, 5, "the catalogue")
            await test(hub)
            waiting = hub._registry._feed
            assert waiting is not None
            await wait_until_async(lambda: _nobody(waiting), 1, "everybody to be gone")

    asyncio.run(run())


async def _loaded() -> bool:
    return live.is_loaded


async def _nobody(waiting: feed.Feed) -> bool:
    return not (waiting._waiting or waiting._waiting_count or waiting._streams)


async def in_thread(function: Callable[[], Any]) -> Any:
    """Call a service as another thread of the process would."""

    def run() -> Any:
        try:
            return function()
        finally:
            connection.close()

    return await asyncio.to_thread(run)


def events(chunk: bytes | None) -> list[tuple[str, int, Any]]:
    """Return what a piece of a stream says: (event, id, data) of each frame, comments left out."""
    found = []
    for frame in (chunk or b"").decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n") if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], int(lines["id"]), orjson.loads(lines["data"])))
    return found


async def waiting_for(hub: Hub, count: int) -> None:
    async def reached() -> bool:
        assert hub._registry._feed is not None
        return hub._registry._feed._waiting_count == count

    await wait_until_async(reached, 3, f"{count} to wait")


# --- Blocking queries -------------------------------------------------------------------------------------------------


def test_what_is_newer_is_answered_at_once() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        answer = await call(hub, "GET", f"{SERVICE}?wait=30&revision=0")
        assert (answer.status, orjson.loads(answer.body)["revision"]) == (200, 1)

    on_the_loop(test)


def test_a_change_wakes_who_waits_for_it() -> None:
    row = services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        waiting = [Exchange(hub, "GET", f"{SERVICE}?wait=30&revision=1") for _ in range(50)]
        await waiting_for(hub, 50)
        await in_thread(lambda: services.register("other", 2, now=NOW))
        assert not any(one.task.done() for one in waiting)
        await in_thread(lambda: report(row, now=NOW))
        for one in waiting:
            answer = await one.whole()
            assert (answer.status, orjson.loads(answer.body)["revision"]) == (200, 3)

    on_the_loop(test)


def test_a_departure_wakes_too_and_is_a_404_in_the_end() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        waiting = Exchange(hub, "GET", f"{SERVICE}?wait=1&revision=1")
        await waiting_for(hub, 1)
        await in_thread(lambda: operations.service_deregister(service="orders", reason="", actor="x", now=NOW))
        assert (await waiting.whole()).status == 404

    on_the_loop(test, behind=django)


def test_nothing_new_is_a_204() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        began = asyncio.get_running_loop().time()
        answer = await call(hub, "GET", f"{SERVICE}?wait=1&revision=1")
        assert (answer.status, answer.body) == (204, b"")
        assert 1 <= asyncio.get_running_loop().time() - began < 2

    on_the_loop(test)


def test_the_unknown_is_waited_for() -> None:
    async def test(hub: Hub) -> None:
        waiting = Exchange(hub, "GET", f"{SERVICE}?wait=30&revision=0")
        await waiting_for(hub, 1)
        await in_thread(lambda: services.register("orders", now=NOW))
        assert (await waiting.whole()).status == 200

    on_the_loop(test)


def test_the_unknown_is_waited_for_once() -> None:
    """The 404 comes from Django, which must not wait a second time."""

    async def test(hub: Hub) -> None:
        began = asyncio.get_running_loop().time()
        assert (await call(hub, "GET", f"{SERVICE}?wait=1&revision=0")).status == 404
        assert asyncio.get_running_loop().time() - began < 1.9

    on_the_loop(test, behind=django)


def test_a_change_between_looking_and_waiting_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    row = services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        look, changed = live.catalog.record, threading.Event()

        def change() -> None:
            report(row, now=NOW)
            connection.close()

        def look_and_change(name: str) -> Any:
            found = look(name)
            if not changed.is_set():
                changed.set()
                writer = threading.Thread(target=change)
                writer.start()
                writer.join()
            return found

        monkeypatch.setattr(live.catalog, "record", look_and_change)
        waiting = Exchange(hub, "GET", f"{SERVICE}?wait=30&revision=1")
        answer = await asyncio.wait_for(waiting.whole(), 3)
        assert orjson.loads(answer.body)["revision"] == 2

    on_the_loop(test)


def test_who_leaves_is_not_waited_for() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        waiting = [Exchange(hub, "GET", f"{SERVICE}?wait=60&revision=1") for _ in range(20)]
        await waiting_for(hub, 20)
        for one in waiting:
            one.leave()
        await asyncio.wait_for(asyncio.gather(*(one.task for one in waiting)), 2)

    on_the_loop(test)


def test_so_many_may_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    services.register("orders", now=NOW)
    monkeypatch.setattr(feed, "MAX_WAITING", 3)
    asked: list[str] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["query_string"].decode())
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def test(hub: Hub) -> None:
        waiting = [Exchange(hub, "GET", f"{SERVICE}?wait=60&revision=1") for _ in range(3)]
        await waiting_for(hub, 3)
        assert (await call(hub, "GET", f"{SERVICE}?wait=60&revision=1")).status == 503
        assert asked == ["wait=60&revision=1"]
        for one in waiting:
            one.leave()
        await waiting_for(hub, 0)
        assert (await call(hub, "GET", f"{SERVICE}?wait=0&revision=1")).status == 204

    on_the_loop(test, behind=behind)


# --- Streams ----------------------------------------------------------------------------------------------------------


async def opened(hub: Hub, last_event_id: str | None = None) -> Exchange:
    headers = [] if last_event_id is None else [("Last-Event-ID", last_event_id)]
    stream = Exchange(hub, "GET", STREAM, headers=headers)
    answer = await stream.begin()
    assert answer.status == 200
    assert answer.header("content-type") == "text/event-stream"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("x-accel-buffering") == "no"
    assert answer.header("content-length") is None
    return stream


async def closed(stream: Exchange) -> None:
    stream.leave()
    await asyncio.wait_for(stream.task, 2)


def test_a_stream_begins_with_everything_and_goes_on_with_changes() -> None:
    row = services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        stream = await opened(hub)
        ((event, revision, data),) = events(await stream.chunk())
        assert (event, revision, data["revision"]) == ("snapshot", 1, 1)
        (service,) = data["services"]
        assert service == orjson.loads((await call(hub, "GET", SERVICE)).body)
        await in_thread(lambda: report(row, now=NOW))
        ((event, revision, record),) = events(await stream.chunk())
        assert (event, revision, record["status"], record["revision"]) == ("change", 2, "healthy", 2)
        await in_thread(lambda: operations.service_deregister(service="orders", reason="", actor="x", now=NOW))
        ((event, revision, record),) = events(await stream.chunk())
        assert (event, revision, record["status"], record["instances"]) == ("change", 3, "deregistered", [])
        await closed(stream)

    on_the_loop(test)


def test_whoever_depends_on_what_changed_is_told_of_as_well() -> None:
    """Their records change with it, and carry the revision before: whoever resumes in between gets the rest."""
    services.register("orders", now=NOW, dependencies=["billing"])
    row = services.register("billing", 2, now=NOW)

    async def test(hub: Hub) -> None:
        stream = await opened(hub)
        ((_, revision, data),) = events(await stream.chunk())
        assert (revision, data["services"][1]["impaired"]) == (2, [])
        await in_thread(lambda: report(row, Status.UNHEALTHY, now=NOW))
        found = events(await stream.chunk()) + events(await stream.chunk())
        assert [(revision, record["name"], record["impaired"]) for _, revision, record in found] == [
            (2, "orders", ["billing"]),
            (3, "billing", []),
        ]
        await closed(stream)

    on_the_loop(test)


def test_a_stream_resumes_where_it_broke_off() -> None:
    row = services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        await in_thread(lambda: report(row, now=NOW))
        await in_thread(lambda: services.register("billing", 2, now=NOW))
        stream = await opened(hub, "1")
        found = [events(await stream.chunk())[0] for _ in range(2)]
        assert [(event, revision, record["name"]) for event, revision, record in found] == [
            ("change", 2, "orders"),
            ("change", 3, "billing"),
        ]
        await closed(stream)

    on_the_loop(test)


def test_a_stream_that_missed_nothing_hears_that_it_lives() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        stream = await opened(hub, "1")
        assert await stream.chunk() == sse.KEEP_ALIVE
        await closed(stream)

    on_the_loop(test)


@pytest.mark.parametrize("last", ["0", "99", "x", "-1", "", "1.5", "9" * 30, "²"])
def test_what_is_not_remembered_is_a_snapshot(last: str) -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        stream = await opened(hub, last)
        ((event, _, _),) = events(await stream.chunk())
        assert event == "snapshot"
        await closed(stream)

    on_the_loop(test)


def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sse.KEEP_ALIVE_SECONDS == 15
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.05)

    async def test(hub: Hub) -> None:
        stream = await opened(hub)
        assert events(await stream.chunk())[0][0] == "snapshot"
        assert [await stream.chunk() for _ in range(3)] == [b": keep-alive\n\n"] * 3
        await closed(stream)

    on_the_loop(test)


def test_who_reads_too_slowly_is_let_go_and_can_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_BEHIND", 5)

    async def test(hub: Hub) -> None:
        stream = await opened(hub)
        assert events(await stream.chunk())[0][1] == 0
        await in_thread(lambda: [services.register("orders", number, now=NOW) for number in range(1, 21)])
        seen = []
        while (piece := await stream.chunk()) is not None:
            seen += [revision for _, revision, _ in events(piece)]
        await asyncio.wait_for(stream.task, 2)
        assert seen == list(range(1, len(seen) + 1))
        assert 5 <= len(seen) < 10
        resumed = await opened(hub, str(seen[-1]))
        ((event, revision, record),) = events(await resumed.chunk())
        assert (event, revision, len(record["instances"])) == ("change", 20, 20)
        await closed(resumed)

    on_the_loop(test)


def test_who_does_not_read_at_all_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "LONGEST_SEND_SECONDS", 0.1)

    async def test(hub: Hub) -> None:
        stream = await opened(hub)
        await in_thread(lambda: [services.register("orders", number, now=NOW) for number in range(1, 4)])
        # The application fills what the server would buffer, and then waits for a reader who never comes.
        await asyncio.wait_for(stream.task, 2)

    on_the_loop(test)


def test_so_many_may_listen_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_STREAMS", 2)
    asked: list[str] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def test(hub: Hub) -> None:
        streams = [await opened(hub) for _ in range(2)]
        assert (await call(hub, "GET", STREAM)).status == 503
        assert asked == [STREAM]
        for stream in streams:
            await closed(stream)
        await closed(await opened(hub))

    on_the_loop(test, behind=behind)


def test_the_end_of_the_hub_is_the_end_of_its_streams() -> None:
    async def run() -> None:
        hub = Hub(no_django, fast_paths=True)
        async with lifespan(hub):
            await wait_until_async(_loaded, 5, "the catalogue")
            stream = await opened(hub)
            assert events(await stream.chunk())[0][0] == "snapshot"
        assert await stream.chunk() is None
        await asyncio.wait_for(stream.task, 2)

    asyncio.run(run())


# --- Heartbeats -------------------------------------------------------------------------------------------------------


def heartbeat(**fields: Any) -> bytes:
    return orjson.dumps({"service_name": "orders", "status": "healthy", **fields})


JSON = [("content-type", "application/json")]
HEALTH = "/api/v1/services/health"


def test_heartbeats_renew_leases_in_groups_and_write_nothing_else() -> None:
    rows = [services.register("orders", number, now=NOW, host="127.0.0.1", port=8000 + number) for number in range(20)]
    for row in rows:
        report(row, now=NOW)
    before = current_revision()

    async def test(hub: Hub) -> None:
        commands = client().info("commandstats")["cmdstat_zadd"]["calls"]
        named = [heartbeat(instance_id=row["instance_id"], details={"load": 1}) for row in rows]
        answers = await asyncio.gather(*(call(hub, "POST", HEALTH, body=body, headers=JSON) for body in named))
        assert {(answer.status, answer.body) for answer in answers} == {
            (200, b'{"status":"healthy","lease_seconds":90,"revision":%d}' % before)
        }
        assert client().info("commandstats")["cmdstat_zadd"]["calls"] - commands < 20
        record = orjson.loads((await call(hub, "GET", SERVICE)).body)
        assert all(one["last_seen"] > "2026-05-05" for one in record["instances"])

    on_the_loop(test)
    assert len(leases.details_of([row["id"] for row in rows])) == 20
    assert all(seen > NOW for seen in leases.last_seen([row["id"] for row in rows]).values())
    assert current_revision() == before
    assert set(Instance.objects.values_list("revision", flat=True)) == set(range(21, 41))


def test_a_heartbeat_is_never_acknowledged_from_memory() -> None:
    """Redis is away: the report goes to Django, which says that it is."""
    row = services.register("orders", now=NOW)
    report(row, now=NOW)
    asked: list[str] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append((await receive())["body"].decode())
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def test(hub: Hub) -> None:
        assert (await call(hub, "POST", HEALTH, body=heartbeat(), headers=JSON)).status == 503
        assert asked == [heartbeat().decode()]

    with redis_at(NO_REDIS):
        on_the_loop(test, behind=behind)


@pytest.mark.parametrize("status", ["stale", "deregistered"])
def test_a_heartbeat_of_who_is_gone_is_left_to_django(status: str) -> None:
    row = services.register("orders", now=NOW)
    report(row, now=NOW)
    if status == "stale":
        services.make_stale(row, now=NOW)
    else:
        operations.service_deregister(service="orders", reason="", actor="x", now=NOW)

    async def test(hub: Hub) -> None:
        answer = await call(hub, "POST", HEALTH, body=heartbeat(), headers=JSON)
        assert answer.status == (200 if status == "stale" else 404)

    on_the_loop(test, behind=django)
    assert Instance.objects.get().status == ("healthy" if status == "stale" else "deregistered")
