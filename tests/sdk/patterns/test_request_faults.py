"""Requests while processes are killed, and while Redis is away, stands still or drops connections."""

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from apps.core.engines import Redis as RedisEngine
from apps.core.engines import free_port
from tests.sdk.patterns.conftest import Make, Start, left_over
from tests.support.cutting import cut_connections
from tests.support.engines import started
from tests.support.wait import wait_until
from xerpium_sdk.events import Request, RequestNotSent, RequestResponsePattern, RequestTimedOut, connect
from xerpium_sdk.events.patterns.exchange import exchange_for, leave
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD, stream_of_requests

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def wait_for(predicate: Callable[[], Any], seconds: float = 15.0) -> Any:
    return await asyncio.to_thread(wait_until, predicate, seconds)


def begun_in(log: Path) -> list[tuple[int, str]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(pid), request_id) for pid, request_id in map(str.split, lines)]


def has_begun(log: Path, times: int) -> bool:
    return len(begun_in(log)) == times


# --- services that die


async def test_another_takes_over_from_a_service_that_is_killed_at_it(
    make: Make, start_service: Start, tmp_path: Path, bus: Any
) -> None:
    log, asker = tmp_path / "log", make("sales")
    killed = start_service(log, 30.0)
    asking = asyncio.create_task(asker.send_request("pricing", "get_price", {"id": 7}, timeout=25))
    await wait_for(lambda: begun_in(log))
    killed.kill()
    other = start_service(log)
    answer = await asking
    assert answer == {"price": 7, "pid": other.pid}
    assert [pid for pid, _ in begun_in(log)] == [killed.pid, other.pid]
    assert len({request_id for _, request_id in begun_in(log)}) == 1
    await wait_for(lambda: left_over(bus) == 0)
    assert asker.metrics.snapshot().duplicates == 0


async def test_a_service_that_stops_finishes_what_it_is_at(make: Make, start_service: Start, tmp_path: Path) -> None:
    log, asker = tmp_path / "log", make("sales")
    process = start_service(log, 0.3)
    asking = asyncio.create_task(asker.send_request("pricing", "get_price", {"id": 7}, timeout=20))
    await wait_for(lambda: begun_in(log))
    await asyncio.to_thread(process.communicate)  # its input ends, and so does it
    assert (await asking)["pid"] == process.pid
    assert process.returncode == 0


async def test_a_request_that_kills_whoever_gets_it_ends(
    make: Make, start_service: Start, tmp_path: Path, bus: Any
) -> None:
    log, asker = tmp_path / "log", make("sales")
    asking = asyncio.create_task(asker.send_request("pricing", "get_price", {"id": 7}, timeout=50))
    for number in range(1, 4):
        process = start_service(log, 60.0)
        await wait_for(partial(has_begun, log, number))
        process.kill()
    start_service(log, 60.0)
    await wait_for(lambda: bus.xlen(STREAM_EVENTS_DEAD) == 1)
    assert len(begun_in(log)) == 3
    assert left_over(bus) == 0
    asking.cancel()


# --- Redis


@pytest.fixture
def engine(tmp_path: Path) -> RedisEngine:
    """A Redis that keeps what it has, not started."""
    directory = tmp_path / "own"
    directory.mkdir()
    return RedisEngine(directory / "redis", free_port(), "secret")


Restartable = tuple[RedisEngine, Callable[[], "subprocess.Popen[bytes]"], Callable[[], None]]


@pytest.fixture
def restartable(engine: RedisEngine) -> Iterator[Restartable]:
    """The engine with a function that starts it and one that stops it."""
    running: list[Any] = []

    def start() -> "subprocess.Popen[bytes]":
        running.append(started(engine))
        process: subprocess.Popen[bytes] = running[-1].__enter__()
        return process

    def stop() -> None:
        if running:
            running.pop().__exit__(None, None, None)

    yield engine, start, stop
    stop()


def serve(service: RequestResponsePattern, calls: list[Any]) -> None:
    @service.on_request("get_price")
    def get_price(data: Any, request: Request) -> Any:
        calls.append(data)
        return data


async def test_redis_may_restart_in_between(make: Make, restartable: Restartable) -> None:
    engine, start, stop = restartable
    start()
    calls: list[Any] = []
    asker, service = make("sales", redis_url=engine.url), make("pricing", redis_url=engine.url)
    serve(service, calls)
    async with service:
        assert await asker.send_request("pricing", "get_price", 1) == 1
        await asyncio.to_thread(stop)
        asking = [
            asyncio.create_task(asker.send_request("pricing", "get_price", number, timeout=25)) for number in (2, 3)
        ]
        with pytest.raises(RequestNotSent, match=r"Redis did not take get_price of pricing within 0\.3 s"):
            await asker.send_request("pricing", "get_price", 4, timeout=0.3)
        await asyncio.to_thread(start)
        assert await asyncio.gather(*asking) == [2, 3]
        await asker.aclose()
    assert sorted(calls) == [1, 2, 3]
    assert asker.metrics.snapshot().not_sent == 1
    await asyncio.to_thread(service.close)
    await asyncio.to_thread(stop)


