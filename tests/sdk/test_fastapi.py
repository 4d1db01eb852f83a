"""One line to join, one to follow, and the two example services, against a small hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

import httpx2
import pytest
from fastapi import FastAPI
from redis import Redis

from tests.sdk._tasks import wait_until
from tests.sdk.conftest import Importer
from tests.sdk.hub import Hub, change, instance, service, snapshot
from xerpium_sdk.auth.fastapi import protect
from xerpium_sdk.events import AsyncEventPublisher, EventConsumer, EventPayload, EventType
from xerpium_sdk.fastapi import consume, follow, join, publish
from xerpium_sdk.registry import Registration
from xerpium_sdk.testing import TestIssuer
from xerpium_sdk.wire.keys import STREAM_EVENTS

pytestmark = pytest.mark.anyio


async def test_an_application_is_a_member_between_its_start_and_its_end(hub: Hub) -> None:
    seen: list[tuple[str, bool]] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        seen.append(("start", bool(hub.known)))
        yield {"database": "open"}
        seen.append(("end", bool(hub.known)))

    app = FastAPI(lifespan=lifespan)
    hub.opening = [snapshot(1, service("product-service"))]
    catalog = follow(app, hub.url)
    member = join(app, hub.url, Registration(name="a", version="1.0.0", host="127.0.0.1", port=8101))
    async with app.router.lifespan_context(app) as state:
        assert state == {"database": "open"}
        assert catalog.choose("product-service")
        await wait_until(lambda: member.joined, description="the application has joined")
    assert seen == [("start", False), ("end", False)]


@pytest.fixture
def products(example: Importer) -> ModuleType:
    """The product service."""
    return example("product_service")


@pytest.fixture
def orders(example: Importer) -> ModuleType:
    """The order service."""
    return example("order_service")


def caller(module: ModuleType) -> httpx2.AsyncClient:
    """Return a client of an example's own API."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(module.app), base_url="http://example")


