"""A service on an event loop: what it starts, what it says of itself, what it does without hub or Redis, its end."""

import asyncio
import logging
import os
import threading
from time import monotonic
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette

from tests.sdk._tasks import wait_until
from tests.sdk.fleet import fleet_of
from tests.sdk.hub import change, instance, service, snapshot
from tests.sdk.service.conftest import Maker, Remains
from tests.sdk.ui.hub import UIHub
from tests.support.freezing import FreezingProxy
from xerpium_sdk.auth.fastapi import CompanyContext, get_company_context
from xerpium_sdk.events import EventPublisher
from xerpium_sdk.service import ServiceState, XerpiumService
from xerpium_sdk.testing import TestIssuer
from xerpium_sdk.ui import Manifest, MenuItem
from xerpium_sdk.wire.envelope import EventPayload, EventType

pytestmark = pytest.mark.anyio

NOWHERE = "redis://127.0.0.1:1/0"


def publish(*numbers: int) -> None:
    with EventPublisher("catalogue") as publisher:
        for number in numbers:
            publisher.publish_event(EventType.PRODUCT_CREATED, "Product", number)


def everything(made: XerpiumService) -> list[int]:
    """Let a service have all parts, and return what its handlers hear."""
    heard: list[int] = []

    @made.on(EventType.PRODUCT_CREATED)
    async def hear(event: EventPayload) -> None:
        heard.append(int(event.entity_id or 0))

    @made.on(EventType.PRODUCT_DELETED)
    def forget(event: EventPayload) -> None:
        heard.append(-int(event.entity_id or 0))

    made.menu("Sales", "/sales", "sell")
    assert made.publisher.service_name == made.publisher_sync.service_name == made.name
    assert made.services.catalog is made.services_sync.catalog is made.catalog
    return heard


