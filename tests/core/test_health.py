"""Health: what is checked, what it costs, and what a check that fails or hangs does to the answer."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
from tests.support.wait import wait_until

pytestmark = pytest.mark.urls("tests.core.urls")


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail() -> CheckResult:
    raise ConnectionError("10.0.0.1 refused")


class TestMonitor:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def monitor(self, clock: Clock) -> Monitor:
        return Monitor(check_seconds=0.2, clock=clock)

    def test_shows_every_check_with_its_details(self, monitor: Monitor) -> None:
        monitor.register("one", lambda: CheckResult(True, {"free": 3}), critical=True)
        report = monitor.report()
        assert report.status == "healthy"
        shown: dict[str, Any] = report.checks["one"].as_json()
        assert 0 <= shown.pop("response_time_ms") < 200
        assert shown == {"status": "healthy", "details": {"free": 3}}

    @pytest.mark.parametrize(
        ("fine", "critical", "status"),
        [(True, True, "healthy"), (False, False, "degraded"), (False, True, "unhealthy")],
    )
    def test_only_a_critical_check_makes_the_hub_unhealthy(
        self, monitor: Monitor, fine: bool, critical: bool, status: str
    ) -> None:
        monitor.register("fine", lambda: CheckResult(True), critical=True)
        monitor.register("other", lambda: CheckResult(fine), critical=critical)
        assert monitor.report().status == status

    def test_what_a_check_raises_makes_it_unhealthy_and_stays_inside(self, monitor: Monitor) -> None:
        monitor.register("broken", fail, critical=True)
        shown = monitor.report().checks["broken"].as_json()
        assert shown["status"] == "unhealthy"
        assert shown["details"] == {"error": "ConnectionError"}

    def test_a_report_is_kept_for_a_second(self, monitor: Monitor, clock: Clock) -> None:
        calls: list[int] = []
        monitor.register("one", lambda: CheckResult(not calls.append(1)), critical=True)  # type: ignore[func-returns-value]  # counts
        first = monitor.report()
        clock.now = 0.99
        assert monitor.report() is first
        clock.now = 1.0
        assert monitor.report() is not first
        assert len(calls) == 2

    def test_a_hundred_probes_at_once_are_one_check(self, monitor: Monitor) -> None:
        calls: list[int] = []
        together = threading.Barrier(20)

        def check() -> CheckResult:
            calls.append(1)
            return CheckResult(True)

        def probe(_: int) -> str:
            together.wait(5)
            return monitor.report().status

        monitor.register("one", check, critical=True)
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(probe, range(20))) == {"healthy"}
        assert len(calls) == 1

    def test_a_check_that_hangs_costs_its_cap_and_one_thread(self, monitor: Monitor, clock: Clock) -> None:
        release = threading.Event()
        started: list[int] = []

        def hang() -> CheckResult:
            started.append(1)
            release.wait(10)
            return CheckResult(True)

        monitor.register("slow", hang, critical=True)
        monitor.register("fine", lambda: CheckResult(True), critical=True)
        for _ in range(3):
            report = monitor.report()
            clock.now += 1
            assert report.checks["fine"].result.healthy
            assert report.checks["slow"].as_json() == {
                "status": "unhealthy",
                "details": {"error": "no answer within 0.2 s"},
                "response_time_ms": 200.0,
            }
        assert len(started) == 1
        release.set()
        wait_until(lambda: self.healthy_later(monitor, clock), 5, "the check to come back")

    @staticmethod
    def healthy_later(monitor: Monitor, clock: Clock) -> bool:
        clock.now += 1
        return monitor.report().status == "healthy"

    def test_checks_run_side_by_side(self, monitor: Monitor) -> None:
        together = threading.Barrier(3)
        for name in ("a", "b", "c"):
            monitor.register(name, lambda: CheckResult(together.wait(2) >= 0), critical=True)
        assert Monitor.report(monitor).status == "healthy"

    def test_a_later_check_of_a_name_takes_its_place(self, monitor: Monitor) -> None:
        monitor.register("one", fail, critical=True)
        monitor.register("one", lambda: CheckResult(True), critical=True)
        assert monitor.report().status == "healthy"


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
    monitor = Monitor()
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
