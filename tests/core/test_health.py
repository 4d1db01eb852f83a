"""Health: what is checked, what it costs, and what a check that fails or hangs does to the answer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from apps.core import endpoints, health
from apps.core.health import CheckResult, Monitor, Protection

pytestmark = pytest.mark.urls("tests.core.urls")


def fail() -> CheckResult:
    raise ConnectionError("10.0.0.1 refused")


@pytest.mark.parametrize(("percent", "healthy"), [(10.0, True), (89.9, True), (90.1, False), (100.0, False)])
def test_the_disk_needs_a_tenth_free(monkeypatch: pytest.MonkeyPatch, percent: float, healthy: bool) -> None:
    monkeypatch.setattr(psutil, "disk_usage", lambda path: SimpleNamespace(percent=percent, free=5))
    result = health.check_disk_space()
    assert result.healthy is healthy
    assert result.details == {"free_percent": round(100 - percent, 1), "free_bytes": 5}


@pytest.mark.parametrize(("percent", "healthy"), [(10.0, True), (90.0, True), (90.1, False)])
def test_memory_may_be_nine_tenths_used(monkeypatch: pytest.MonkeyPatch, percent: float, healthy: bool) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(percent=percent, available=7))
    assert health.check_memory() == CheckResult(healthy, {"used_percent": percent, "available_bytes": 7})


def test_the_disk_of_a_data_directory_that_is_not_there_yet_is_its_parents(settings: Settings) -> None:
    settings.HUB_DATA_DIR = settings.BASE_DIR / "not" / "there"
    assert health.check_disk_space().details["free_bytes"]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Monitor:
    """The hub's own checks, with no report kept from another test."""
    monitor = Monitor(after_check=health.give_back)
    for check in health._monitor._checks.values():
        monitor.register(check.name, check.function, critical=check.critical)
    monkeypatch.setattr(health, "report", monitor.report)
    monkeypatch.setattr(endpoints, "_migrated", endpoints._Migrated())
    return monitor


@pytest.fixture
def protected() -> Iterator[None]:
    before = health._protection
    health.register_protection(lambda: Protection(True, datetime(2026, 1, 2, tzinfo=UTC), "42 % of all leases"))
    yield
    health.register_protection(before)


@pytest.mark.django_db
class TestEndpoints:
    def test_health_has_the_shape_of_the_contract(self, client: Client, fresh: Monitor, settings: Settings) -> None:
        answer = client.get("/health")
        document = answer.json()
        assert answer.status_code == 200
        assert list(document) == ["service", "timestamp", "status", "version", "protection", "checks"]
        assert (document["service"], document["version"]) == ("xerpium", settings.VERSION)
        assert document["timestamp"].endswith("Z")
        assert list(document["checks"]) == ["database", "redis", "external_services", "disk_space", "memory"]
        for check in document["checks"].values():
            assert list(check) == ["status", "details", "response_time_ms"]
        assert document["checks"]["external_services"]["details"] == {}
        assert document["checks"]["database"]["status"] == document["checks"]["redis"]["status"] == "healthy"

    def test_protection_is_shown(self, client: Client, fresh: Monitor, protected: None) -> None:
        assert client.get("/health").json()["protection"] == {
            "active": True,
            "since": "2026-01-02T00:00:00.000Z",
            "reason": "42 % of all leases",
        }

    def test_a_critical_check_that_fails_is_a_503_with_the_same_document(self, client: Client, fresh: Monitor) -> None:
        fresh.register("redis", fail, critical=True)
        answer = client.get("/health")
        assert answer.status_code == 503
        assert answer.json()["status"] == "unhealthy"
        assert answer.json()["checks"]["redis"]["status"] == "unhealthy"
        assert "10.0.0.1" not in answer.text

    def test_any_other_that_fails_is_not(self, client: Client, fresh: Monitor) -> None:
        fresh.register("disk_space", fail, critical=False)
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")

    def test_ready_when_the_database_is_there_and_migrated(self, client: Client, fresh: Monitor) -> None:
        answer = client.get("/health/ready")
        assert answer.status_code == 200
        assert answer.json() == {"service": "xerpium", "status": "ready", "missing": []}

    def test_not_ready_without_the_database(self, client: Client, fresh: Monitor) -> None:
        fresh.register("database", fail, critical=True)
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["missing"]) == (503, ["database"])

    def test_ready_without_redis(self, client: Client, fresh: Monitor) -> None:
        """Discovery is answered from memory; taking the hub out of service would help nobody."""
        fresh.register("redis", fail, critical=True)
        assert client.get("/health/ready").status_code == 200

    def test_not_ready_before_the_last_migration(self, client: Client, fresh: Monitor) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'core' RETURNING app, name, applied")
            rows = cursor.fetchall()
        assert client.get("/health/ready").json()["missing"] == ["migrations"]
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", rows)
        assert client.get("/health/ready").status_code == 200

    def test_that_migrations_are_applied_is_asked_once(self, client: Client, fresh: Monitor) -> None:
        assert client.get("/health/ready").status_code == 200
        with connection.execute_wrapper(self.refuse):
            assert client.get("/health/ready").status_code == 200

    def test_alive_without_any_engine(self, client: Client) -> None:
        with connection.execute_wrapper(self.refuse):
            answer = client.get("/health/live/")
        assert answer.json() == {"service": "xerpium", "status": "alive"}

    @staticmethod
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise OperationalError("no query expected")


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
def test_probes_need_no_credentials_and_may_use_the_slash(
    client: Client, fresh: Monitor, settings: Settings, path: str
) -> None:
    settings.HUB_OPEN = False
    for name in fresh._checks:
        fresh.register(name, lambda: CheckResult(True), critical=False)
    if path == "/health/ready":
        endpoints._migrated._known = True
    for address in (path, f"{path}/"):
        for verb in (client.get, client.head):
            assert verb(address, REMOTE_ADDR="10.0.0.1").status_code == 200
        assert client.post(address).status_code == 405