async def test_a_request_in_work_outlives_a_restart_of_redis(make: Make, restartable: Restartable) -> None:
    engine, start, stop = restartable
    start()
    asker, service = make("sales", redis_url=engine.url), make("pricing", redis_url=engine.url)
    begun, gate = threading.Event(), threading.Event()

    @service.on_request("slow")
    def slow(data: Any, request: Request) -> Any:
        begun.set()
        gate.wait(20)
        return data

    async with service:
        asking = asyncio.create_task(asker.send_request("pricing", "slow", 1, timeout=25))
        await wait_for(begun.is_set)
        await asyncio.to_thread(stop)
        gate.set()
        await asyncio.to_thread(start)
        assert await asking == 1
        await asker.aclose()
    await asyncio.to_thread(stop)


async def test_a_request_whose_append_was_not_confirmed_is_handled_once(make: Make, restartable: Restartable) -> None:
    engine, start, _ = restartable
    process = await asyncio.to_thread(start)
    calls: list[Any] = []
    asker, service = make("sales", redis_url=engine.url), make("pricing", redis_url=engine.url)
    serve(service, calls)
    assert await asyncio.to_thread(ask_nobody, asker)
    # What is sent now waits in the server's socket; the client gives up after 3 s and sends it again, several times.
    process.send_signal(signal.SIGSTOP)
    asking = [
        asyncio.create_task(asker.send_request("pricing", "get_price", number, timeout=30)) for number in range(5)
    ]
    client = connect(engine.url)
    exchange = exchange_for(client)
    await wait_for(lambda: exchange.sender.last_error is not None)
    process.send_signal(signal.SIGCONT)
    async with service:
        assert await asyncio.gather(*asking) == list(range(5))
        assert await asker.send_request("pricing", "get_price", 5) == 5
        await asker.aclose()
    assert sorted(calls) == list(range(6))
    assert asker.metrics.snapshot().duplicates == 0
    await asyncio.to_thread(leave, exchange)
    client.close()
    await asyncio.to_thread(service.close)


def ask_nobody(asker: RequestResponsePattern) -> bool:
    with pytest.raises(RequestTimedOut):
        asker.send_request_sync("nobody", "x", timeout=0.2)
    return True


async def test_connections_may_be_cut_at_any_time(make: Make, bus: Any) -> None:
    calls: list[Any] = []
    asker, service = make("sales"), make("pricing")
    serve(service, calls)
    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.03):
            cut_connections(bus)

    async with service:
        assert await asker.send_request("pricing", "get_price", -1) == -1
        cutting = threading.Thread(target=cut)
        cutting.start()
        answers = []
        for first in range(0, 200, 20):
            answers += await asyncio.gather(
                *(asker.send_request("pricing", "get_price", number, timeout=30) for number in range(first, first + 20))
            )
        over.set()
        cutting.join()
        assert answers == list(range(200))
        await wait_for(lambda: left_over(bus) == 0)
    assert sorted(set(calls)) == list(range(-1, 200))


async def test_redis_may_be_emptied(make: Make, bus: Redis) -> None:
    calls: list[Any] = []
    asker, service = make("sales"), make("pricing")
    serve(service, calls)
    async with service:
        assert await asker.send_request("pricing", "get_price", 1) == 1
        bus.flushdb()
        assert await asker.send_request("pricing", "get_price", 2, timeout=20) == 2


async def test_redis_is_not_there_at_all(make: Make) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    asker = make("sales", redis_url=url)
    began = time.monotonic()
    with pytest.raises(RequestNotSent, match="refused") as caught:
        await asker.send_request("pricing", "get_price", timeout=0.3)
    assert time.monotonic() - began < 2
    assert caught.value.__cause__ is not None


async def test_what_waiting_cannot_heal_is_said_at_once(make: Make, bus: Any) -> None:
    asker = make("sales")
    bus.set(stream_of_requests("text"), "no stream", ex=60)
    began = time.monotonic()
    with pytest.raises(RequestNotSent, match="WRONGTYPE"):
        await asker.send_request("text", "get_price", timeout=20)
    host = os.environ["REDIS_URL"].rpartition("@")[2]
    stranger = make("sales", redis_url=f"redis://:wrong@{host}")
    with pytest.raises(RequestNotSent, match=r"(?i)password"):
        await stranger.send_request("pricing", "get_price", timeout=20)
    assert time.monotonic() - began < 10


async def test_the_event_loop_never_stands_still(make: Make, restartable: Restartable) -> None:
    engine, start, _ = restartable
    process = await asyncio.to_thread(start)
    asker = make("sales", redis_url=engine.url)
    process.send_signal(signal.SIGSTOP)
    longest, over = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not over.is_set():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.create_task(watch())
    asking = (asker.send_request("pricing", "x", timeout=1.0) for _ in range(20))
    errors = await asyncio.gather(*asking, return_exceptions=True)
    over.set()
    await watching
    process.send_signal(signal.SIGCONT)
    await asker.aclose()
    assert {type(error) for error in errors} == {RequestNotSent}
    assert longest < 0.5