async def test_the_product_service_joins_and_keeps_products(hub: Hub, products: ModuleType) -> None:
    async with products.app.router.lifespan_context(products.app), caller(products) as call:
        await wait_until(lambda: hub.requests("POST", "services/health"), description="its first report")
        health = await call.get("/health")
        assert (health.status_code, health.json()["checks"]["hub"]["status"]) == (200, "healthy")
        kitchen, office = (await call.get("/api/v1/categories")).json()
        lamp = {"sku": "DSK-08", "name": "Brass lamp", "category_id": office["id"], "price": "59.00"}
        added = await call.post("/api/v1/products", json=lamp)
        assert added.status_code == 201
        found = (await call.get("/api/v1/products", params={"category_id": office["id"], "q": "LAMP"})).json()
        assert [product["name"] for product in found] == ["Desk lamp", "Brass lamp"]
        assert (await call.get(f"/api/v1/products/{added.json()['id']}")).json()["price"] == "59.00"
        refused = [
            await call.post("/api/v1/products", json=lamp),
            await call.post("/api/v1/products", json=lamp | {"sku": "X1", "category_id": 99}),
            await call.get("/api/v1/products/99"),
        ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [
        (409, "duplicate_sku"),
        (422, "unknown_category"),
        (404, "not_found"),
    ]
    registration = hub.requests("POST", "services/register")[0].body
    assert registration["health_check_url"] == "http://127.0.0.1:8101/health"
    assert (registration["lease_seconds"], registration["poll_interval_seconds"]) == (30, 5)
    details = hub.requests("POST", "services/health")[0].body["details"]
    assert (details["products"], details["categories"]) == (4, 2)
    assert kitchen["name"] == "Kitchen"


async def test_orders_are_placed_at_the_product_service_and_refused_without_it(
    hub: Hub, orders: ModuleType, products: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_products = httpx2.AsyncClient(transport=httpx2.ASGITransport(products.app))
    monkeypatch.setattr(orders.service.services, "_http", to_products)
    order = {"customer": "Ada", "lines": [{"product_id": 3, "quantity": 2}, {"product_id": 6, "quantity": 1}]}
    hub.opening = [snapshot(1, service("product-service"))]
    async with to_products, orders.app.router.lifespan_context(orders.app), caller(orders) as call:
        placed = await call.post("/api/v1/orders", json=order)
        assert (placed.status_code, placed.json()["total"]) == (201, "54.80")
        assert (await call.get(f"/api/v1/orders/{placed.json()['id']}")).json() == placed.json()
        wrong = await call.post("/api/v1/orders", json=order | {"lines": [{"product_id": 99, "quantity": 1}]})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "unknown_product")

        await wait_until(lambda: hub.requests("POST", "services/health"), description="its first report")
        gone = service("product-service", 2, [instance(status="unhealthy")], status="unhealthy")
        hub.say(change(gone))
        await wait_until(
            lambda: [call.body["status"] for call in hub.requests("POST", "services/health")][-1:] == ["degraded"],
            description="the order service says that it is degraded",
        )
        away = await call.post("/api/v1/orders", json=order)
        assert (away.status_code, away.headers["retry-after"]) == (503, "5")
        assert "can take work: unhealthy" in away.json()["detail"]
        assert (await call.get("/health")).json()["status"] == "degraded"
        assert len((await call.get("/api/v1/orders")).json()) == 1
        assert (await call.get("/api/v1/orders/99")).status_code == 404


async def test_a_product_service_that_does_not_answer_is_named(
    hub: Hub, orders: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        tries.append(str(request.url))
        raise httpx2.ConnectError("refused", request=request)

    dead = httpx2.AsyncClient(transport=httpx2.MockTransport(refuse))
    monkeypatch.setattr(orders.service.services, "_http", dead)
    hub.opening = [snapshot(1, service("product-service"))]
    async with dead, orders.app.router.lifespan_context(orders.app), caller(orders) as call:
        await wait_until(lambda: hub.requests("POST", "services/health"), description="its first report")
        order = {"customer": "Ada", "lines": [{"product_id": 3, "quantity": 2}]}
        answer = await call.post("/api/v1/orders", json=order)
    assert (answer.status_code, answer.json()["code"]) == (503, "products_unavailable")
    assert "did not answer GET: ConnectError refused" in answer.json()["detail"]
    assert tries == ["http://10.0.3.17:8101/api/v1/products/3"] * 3


async def test_consumers_and_publishers_live_as_long_as_their_application() -> None:
    app, heard, closed = FastAPI(), asyncio.Event(), []
    loops: list[asyncio.AbstractEventLoop] = []
    publisher = publish(app, AsyncEventPublisher("shop"))
    consumer = consume(app, EventConsumer("shop"))

    @consumer.on(EventType.PRODUCT_CREATED)
    async def hear(event: EventPayload) -> None:
        loops.append(asyncio.get_running_loop())
        heard.set()

    async with app.router.lifespan_context(app):
        await publisher.publish_event(EventType.PRODUCT_CREATED, "Product", 1)
        await asyncio.wait_for(heard.wait(), 10)
        closed.append(consumer.running)
    closed.append(consumer.running)
    consumer.close()
    assert (loops, closed) == ([asyncio.get_running_loop()], [True, False])


async def test_an_application_runs_on_when_its_consumer_cannot_start(
    redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.set(STREAM_EVENTS, "no stream", ex=60)
    app = FastAPI()
    consumer = consume(app, EventConsumer("shop"))
    async with app.router.lifespan_context(app):
        await wait_until(lambda: "are not handled any more" in caplog.text, description="the log to say so")
    consumer.close()


async def test_an_order_moves_the_stock_and_low_stock_is_told(
    hub: Hub, orders: ModuleType, products: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_products = httpx2.AsyncClient(transport=httpx2.ASGITransport(products.app))
    monkeypatch.setattr(orders.service.services, "_http", to_products)
    hub.opening = [snapshot(1, service("product-service"))]
    async with (
        to_products,
        products.app.router.lifespan_context(products.app),
        orders.app.router.lifespan_context(orders.app),
        caller(orders) as call,
    ):
        order = {"customer": "Ada", "lines": [{"product_id": 3, "quantity": 95}, {"product_id": 4, "quantity": 1}]}
        assert (await call.post("/api/v1/orders", json=order)).status_code == 201
        await wait_until(
            lambda: orders.events.running_low == {3: "Coffee mug: 5 left"},
            description="the order service to hear that a product runs low",
        )
        await wait_until(lambda: products.store.products[4].stock == 99, description="the whole order to be taken")


async def test_an_order_that_nobody_hears_of_is_not_placed(
    hub: Hub, orders: ModuleType, products: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_products = httpx2.AsyncClient(transport=httpx2.ASGITransport(products.app))
    monkeypatch.setattr(orders.service.services, "_http", to_products)
    hub.opening = [snapshot(1, service("product-service"))]
    async with (
        AsyncEventPublisher("order-service", redis_url="redis://127.0.0.1:1/0", attempts=1) as nowhere,
        to_products,
        orders.app.router.lifespan_context(orders.app),
        caller(orders) as call,
    ):
        await wait_until(lambda: hub.requests("POST", "services/health"), description="its first report")
        monkeypatch.setitem(orders.service._parts.__dict__, "publisher", nowhere)
        order = {"customer": "Ada", "lines": [{"product_id": 3, "quantity": 1}]}
        refused = await call.post("/api/v1/orders", json=order)
        assert (refused.status_code, refused.json()["code"]) == (503, "events_unavailable")
        assert (await call.get("/api/v1/orders")).json() == []


async def test_with_keys_the_examples_know_each_other_and_let_nobody_else_in(
    hub: Hub, example: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XERPIUM_SERVICE_KEY", "xrp_test")
    monkeypatch.setenv("XERPIUM_SERVICE_NAME", "product-service")
    issuer = TestIssuer()
    hub.issue = lambda asked: issuer.token(asked["service_name"])
    hub.opening = [snapshot(1, service("product-service"))]
    orders, products = example("order_service"), example("product_service")
    for module in (orders, products):
        protect(module.app, issuer.verifier("an-example"))
    to_products = httpx2.AsyncClient(transport=httpx2.ASGITransport(products.app))
    monkeypatch.setattr(orders.service.services, "_http", to_products)
    order = {"customer": "Ada", "lines": [{"product_id": 3, "quantity": 2}]}
    till = issuer.headers("till")
    async with (
        to_products,
        orders.app.router.lifespan_context(orders.app),
        caller(orders) as call,
        caller(products) as ask,
    ):
        assert (await call.post("/api/v1/orders", json=order, headers=till)).status_code == 201
        assert (await ask.get("/api/v1/products", headers=till)).status_code == 200
        refused = [await call.post("/api/v1/orders", json=order), await ask.get("/api/v1/products")]
        assert [answer.status_code for answer in refused] == [401, 401]
        assert [(await one.get("/health")).status_code for one in (call, ask)] == [200, 200]
        hub.issue = None  # what comes now is no token of the hub's
        orders.service.auth.source._lives.clear()
        away = await call.post("/api/v1/orders", json=order, headers=till)
        assert (away.status_code, away.json()["code"]) == (503, "products_unavailable")
    assert all("authorization" in call.headers for call in hub.requests("POST", "services/register"))
