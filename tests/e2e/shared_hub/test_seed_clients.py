"""Clients that were written before this hub work against it with nothing but its address changed.

The first tests run the code of the document in which those clients are described, where that lies beside this checkout
(or where SEED_DOCUMENT says); their only help are the imports that it lacks. The others send the same kind of requests
in words of our own, and run everywhere.
"""

import asyncio
import datetime as dt
import sys
import time
import typing
from collections.abc import Awaitable, Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.running_hub import RunningHub
from tests.support.seed_code import DOCUMENT, code_of

LACKING = {"datetime": dt.datetime, "time": time, "List": typing.List}  # noqa: UP006 - the name that its code uses
HOST = "127.0.0.1"

Work = Callable[[int], Awaitable[None]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning"),  # the document's clients are of before 3.12
]


def with_a_service(work: Work) -> None:
    """Run ``work`` beside a small service; it is given the service's port."""

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def products(request: web.Request) -> web.Response:
        sent = await request.json() if request.can_read_body else None
        return web.json_response({"method": request.method, "sent": sent})

    async def run() -> None:
        application = web.Application()
        application.router.add_get("/health", health)
        application.router.add_route("*", "/api/v1/products", products)
        runner = web.AppRunner(application)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            await work(runner.addresses[0][1])
        finally:
            await runner.cleanup()

    asyncio.run(run())


# --- the clients of the document ------------------------------------------------------------------------------------


@pytest.fixture
def seed(running_hub: RunningHub) -> Iterator[SimpleNamespace]:
    """The document's two modules, ``registration`` and ``client``, and the settings that they read."""
    if not DOCUMENT.is_file():
        pytest.skip("the document with the clients of before is not beside this checkout (SEED_DOCUMENT names it)")
    settings = SimpleNamespace(
        SERVICE_REGISTRY_URL=running_hub.url, SERVICE_NAME="product-service", SERVICE_HOST=HOST, SERVICE_PORT=0
    )
    config = ModuleType("app.core.config")
    config.settings = settings  # type: ignore[attr-defined]
    parents = {name: ModuleType(name) for name in ("app", "app.core", "seed")}
    with pytest.MonkeyPatch.context() as patch:
        for name, module in {**parents, "app.core.config": config}.items():
            patch.setitem(sys.modules, name, module)
        registration = load("registration.py")
        patch.setitem(sys.modules, "seed.registration", registration)
        yield SimpleNamespace(settings=settings, registration=registration, client=load("service_client.py"))


def load(title: str) -> ModuleType:
    """Return the first block of code below ``**title**`` as a module of the package ``seed``."""
    text = code_of(DOCUMENT, title)
    module = ModuleType(f"seed.{title.removesuffix('.py')}")
    module.__package__ = "seed"
    sys.modules[module.__name__] = module  # dataclasses look their module up
    vars(module).update(LACKING)
    exec(compile(text, title, "exec"), vars(module))
    return module


@pytest.fixture(autouse=True)
def forget_modules() -> Iterator[None]:
    """Leave no module of the document behind."""
    yield
    for name in [name for name in sys.modules if name.startswith("seed.")]:
        del sys.modules[name]


def test_the_documents_clients_register_report_discover_and_call(seed: SimpleNamespace) -> None:
    registry, client = seed.registration.service_registry, seed.client.service_client

    async def work(port: int) -> None:
        seed.settings.SERVICE_PORT = port
        assert await seed.registration.register_current_service() is True
        assert await seed.registration.register_current_service() is True, "a restart"
        assert await registry.update_health_status("healthy", {"cpu_usage": "5%", "last_error": None}) is True
        found = await registry.discover_service("product-service")
        assert (found["host"], found["port"], found["status"]) == (HOST, port, "healthy")
        assert await client.check_service_capability("product-service", "inventory_tracking") is True
        assert await client.check_service_capability("product-service", "time_travel") is False
        assert await client.call_service("product-service", "/products") == {"method": "GET", "sent": None}
        sent = await client.call_service("product-service", "products", method="POST", data={"name": "chair"})
        assert sent == {"method": "POST", "sent": {"name": "chair"}}

    with_a_service(work)


def test_the_documents_clients_are_told_what_is_not_there(seed: SimpleNamespace) -> None:
    registry, client = seed.registration.service_registry, seed.client.service_client

    async def work(port: int) -> None:
        assert await registry.discover_service("never-heard-of") is None
        assert await client.call_service("never-heard-of", "products") is None
        registry.service_info = {"name": "never-heard-of"}
        assert await registry.update_health_status("healthy") is False

    with_a_service(work)


# --- the same in our own words ----------------------------------------------------------------------------------------


def declared(name: str, port: int) -> dict[str, Any]:
    """Return what a client of that time says about its service, `null` where it has nothing to say."""
    base = f"http://{HOST}:{port}"
    return {
        "name": name,
        "version": "1.0.0",
        "host": HOST,
        "port": port,
        "health_check_url": f"{base}/health",
        "api_base_url": f"{base}/api/v1",
        "api_docs_url": None,
        "tags": ["business", "erp"],
        "capabilities": ["stock_keeping"],
        "dependencies": ["a-service-of-later"],
        "metadata": None,
        "company_id": None,
    }


async def call(hub: RunningHub, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Send one request over a session of its own, as those clients do; return status and JSON."""
    patience = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{hub.url}/api/v1/{path}", json=body, timeout=patience) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


def test_a_client_of_before_registers_reports_and_is_found(running_hub: RunningHub) -> None:
    async def work(port: int) -> None:
        for _ in range(2):
            status, record = await call(running_hub, "POST", "services/register", declared("stock", port))
            assert status == 201
        assert record["api_docs_url"] is None
        assert record["metadata"] == {}
        report = {
            "service_name": "stock",
            "status": "healthy",
            "details": {"memory_usage": "150MB", "active_connections": 10, "last_error": None},
            "timestamp": dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(),
        }
        status, answer = await call(running_hub, "POST", "services/health", report)
        assert (status, answer["status"]) == (200, "healthy")
        status, record = await call(running_hub, "GET", "services/stock")
        assert status == 200
        sent = declared("stock", port)
        assert {name: record[name] for name in sent} == {**sent, "metadata": {}}
        assert record["status"] == "healthy"
        assert len(record["instances"]) == 1

    with_a_service(work)


@pytest.mark.parametrize("details", [{}, None])
def test_a_report_needs_no_details(details: object, running_hub: RunningHub) -> None:
    async def work(port: int) -> None:
        await call(running_hub, "POST", "services/register", declared("terse", port))
        report = {"service_name": "terse", "status": "degraded", "details": details, "timestamp": None}
        status, answer = await call(running_hub, "POST", "services/health", report)
        assert (status, answer["status"]) == (200, "degraded")

    with_a_service(work)


def test_who_is_not_known_is_told_so_and_registers_again(running_hub: RunningHub) -> None:
    async def work(port: int) -> None:
        status, problem = await call(
            running_hub, "POST", "services/health", {"service_name": "stranger", "status": "healthy"}
        )
        assert (status, problem["status"]) == (404, 404)
        assert (await call(running_hub, "GET", "services/stranger"))[0] == 404

    with_a_service(work)