def ask(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop")


async def test_everything_runs_and_nothing_is_left_as_often_as_it_is_started(hub: UIHub, make: Maker) -> None:
    made = make(details=lambda: {"shelves": 3})
    heard = everything(made)
    for number in (1, 2):
        remains = Remains()
        async with made:
            await wait_until(lambda: made.state.manifest == "applied", description="the manifest")
            publish(number)
            await made.publisher.publish_event(EventType.PRODUCT_DELETED, "Product", number)
            await wait_until(lambda: sorted(heard) == [-number, number], description="both events")  # noqa: B023
            await wait_until(lambda: hub.requests("POST", "services/health"), description="a report")
            state = made.state
            assert (state.running, state.joined, state.consuming) == (True, True, True)
            assert (state.hub_trouble, state.events_trouble, state.catalog_age is not None) == ("", "", True)
        assert made.state == ServiceState(running=False)
        await wait_until(lambda: remains() == [], description="the last thread")  # noqa: B023
        assert hub.known == {}
        heard.clear()
    first = hub.requests("POST", "services/health")[0].body
    assert (first["status"], first["details"]["shelves"]) == ("healthy", 3)
    assert set(first["details"]["response_time_ms"]) == {"redis"}
    assert [item["path"] for item in hub.manifests["shop"]["menus"]] == ["/sales"]


async def test_an_application_answers_for_its_service(hub: UIHub, make: Maker) -> None:
    app, made = FastAPI(), make()
    made.install(app)
    async with app.router.lifespan_context(app), ask(app) as call:
        await wait_until(lambda: made.state.joined, description="membership")
        answer = await call.get("/health", headers={"X-Request-ID": "probe-1"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (200, "probe-1")
        found = answer.json()
        assert (found["service"], found["version"], found["status"]) == ("shop", "1.4.2", "healthy")
        assert found["checks"]["hub"]["details"]["registered"] is True
        assert (await call.get("/health/ready")).json()["status"] == "ready"
        assert (await call.get("/health/live")).json()["status"] == "alive"
    assert made.running is False


async def test_an_application_may_keep_its_own_health_and_its_own_lifespan(make: Maker) -> None:
    made = make()
    app = FastAPI(lifespan=made.lifespan)

    @app.get("/health")
    async def own() -> str:
        return "fine"

    made.install(app)
    async with app.router.lifespan_context(app), ask(app) as call:
        assert (await call.get("/health")).json() == "fine"
        with pytest.raises(RuntimeError, match="shop runs already"):
            await made.astart()


async def test_starlette_without_fastapi_has_the_same(make: Maker) -> None:
    app, made = Starlette(), make(join=False, follow=False)
    made.install(app)

    @made.health.check("printer")
    async def printer() -> bool:
        return False

    async with app.router.lifespan_context(app), ask(app) as call:
        answers = [await call.get(path) for path in ("/health", "/health/ready", "/health/live")]
        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert made.state == ServiceState(running=True)


async def test_a_hub_that_is_away_keeps_nothing_from_starting(
    hub: UIHub, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="xerpium_sdk")
    app, made = FastAPI(), make(lease_seconds=1)
    heard = everything(made)
    made.install(app)
    with hub.away():
        began = monotonic()
        context = app.router.lifespan_context(app)
        await context.__aenter__()
        assert monotonic() - began < 2
        async with ask(app) as call:
            await wait_until(lambda: made.state.hub_trouble, description="trouble")
            answer = await call.get("/health")
            assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
            hub_says = answer.json()["checks"]["hub"]
            assert (hub_says["status"], hub_says["details"]["registered"]) == ("unhealthy", False)
            publish(1)
            await wait_until(lambda: heard == [1], description="an event, hub or not")
    await wait_until(lambda: made.state.joined and made.state.manifest == "applied", description="the hub's return")
    assert made.state.hub_trouble == ""
    await context.__aexit__(None, None, None)
    lines = [record for record in caplog.records if "shop is not in touch with the hub" in record.message]
    assert [record.levelname for record in lines][:1] == ["WARNING"]
    assert len({record.message for record in lines}) == len(lines)
    assert caplog.text.count("shop is in touch with the hub again") == 1


async def test_a_redis_that_comes_later_is_waited_for(make: Maker, caplog: pytest.LogCaptureFixture) -> None:
    way = FreezingProxy(os.environ["REDIS_URL"])
    made = make(redis_url=way.url)
    heard = everything(made)
    async with made:
        await wait_until(lambda: "Redis is away" in caplog.text, description="the log to say so")
        document = await made.health.check_health()
        assert (document["status"], document["checks"]["redis"]["status"]) == ("degraded", "unhealthy")
        with way:
            publish(7)
            await wait_until(lambda: heard == [7], description="the event")
            assert made.state.consuming is True


async def test_events_that_cannot_be_handled_are_said_so(make: Maker, redis_server: Any) -> None:
    redis_server.set("xerpium:events", "no stream", ex=60)
    made = make()
    everything(made)
    async with made:
        await wait_until(lambda: made.state.events_trouble, description="trouble")
        assert "WRONGTYPE" in made.state.events_trouble
        assert made.state.consuming is False
    redis_server.delete("xerpium:events")
    async with made:
        await wait_until(lambda: made.state.consuming, description="another try")
        assert made.state.events_trouble == ""


@pytest.mark.parametrize("hangs", ["hub", "redis", "both"])
async def test_its_end_comes_in_time_whoever_hangs(
    hangs: str, hub: UIHub, make: Maker, hub_way: FreezingProxy, redis_way: FreezingProxy
) -> None:
    made = make(hub_url=hub_way.url, redis_url=redis_way.url, lease_seconds=1)
    hub.lease_seconds = 1
    heard = everything(made)
    remains = Remains()
    await made.astart()
    publish(1)
    await wait_until(lambda: heard == [1] and made.state.manifest == "applied", description="all to work")
    frozen = {"hub": [hub_way], "redis": [redis_way], "both": [hub_way, redis_way]}[hangs]
    for way in frozen:
        way.freeze()
    began = monotonic()
    await made.astop(timeout=2.5)
    assert monotonic() - began < 2.7
    assert remains() == []
    for way in frozen:
        way.thaw()
    async with made:
        publish(2)
        await wait_until(lambda: heard[-1] == 2, description="it to work again")


async def test_its_end_comes_in_time_when_all_hangs_from_the_start(
    make: Maker, hub_way: FreezingProxy, redis_way: FreezingProxy
) -> None:
    hub_way.freeze()
    redis_way.freeze()
    made = make(hub_url=hub_way.url, redis_url=redis_way.url)
    everything(made)
    remains = Remains()
    await made.astart()
    began = monotonic()
    await made.astop(timeout=1.5)
    assert monotonic() - began < 1.7
    assert remains() == []


async def test_handlers_have_time_to_end_and_are_cancelled_then(make: Maker) -> None:
    made, began, ended = make(join=False, follow=False), asyncio.Event(), []

    @made.on(EventType.PRODUCT_CREATED)
    async def hang(event: EventPayload) -> None:
        began.set()
        try:
            await asyncio.sleep(0.3 if event.entity_id == 1 else 60)
            ended.append("done")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    remains = Remains()
    for number in (1, 2):
        await made.astart()
        publish(number)
        await asyncio.wait_for(began.wait(), 10)
        await made.astop(timeout=1.5)
        began.clear()
    assert ended == ["done", "cancelled"]
    await wait_until(lambda: remains() == [], description="the last thread")


async def test_two_services_live_in_one_process(hub: UIHub, make: Maker) -> None:
    shop, bank = make("shop"), make("bank", port=8102)
    heard = everything(shop), everything(bank)
    async with shop:
        async with bank:
            publish(1)
            await wait_until(lambda: heard == ([1], [1]), description="both to hear it")
            await wait_until(lambda: shop.state.joined and bank.state.joined, description="both to join")
            assert {name for name, _ in hub.known} == {"shop", "bank"}
        assert (shop.running, bank.running) == (True, False)
        publish(2)
        await wait_until(lambda: heard[0] == [1, 2], description="the other one to go on")


async def test_what_it_needs_is_watched_and_told_at_once(hub: UIHub, make: Maker) -> None:
    hub.opening = [snapshot(1, service("stock"))]
    made = make(dependencies=["stock"])
    async with made:
        await wait_until(lambda: hub.requests("POST", "services/health"), description="a report")
        hub.say(change(service("stock", 2, [instance(status="unhealthy")], status="unhealthy")))
        await wait_until(
            lambda: hub.requests("POST", "services/health")[-1].body["status"] == "degraded", description="the change"
        )
        told = hub.requests("POST", "services/health")[-1].body["details"]
        assert told["failed"] == {"external_services": {"stock": "unhealthy"}}
    assert hub.requests("POST", "services/register")[0].body["dependencies"] == ["stock"]


async def test_what_it_shows_may_change_while_it_runs(hub: UIHub, make: Maker) -> None:
    made = make(manifest=Manifest(menus=[MenuItem("Sales", "/sales")]))
    async with made:
        await wait_until(lambda: made.state.manifest == "applied", description="the manifest")
        hub.manifests.clear()
        made.menu("Returns", "/returns")
        await wait_until(lambda: "shop" in hub.manifests, description="the change")
    assert [item["path"] for item in hub.manifests["shop"]["menus"]] == ["/sales", "/returns"]
    silent = make()
    async with silent:
        with pytest.raises(RuntimeError, match="nothing to show"):
            silent.menu("Sales", "/sales")
        with pytest.raises(RuntimeError, match="before the service starts"):
            silent.on(EventType.PRODUCT_CREATED)
    assert silent.manifest is None


async def test_a_start_that_is_refused_leaves_nothing(hub: UIHub, make: Maker) -> None:
    made, remains = make(port=None), Remains()
    everything(made)
    with pytest.raises(ValueError, match="XERPIUM_PORT"):
        await made.astart()
    await wait_until(lambda: remains() == [], description="the last thread")
    assert (made.running, hub.known) == (False, {})


async def test_an_end_on_the_wrong_side_is_refused(make: Maker) -> None:
    made = make(join=False, follow=False)
    async with made:
        with pytest.raises(RuntimeError, match="astop"):
            made.stop()
    await asyncio.to_thread(made.start)
    with pytest.raises(RuntimeError, match="stop\\(\\)"):
        await made.astop()
    assert await asyncio.to_thread(made.stop) is True
    assert threading.active_count() < 50


async def test_a_request_goes_through_two_services_with_its_id_its_trace_and_its_company(
    hub: UIHub, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = TestIssuer()
    hub.issue = lambda wanted: issuer.token(wanted["service_name"], company_id=wanted.get("company_id"))
    with fleet_of(1, "stock") as fleet:
        hub.opening = [snapshot(1, fleet.record)]
        app, made = FastAPI(), make(service_key="xrp_key")
        made.install(app)
        monkeypatch.setitem(made._parts.__dict__, "verifier", issuer.verifier("shop"))

        @app.get("/shelves")
        async def shelves(company: Annotated[CompanyContext, Depends(get_company_context)]) -> Any:
            return await made.services.get("stock", "shelves")

        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        given = {"X-Request-ID": "till-7", "traceparent": trace} | issuer.headers("till", company_id=7)
        async with app.router.lifespan_context(app), ask(app) as call:
            assert (await call.get("/shelves", headers=given)).status_code == 200
    (asked,) = (one.headers for one in fleet.asked)
    assert asked["x-request-id"] == "till-7"
    assert asked["traceparent"].split("-")[1] == trace.split("-")[1]
    assert asked["traceparent"] != trace
    brought = issuer.verifier("stock").verify(asked["authorization"].removeprefix("Bearer "))
    assert (brought.service_name, brought.company_id) == ("shop", 7)
