"""What `xerpium_sdk` itself has: every name that services know, loaded when it is used, and what stands behind them."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
import redis
from django.conf import settings

import xerpium_sdk
from tests.sdk._tasks import wait_until
from tests.sdk.fleet import fleet_of
from tests.sdk.hub import Hub, snapshot
from xerpium_sdk import ServiceClient, ServiceRegistry, get_redis_async_connection, get_redis_connection

pytestmark = pytest.mark.anyio
OF_THE_FIRST_SERVICES = [
    "ServiceRegistry", "ServiceClient", "ServiceEndpoint", "EventType", "EventPayload", "EventPublisher",
    "EventConsumer", "MenuItem", "MenuRegistrationClient", "UIComponent", "UIWidget", "UIRegistryClient",
    "RequestResponsePattern", "BulkProcessingPattern", "ServiceAuthClient", "verify_service_auth", "CompanyContext",
    "get_company_context", "CircuitBreaker", "CircuitState", "retry_with_exponential_backoff", "HealthChecker",
    "get_redis_connection", "get_redis_async_connection",
]  # fmt: skip
INFO = {
    "name": "stock-service", "version": "1.0.0", "host": "127.0.0.1", "port": 8123,
    "health_check_url": "http://127.0.0.1:8123/health", "api_base_url": "http://127.0.0.1:8123/api/v1",
    "api_docs_url": "http://127.0.0.1:8123/docs", "tags": ["erp"], "capabilities": ["counting"], "dependencies": [],
}  # fmt: skip


def test_every_name_is_there_and_is_listed() -> None:
    for name in {*OF_THE_FIRST_SERVICES, *xerpium_sdk.__all__}:
        assert getattr(xerpium_sdk, name) is not None, name
        assert name in dir(xerpium_sdk)
    assert set(OF_THE_FIRST_SERVICES) <= set(xerpium_sdk.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        xerpium_sdk.Nothing  # noqa: B018


def test_nothing_is_loaded_that_is_not_used_and_what_is_missing_is_named() -> None:
    program = """
import sys, xerpium_sdk
heavy = {"httpx2", "redis", "orjson", "jwt", "fastapi", "django", "stamina", "psutil"} & set(sys.modules)
assert not heavy, heavy
xerpium_sdk.CircuitBreaker, xerpium_sdk.MenuItem
assert not {"redis", "jwt", "fastapi", "django", "stamina"} & set(sys.modules)
sys.modules["redis"] = None
try:
    xerpium_sdk.EventPublisher
except ImportError as error:
    assert "xerpium-sdk[redis]" in str(error), error
else:
    raise AssertionError("without redis there are no events")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_service_registers_reports_and_is_found(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    registry = ServiceRegistry(hub.url)
    assert await registry.update_health_status("healthy") is False
    assert await registry.register_service(INFO) is True
    assert await registry.update_health_status("degraded", {"queue": 7}) is True
    assert hub.requests("POST", "services/health")[-1].body["details"] == {"queue": 7}
    found = await registry.discover_service("stock-service")
    assert found is not None
    assert (found["api_base_url"], found["capabilities"]) == (INFO["api_base_url"], ["counting"])
    hub.known.clear()  # it forgot: the next report registers again
    assert await registry.update_health_status("healthy") is True
    assert hub.known
    assert await registry.discover_service("nobody") is None
    assert await registry.register_service({"name": "stock-service"}) is False
    assert "stock-service is not registered" in caplog.text
    with hub.away():
        assert await registry.register_service(INFO) is False
        assert await registry.discover_service("stock-service") is None


def test_a_client_of_services_is_made_once_and_begins_with_its_first_call(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="XERPIUM_HUB_URL"):
        ServiceClient()
    monkeypatch.setenv("XERPIUM_HUB_URL", hub.url)
    with fleet_of(1) as stock:
        hub.opening = [snapshot(1, stock.record)]
        service_client = ServiceClient()  # no loop runs yet
        assert hub.streams == 0

        async def use() -> Any:
            answers = await asyncio.gather(
                *(service_client.call_service("stock-service", "items") for _ in range(5)),
                service_client.get_service("stock-service"),
                service_client.check_service_capability("stock-service", "counting"),
            )
            # The second time, calls need not wait for it: services are known from the first.
            await wait_until(lambda: hub.streams == 1, description="the catalogue to be followed")
            await service_client.aclose()
            return answers

        for _ in range(2):  # as in a second program, or after a reload: another loop
            *answers, endpoint, able = asyncio.run(use())
            assert answers == [{"instance": "i0"}] * 5
            assert endpoint.capabilities == ("counting",)
            assert able is True


async def test_redis_connections_are_shared_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", settings.REDIS_URL)
    connection = get_redis_connection()
    assert connection is get_redis_connection()
    connection.set("xerpium:test:front", "text", ex=5)
    later = get_redis_async_connection()
    assert await later.get("xerpium:test:front") == "text"
    await later.aclose()
    with pytest.raises(redis.ConnectionError):
        get_redis_connection("redis://127.0.0.1:1/0")
