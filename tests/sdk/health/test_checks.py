"""The usual checks, on real engines, and the routes that answer with them."""

import os
import socket
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import httpx2
import psutil
import psycopg
import pytest
import redis
from django.db import connection
from django.test import RequestFactory
from fastapi import FastAPI
from psycopg_pool import ConnectionPool
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from apps.core.redis import client
from tests.sdk.hub import Hub, service, snapshot
from tests.support.database import transactional_db
from xerpium_sdk.django.health import health_checker, health_urls
from xerpium_sdk.health import CheckResult, HealthChecker, Monitor, checks
from xerpium_sdk.health.fastapi import health_router
from xerpium_sdk.registry import Catalog

__all__ = ["transactional_db"]

pytestmark = pytest.mark.anyio


def conninfo() -> str:
    """Return where the tests' database is, as psycopg has it."""
    wanted = ("host", "port", "user", "password", "dbname")
    known = connection.get_connection_params()
    return psycopg.conninfo.make_conninfo(**{name: known[name] for name in wanted if name in known})


def connect() -> psycopg.Connection:
    return psycopg.connect(conninfo())


async def connect_later() -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(conninfo())


def result_of(check: Any) -> CheckResult:
    monitor = Monitor(check_seconds=5, after_check=lambda: connection.close())
    monitor.register("it", check)
    return monitor.report().checks["it"].result


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["django", "function", "pool", "engine", "async engine"])
def test_a_database_is_asked_through_whatever_a_service_has(kind: str) -> None:
    connection.ensure_connection()
    if kind == "pool":
        with ConnectionPool(conninfo(), min_size=1) as pool:
            assert result_of(checks.database(pool)) == CheckResult(
                True, {"pool_size": 1, "pool_available": 0, "requests_waiting": 0}
            )
        return
    if kind.endswith("engine"):
        if kind == "engine":
            made: Any = create_engine("postgresql+psycopg://", creator=connect)
            result = result_of(checks.database(made))
            made.dispose()
            assert result.details["pool_size"] == 5
        else:
            made = create_async_engine("postgresql+psycopg://", async_creator=connect_later, poolclass=NullPool)
            result = result_of(checks.database(made))
        assert result.healthy, result
        assert result.details["driver"] == "postgresql"
        return
    sources: dict[str, Any] = {"function": connect, "django": connection}
    assert result_of(checks.database(sources[kind])).healthy


def test_a_database_that_is_away_is_unhealthy_and_says_no_more_than_its_kind_of_error() -> None:
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        address = listening.getsockname()[1]
    check = checks.database(lambda: psycopg.connect(f"host=127.0.0.1 port={address} dbname=secret connect_timeout=1"))
    assert result_of(check) == CheckResult(False, {"error": "OperationalError"})
    with pytest.raises(TypeError, match="int is no database"):
        checks.database(42)


async def test_redis_is_asked_and_nothing_is_left_behind() -> None:
    before = client().dbsize()
    address: dict[str, Any] = client().connection_pool.connection_kwargs
    known = {name: address[name] for name in ("host", "port", "db", "username", "password", "path") if name in address}
    for kind in (redis.Redis, redis.asyncio.Redis):
        kind_of_connection = {"unix_socket_path": known["path"]} if "path" in known else {}
        asked = kind(**{name: value for name, value in known.items() if name != "path"}, **kind_of_connection)
        monitor = Monitor()
        monitor.register("redis", checks.redis(asked))
        result = (await monitor.report_async()).checks["redis"].result
        assert result.healthy, result
        assert set(result.details) == {"version", "memory_used"}
        await asked.aclose() if kind is redis.asyncio.Redis else asked.close()
    assert client().dbsize() == before


def test_services_are_looked_up_in_the_catalogue(hub: Hub) -> None:
    with closing(socket.socket()):
        hub.opening = [snapshot(1, service("product-service"))]
        with Catalog(hub.url) as catalog:
            assert result_of(checks.external_services(catalog, ["product-service"])) == CheckResult(
                True, {"product-service": "available"}
            )
            assert result_of(checks.external_services(catalog, ["product-service", "nobody"])).details == {
                "product-service": "available", "nobody": "not_found",
            }  # fmt: skip
    assert result_of(checks.external_services(Catalog(hub.url), ["product-service"])).details == {
        "error": "the catalogue has not been loaded yet"
    }


def test_the_disk_and_the_memory_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = result_of(checks.disk_space("/", min_free_percent=0)).details
    assert set(disk) == {"total_gb", "used_gb", "free_gb", "free_percentage"}
    assert not result_of(checks.disk_space("/", min_free_percent=100)).healthy
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=100, available=9))
    assert result_of(checks.memory()) == CheckResult(
        False, {"total_gb": 0.0, "used_gb": 0.0, "free_gb": 0.0, "percentage": 91.0}
    )


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="asks Linux")
def test_memory_is_known_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    assert result_of(checks.memory(max_used_percent=100)).healthy


@pytest.fixture
def answers() -> dict[str, bool]:
    return {"critical": True, "other": True}


def checker(answers: dict[str, bool]) -> HealthChecker:
    made = HealthChecker("orders", "1.2.0", disk_path=None, max_memory_percent=None, keep_seconds=0)
    made.register("critical", lambda: answers["critical"])
    made.register("other", lambda: answers["other"], critical=False)
    return made


async def test_the_routes_of_fastapi(answers: dict[str, bool]) -> None:
    app = FastAPI()
    app.include_router(health_router(checker(answers)))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://orders") as http:
        healthy = await http.get("/health")
        assert (healthy.status_code, healthy.json()["status"]) == (200, "healthy")
        assert healthy.headers["cache-control"] == "no-store"
        answers["other"] = False
        assert (await http.get("/health")).json()["status"] == "degraded"
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"], list(ready.json()["checks"])) == (200, "ready", ["critical"])
        answers["critical"] = False
        assert (await http.get("/health")).status_code == 503
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
        alive = await http.get("/health/live")
        assert (alive.status_code, alive.json()) == (200, {"service": "orders", "version": "1.2.0", "status": "alive"})


def test_the_views_of_django(transactional_db: None) -> None:
    made = health_checker("orders", "1.2.0", disk_path=None, max_memory_percent=None, keep_seconds=0)
    views = {pattern.name: pattern.callback for pattern in health_urls(made)}
    request = RequestFactory().get("/")
    assert views["health"](request).status_code == 200
    made.register("critical", lambda: False)
    for name, status in {"health": 503, "health-ready": 503, "health-live": 200}.items():
        answer = views[name](request)
        assert answer.status_code == status
        assert "no-store" in answer["Cache-Control"]
