"""The catalogue's stream on the event loop: what it begins with, what it tells, and how it ends."""

import asyncio
from typing import Any

import orjson
import pytest

from apps.core import asgi, sse
from apps.registry import feed
from apps.registry.services import operations
from tests.registry.event_loop import SERVICE, Refusing, in_thread, loaded, no_django, on_the_loop
from tests.support import services
from tests.support.asgi import Exchange, call, lifespan
from tests.support.registry import NOW
from tests.support.services import report
from xerpium.asgi import Hub
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

STREAM = "/api/v1/catalog/stream"


def events(chunk: bytes | None) -> list[tuple[str, int, Any]]:
    """Return what a piece of a stream says: (event, id, data) of each frame, comments left out."""
    found = []
    for frame in (chunk or b"").decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n") if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], int(lines["id"]), orjson.loads(lines["data"])))
    return found


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
    monkeypatch.setattr(asgi, "LONGEST_SEND_SECONDS", 0.1)

    async def test(hub: Hub) -> None:
        stream = await opened(hub)
        await in_thread(lambda: [services.register("orders", number, now=NOW) for number in range(1, 4)])
        # The application fills what the server would buffer, and then waits for a reader who never comes.
        await asyncio.wait_for(stream.task, 2)

    on_the_loop(test)


def test_so_many_may_listen_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_STREAMS", 2)
    behind = Refusing()

    async def test(hub: Hub) -> None:
        streams = [await opened(hub) for _ in range(2)]
        assert (await call(hub, "GET", STREAM)).status == 503
        assert behind.asked == [STREAM]
        for stream in streams:
            await closed(stream)
        await closed(await opened(hub))

    on_the_loop(test, behind=behind)


def test_the_end_of_the_hub_is_the_end_of_its_streams() -> None:
    async def run() -> None:
        hub = Hub(no_django, fast_paths=True)
        async with lifespan(hub):
            await loaded()
            stream = await opened(hub)
            assert events(await stream.chunk())[0][0] == "snapshot"
        assert await stream.chunk() is None
        await asyncio.wait_for(stream.task, 2)

    asyncio.run(run())
