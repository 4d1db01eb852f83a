"""The clients that services have today, against the hub over HTTP: their words, their verbs, their silences.

They send naive times and ``null`` where they have nothing to say, and look at nothing but the status and a few fields.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import aiohttp
import pytest
from django.db import connection

from apps.registry.models import HistoryEntry, Instance
from apps.registry.services import operations
from tests.support.server import serving

pytestmark = pytest.mark.usefixtures("hub")

T = TypeVar("T")
INFO: dict[str, Any] = {
    "name": "product-service",
    "version": "1.0.0",
    "host": "localhost",
    "port": 18201,
    "health_check_url": "http://localhost:18201/health",
    "api_base_url": "http://localhost:18201/api/v1",
    "api_docs_url": "http://localhost:18201/api/docs",
    "tags": ["business", "erp", "products"],
    "capabilities": ["product_management", "inventory_tracking"],
    "dependencies": ["user-auth-service", "company-partner-service"],
}


class RegistryOfToday:
    """Registers, reports and discovers as services of today do."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def register(self, info: dict[str, Any]) -> int:
        async with self._session.post("/api/v1/services/register", json=info) as response:
            return response.status

    async def report(self, name: str, status: str, details: dict[str, Any] | None = None) -> int:
        sent = {
            "service_name": name,
            "status": status,
            "details": details or {},
            "timestamp": dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(),
        }
        async with self._session.post("/api/v1/services/health", json=sent) as response:
            return response.status

    async def discover(self, name: str) -> dict[str, Any] | None:
        async with self._session.get(f"/api/v1/services/{name}") as response:
            return await response.json() if response.status == 200 else None

    async def has_capability(self, name: str, capability: str) -> bool:
        found = await self.discover(name)
        return found is not None and capability in found.get("capabilities", [])


Talk = Callable[[RegistryOfToday], Coroutine[Any, Any, T]]


@pytest.fixture(params=[True, False], ids=["fast paths", "Django"])
def talk(request: pytest.FixtureRequest, hub: None) -> Iterator[Callable[[Talk[T]], T]]:
    """Let a client talk to the hub, with its fast paths and without them."""
    with serving(fast_paths=request.param) as (host, port):

        async def run(conversation: Talk[T]) -> T:
            async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
                return await conversation(RegistryOfToday(session))

        yield lambda conversation: asyncio.run(run(conversation))


def test_the_life_of_a_service_of_today(talk: Any) -> None:
    async def conversation(registry: RegistryOfToday) -> None:
        assert await registry.discover("product-service") is None
        assert await registry.report("product-service", "healthy") == 404
        assert await registry.register(INFO) == 201
        assert await registry.register(INFO) == 201
        for _ in range(3):
            assert await registry.report("product-service", "healthy", {"cpu_usage": "5%", "last_error": None}) == 200
        found = await registry.discover("product-service")
        assert found is not None
        assert {name: found[name] for name in INFO} == INFO
        assert found["status"] == "healthy"
        assert await registry.has_capability("product-service", "inventory_tracking")
        assert not await registry.has_capability("product-service", "time_travel")
        assert not await registry.has_capability("nobody", "inventory_tracking")

    talk(conversation)
    assert Instance.objects.get().reported_status == "healthy"
    assert list(HistoryEntry.objects.order_by("id").values_list("change", flat=True)) == [
        "registered",
        "status_changed",
    ]


def test_nothing_to_say_is_said_with_null(talk: Any) -> None:
    async def conversation(registry: RegistryOfToday) -> None:
        assert await registry.register({**INFO, "api_docs_url": None, "tags": None, "dependencies": None}) == 201
        found = await registry.discover("product-service")
        assert found is not None
        assert (found["api_docs_url"], found["tags"], found["dependencies"]) == (None, [], [])

    talk(conversation)


@pytest.mark.parametrize("status", ["healthy", "degraded", "unhealthy"])
def test_what_services_of_today_report(status: str, talk: Any) -> None:
    async def conversation(registry: RegistryOfToday) -> str:
        await registry.register(INFO)
        assert await registry.report("product-service", status) == 200
        found = await registry.discover("product-service")
        assert found is not None
        return str(found["status"])

    assert talk(conversation) == status


def test_two_copies_of_one_service_on_two_ports(talk: Any) -> None:
    async def conversation(registry: RegistryOfToday) -> list[str]:
        assert await registry.register(INFO) == 201
        assert await registry.register({**INFO, "port": 18202}) == 201
        assert await registry.report("product-service", "healthy") == 200
        found = await registry.discover("product-service")
        assert found is not None
        return [one["status"] for one in found["instances"]]

    assert talk(conversation) == ["healthy", "healthy"]


def test_a_service_that_is_forgotten_is_told_to_register_again(talk: Any) -> None:
    def forget() -> None:
        operations.service_deregister(
            service="product-service", reason="", actor="operator:ann", now=dt.datetime.now(dt.UTC)
        )
        connection.close()

    async def conversation(registry: RegistryOfToday) -> None:
        await registry.register(INFO)
        assert await registry.report("product-service", "healthy") == 200
        await asyncio.to_thread(forget)
        assert await registry.report("product-service", "healthy") == 404
        assert await registry.register(INFO) == 201
        assert await registry.report("product-service", "healthy") == 200

    talk(conversation)
