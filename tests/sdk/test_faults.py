"""What must hold for calls and for the front door, whatever fails. `tests.chaos_sdk` does the same for minutes."""

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

import pytest

from tests.sdk._tasks import wait_until
from tests.sdk.fleet import Fleet, fleet_of
from tests.sdk.hub import change, service, snapshot
from tests.sdk.service.conftest import Maker, Remains, hub, hub_way, make, redis_way, small_ui_hub
from tests.sdk.storms import STOCK, Storm, dying
from tests.sdk.ui.hub import UIHub
from tests.support import wait
from tests.support.freezing import FreezingProxy
from xerpium_sdk.calls import CallPolicy, CircuitOpen, NoInstanceToCall, ServiceClient, ServiceFailed
from xerpium_sdk.events import PublishFailed
from xerpium_sdk.registry import Catalog
from xerpium_sdk.resilience import BreakerPolicy, CircuitState
from xerpium_sdk.service import XerpiumService
from xerpium_sdk.wire.envelope import EventPayload, EventType

__all__ = ["hub", "hub_way", "make", "redis_way", "small_ui_hub"]

AWAY_SECONDS = float(os.environ.get("CHAOS_SECONDS", "1.2"))
"""How long Redis is away; by default a little longer than breakers wait for an answer of it."""
pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Write no line for each of thousands of requests."""
    log = logging.getLogger("httpx2")
    before = log.level
    log.setLevel(logging.WARNING)
    yield
    log.setLevel(before)


@pytest.fixture
def stock(hub: UIHub) -> Iterator[Fleet]:
    """Five instances of a service that the hub knows."""
    with fleet_of(5, STOCK) as fleet:
        hub.opening = [snapshot(7, fleet.record)]
        yield fleet


async def test_instances_die_one_after_another_under_load_and_every_call_succeeds(
    hub: UIHub, stock: Fleet, make: Maker
) -> None:
    for one in stock.instances:
        one.seconds = 0.03
    remains, made = Remains(), make(join=False)
    async with made, Storm(made) as storm:
        await dying(stock, storm, calls_between=150)
    assert storm.failures == []
    assert storm.calls > 700
    assert storm.attempts <= 1.2 * storm.calls
    assert storm.circuits == {CircuitState.CLOSED}
    assert await left(remains) == []


async def test_when_all_have_died_the_load_of_retries_stays_small_and_calls_come_back(
    hub: UIHub, stock: Fleet, make: Maker
) -> None:
    never = BreakerPolicy(failure_rate=1, minimum_calls=100_000, window_size=100_000)
    made = make(join=False, policy=CallPolicy(breaker=never))
    async with made, Storm(made) as storm:
        await wait_until(lambda: storm.calls > 200, description="calls")
        for one in stock.instances:
            one.die()
        # The deaths themselves broke what was under way; going on from there to others is free.
        await wait_until(lambda: len(storm.failures) > 100, description="the deaths to be known")
        attempts, calls = storm.attempts, storm.calls
        await wait_until(lambda: storm.calls > calls + 300, description="failed calls")
        assert storm.attempts - attempts <= 1.2 * (storm.calls - calls + storm.at_once)
        stock.instances[2].start(stock.instances[2].port)
        stock.instances[2].dead = False
        storm.failures.clear()
        await wait_until(lambda: stock.instances[2].asked[-100:], description="it to be asked")
        await wait_until(storm.is_calm, description="calls that succeed again")


async def test_a_hub_that_is_down_at_the_start_and_comes_later(hub: UIHub, stock: Fleet, make: Maker) -> None:
    remains = Remains()
    with hub.away():
        made = make(lease_seconds=1)
        await made.astart()
        with pytest.raises(NoInstanceToCall, match="has not been loaded yet"):
            await made.services.get(STOCK, "items")
    came = monotonic()
    await wait_until(lambda: made.catalog.can_choose(STOCK), description="the catalogue")
    assert (await made.services.get(STOCK, "items"))["instance"]
    assert (await asyncio.to_thread(made.services_sync.get, STOCK, "items"))["instance"]
    await wait_until(lambda: made.state.joined, description="it to join")
    assert monotonic() - came < 5
    assert await stopped_within(made, 2)
    assert await left(remains) == []


async def test_a_hub_that_is_restarted_empty_is_joined_again_and_calls_go_on(
    hub: UIHub, stock: Fleet, make: Maker
) -> None:
    hub.lease_seconds = 1
    made = make(lease_seconds=1)
    async with made, Storm(made, threads=4, tasks=10) as storm:
        await wait_until(lambda: made.state.joined and storm.calls > 50, description="all to work")
        with hub.away():
            hub.known.clear()
            hub.opening = [snapshot(1)]
        await wait_until(lambda: made.catalog.revision == 1, description="the hub's return")
        assert made.catalog.services == []
        seen = storm.calls
        await wait_until(lambda: storm.calls > seen + 50, description="more calls")
        await wait_until(lambda: hub.known, description="it to join again")
        hub.say(change(stock.record | {"revision": 2}))
        await wait_until(lambda: made.catalog.get(STOCK), description="the other's return")
    assert storm.failures == []


async def test_redis_is_away_for_a_while(hub: UIHub, stock: Fleet, make: Maker, redis_way: FreezingProxy) -> None:
    remains, heard = Remains(), list[str]()
    made = make(redis_url=redis_way.url, shared_breakers=True, join=False)

    @made.on(EventType.PRODUCT_CREATED)
    async def hear(event: EventPayload) -> None:
        heard.append(str(event.entity_id))

    await made.astart()
    async with Storm(made, threads=4, tasks=10) as storm:
        await made.publisher.publish_event(EventType.PRODUCT_CREATED, "Product", 1)
        await wait_until(lambda: heard == ["1"], description="the first event")
        redis_way.freeze()
        late = asyncio.create_task(publish_as_soon_as_possible(made, 2))
        await asyncio.sleep(AWAY_SECONDS)
        seen = storm.calls
        await wait_until(lambda: storm.calls > seen + 50, description="calls")
        redis_way.thaw()
        await late
        await wait_until(lambda: "2" in heard, description="the second event")
    assert storm.failures == []
    assert storm.longest < 1
    redis_way.freeze()
    assert await stopped_within(made, 2)
    assert await left(remains) == []


def test_half_open_no_more_of_64_threads_get_through_a_client_than_there_are_permits(hub: UIHub, stock: Fleet) -> None:
    breaker = BreakerPolicy(consecutive_failures=2, open_seconds=0.3, half_open_calls=3)
    for one in stock.instances:
        one.statuses = [(500, {})] * 2
    with Catalog(hub.url) as catalog:
        services = ServiceClient(catalog, policy=CallPolicy(breaker=breaker))
        for _ in range(2):
            with pytest.raises(ServiceFailed):
                services.get(STOCK, "items")
        for one in stock.instances:
            one.statuses, one.seconds = [], 0.2
            one.asked.clear()
        together = threading.Barrier(64)

        def ask(_: int) -> str:
            together.wait()
            try:
                return str(services.get(STOCK, "items")["instance"])
            except CircuitOpen:
                return "refused"

        circuit = services.lines[STOCK].breaker
        wait.wait_until(lambda: circuit.metrics.retry_after == 0, description="the end of its time")
        with ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(ask, range(64)))
        assert (len(stock.asked), answers.count("refused")) == (3, 61)
        assert circuit.state is CircuitState.CLOSED
        services.close()


async def test_an_instance_that_leaves_is_not_called_any_more_within_a_second(
    hub: UIHub, stock: Fleet, make: Maker
) -> None:
    leaving, staying = stock.instances[0], Fleet(STOCK, stock.instances[1:])
    made = make(join=False)
    async with made, Storm(made, threads=4, tasks=20) as storm:
        await wait_until(lambda: len(leaving.asked) > 20, description="calls")
        hub.say(change(staying.record | {"revision": 8}))
        await asyncio.sleep(1)
        seen, calls = len(leaving.asked), storm.calls
        await wait_until(lambda: storm.calls > calls + 100, description="more calls")
        assert len(leaving.asked) == seen
        hub.say(change(service(STOCK, 9, [], status="deregistered")))
        await wait_until(lambda: storm.failures, description="no instance")
    assert {type(error) for error in storm.failures} == {NoInstanceToCall}


async def publish_as_soon_as_possible(made: XerpiumService, number: int) -> None:
    """Publish an event, again and again."""
    while True:
        with suppress(PublishFailed):
            await made.publisher.publish_event(EventType.PRODUCT_CREATED, "Product", number)
            return


async def left(remains: Remains) -> list[str]:
    """Return what is left of a service, and not of the servers of this test, half a second after its end."""
    theirs = "asyncio_", "process_request_thread", "(_serve)", "(serve_forever)"
    end = monotonic() + 0.5  # a thread that has done its work may not have gone yet
    while names := [one for one in remains() if not any(name in one for name in theirs)]:
        if monotonic() > end:
            break
        await asyncio.sleep(0.01)
    return names


async def stopped_within(made: XerpiumService, seconds: float) -> bool:
    """Return whether a service ends in the time that it is given."""
    began = monotonic()
    await made.astop(timeout=seconds)
    return monotonic() - began < seconds + 0.2
