"""Health checks: who has something to check registers it, and ``GET /health`` shows them all.

Probes may come a thousand times a second: a report is kept for a second, and only one is made at a time. A check that
hangs costs its own thread and nothing else, and is not started again before it came back.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Literal

import psutil
import structlog
from django.conf import settings
from django.db import connection

from apps.core.redis import client

CHECK_SECONDS = 2.0
KEEP_SECONDS = 1.0
MIN_FREE_DISK_PERCENT = 10.0
MAX_USED_MEMORY_PERCENT = 90.0

Status = Literal["healthy", "degraded", "unhealthy"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found; ``details`` is shown to everybody, so it names no host, path or user."""

    healthy: bool
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A check's result and how long it took."""

    result: CheckResult
    critical: bool
    response_time_ms: float

    def as_json(self) -> dict[str, object]:
        """Return the entry in ``checks``."""
        return {
            "status": "healthy" if self.result.healthy else "unhealthy",
            "details": dict(self.result.details),
            "response_time_ms": self.response_time_ms,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one moment, by name."""

    checks: Mapping[str, CheckReport]

    @property
    def status(self) -> Status:
        """``unhealthy`` when a critical check fails, ``degraded`` when another one does."""
        failed = [check for check in self.checks.values() if not check.result.healthy]
        if any(check.critical for check in failed):
            return "unhealthy"
        return "degraded" if failed else "healthy"


@dataclass(frozen=True, slots=True)
class Protection:
    """Whether the hub takes its own network for faulty, and therefore lets nothing expire."""

    active: bool = False
    since: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    function: Callable[[], CheckResult]
    critical: bool


class Monitor:
    """Runs the registered checks, all at once, each in a thread of its own."""

    def __init__(
        self,
        *,
        check_seconds: float = CHECK_SECONDS,
        keep_seconds: float = KEEP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check_seconds = check_seconds
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._checks: dict[str, _Check] = {}
        self._running: dict[str, Future[CheckReport]] = {}
        self._report: Report | None = None
        self._made_at = 0.0
        self._lock = Lock()

    def register(self, name: str, function: Callable[[], CheckResult], *, critical: bool) -> None:
        """Add a check, or replace the one of that name; ``critical`` ones decide over 200 or 503.

        ``function`` may take two seconds; what it raises makes it unhealthy.
        """
        self._checks[name] = _Check(name, function, critical)

    def report(self) -> Report:
        """Return the state of now, or of at most a second ago. Whoever comes while one is made waits for it."""
        with self._lock:
            if self._report is None or self._clock() - self._made_at >= self._keep_seconds:
                self._report = self._make()
                self._made_at = self._clock()
            return self._report

    def _make(self) -> Report:
        futures = {check: self._start(check) for check in self._checks.values()}
        wait(futures.values(), timeout=self._check_seconds)
        return Report({check.name: self._outcome(check, future) for check, future in futures.items()})

    def _start(self, check: _Check) -> "Future[CheckReport]":
        running = self._running.get(check.name)
        if running is None or running.done():
            running = self._running[check.name] = Future()
            Thread(target=_run, args=(check, running), name=f"check-{check.name}", daemon=True).start()
        return running

    def _outcome(self, check: _Check, future: "Future[CheckReport]") -> CheckReport:
        if future.done():
            return future.result()
        late = CheckResult(False, {"error": f"no answer within {self._check_seconds:g} s"})
        return CheckReport(late, check.critical, self._check_seconds * 1000)


def _run(check: _Check, future: "Future[CheckReport]") -> None:
    """Run one check in its own thread, which must give back the database connection that it borrowed."""
    started = time.perf_counter()
    try:
        result = check.function()
    except Exception as error:
        _log.warning("health_check_failed", check=check.name, error=str(error))
        result = CheckResult(False, {"error": type(error).__name__})
    finally:
        connection.close()
    future.set_result(CheckReport(result, check.critical, round((time.perf_counter() - started) * 1000, 2)))


def check_database() -> CheckResult:
    """Return healthy when PostgreSQL answers a query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return CheckResult(True)


def check_redis() -> CheckResult:
    """Return healthy when Redis answers a PING."""
    return CheckResult(bool(client().ping()))


def check_disk_space() -> CheckResult:
    """Return healthy when at least a tenth of the disk that holds the hub's data is free."""
    directory = next(path for path in (settings.HUB_DATA_DIR, *Path(settings.HUB_DATA_DIR).parents) if path.exists())
    disk = psutil.disk_usage(str(directory))
    free = round(100.0 - disk.percent, 1)
    return CheckResult(free >= MIN_FREE_DISK_PERCENT, {"free_percent": free, "free_bytes": disk.free})


def check_memory() -> CheckResult:
    """Return healthy when at most nine tenths of the machine's memory are in use."""
    memory = psutil.virtual_memory()
    details = {"used_percent": memory.percent, "available_bytes": memory.available}
    return CheckResult(memory.percent <= MAX_USED_MEMORY_PERCENT, details)


def _no_protection() -> Protection:
    return Protection()


_monitor = Monitor()
_protection: Callable[[], Protection] = _no_protection

register_check = _monitor.register
report = _monitor.report


def register_protection(provider: Callable[[], Protection]) -> None:
    """Say who knows whether protection is on; ``provider`` answers from memory, without I/O."""
    global _protection
    _protection = provider


def protection() -> Protection:
    """Return whether protection is on."""
    return _protection()


register_check("database", check_database, critical=True)
register_check("redis", check_redis, critical=True)
# An app that depends on services outside of the hub replaces this one.
register_check("external_services", lambda: CheckResult(True), critical=False)
register_check("disk_space", check_disk_space, critical=False)
register_check("memory", check_memory, critical=False)
