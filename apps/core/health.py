"""Health checks: who has something to check registers it, and ``GET /health`` shows them all.

They are run by the SDK's monitor, as those of services are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connection

from apps.core.redis import client
from xerpium_sdk.health import CheckReport, CheckResult, Monitor, Report

__all__ = [
    "CheckReport",
    "CheckResult",
    "Monitor",
    "Protection",
    "Report",
    "give_back",
    "protection",
    "register_check",
    "register_protection",
    "report",
]

MIN_FREE_DISK_PERCENT = 10.0
MAX_USED_MEMORY_PERCENT = 90.0


@dataclass(frozen=True, slots=True)
class Protection:
    """Whether the hub takes its own network for faulty, and therefore lets nothing expire."""

    active: bool = False
    since: datetime | None = None
    reason: str | None = None


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


def give_back() -> None:
    """Give the connection back that a check's thread has borrowed; which one that is only the thread itself can ask."""
    connection.close()


def _no_protection() -> Protection:
    return Protection()


_monitor = Monitor(after_check=give_back)
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
