"""What a service answers when somebody asks how it is."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xerpium_sdk.health import checks
from xerpium_sdk.health._monitor import CheckFunction, Monitor, Report
from xerpium_sdk.wire.registry import Status
from xerpium_sdk.wire.times import format_time

if TYPE_CHECKING:
    from xerpium_sdk.registry import AsyncCatalog, Catalog

__all__ = ["HealthChecker"]

F = TypeVar("F", bound=CheckFunction)


class HealthChecker(Monitor):
    """The health of a service: the usual five checks where it has what they need, and checks of its own.

    >>> health = HealthChecker("order-service", "1.2.0", database=engine, redis=client)
    >>> @health.check("printer", critical=False)
    ... async def printer() -> bool: ...
    >>> await health.check_health()

    Args:
        service_name: shown in the answer.
        version: shown in the answer.
        database: what `checks.database` takes.
        redis: a client of redis-py.
        catalog: the live catalogue, for ``required_services``.
        required_services: services without which this one does less; not critical, or all would fall with one.
        disk_path: a path on the disk that must not be full; None: no such check.
        min_free_percent: how much of it must be free.
        max_memory_percent: how much of the machine's memory may be in use; None: no such check.
        check_seconds: how long a check may take.
        keep_seconds: for how long an answer is good.
        after_check: called in the thread of a function when it is done, to give back what it borrowed.
    """

    def __init__(
        self,
        service_name: str = "",
        version: str = "",
        *,
        database: Any = None,
        redis: Any = None,
        catalog: "Catalog | AsyncCatalog | None" = None,
        required_services: Iterable[str] = (),
        disk_path: str | Path | None = "/",
        min_free_percent: float = 10.0,
        max_memory_percent: float | None = 90.0,
        check_seconds: float = 2.0,
        keep_seconds: float = 1.0,
        after_check: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(check_seconds=check_seconds, keep_seconds=keep_seconds, after_check=after_check)
        self.service_name, self.version = service_name, version
        if database is not None:
            self.register("database", checks.database(database))
        if redis is not None:
            self.register("redis", checks.redis(redis))
        self.requires(catalog, required_services)
        if disk_path is not None:
            self.register("disk_space", checks.disk_space(disk_path, min_free_percent=min_free_percent), critical=False)
        if max_memory_percent is not None:
            self.register("memory", checks.memory(max_used_percent=max_memory_percent), critical=False)

    def requires(self, catalog: "Catalog | AsyncCatalog | None", services: Iterable[str]) -> None:
        """Check that other services can take work, if there is a catalogue to look into; not critical."""
        if catalog is not None:
            self.register("external_services", checks.external_services(catalog, services), critical=False)

    def register_check(self, name: str, check_func: CheckFunction, *, critical: bool = True) -> None:
        """Add a check by the name and the function that the first services know."""
        self.register(name, check_func, critical=critical)

    def check(self, name: str, *, critical: bool = True, timeout: float | None = None) -> Callable[[F], F]:
        """Return a decorator that adds a function or coroutine function as a check; see `Monitor.register`."""

        def add(function: F) -> F:
            self.register(name, function, critical=critical, timeout=timeout)
            return function

        return add

    async def check_health(self) -> dict[str, Any]:
        """Return the answer to ``GET /health``: ``service, version, timestamp, status, checks``."""
        return self.document(await self.report_async())

    def check_health_sync(self) -> dict[str, Any]:
        """Return what `check_health` does, without an event loop."""
        return self.document(self.report())

    def document(self, report: Report) -> dict[str, Any]:
        """Return ``report`` as the answer to ``GET /health``."""
        return {
            "service": self.service_name,
            "version": self.version,
            "timestamp": format_time(datetime.now(UTC)),
            "status": report.status,
            "checks": {name: check.as_json() for name, check in report.checks.items()},
        }

    def readiness(self, report: Report) -> dict[str, Any]:
        """Return ``report`` as the answer to ``GET /health/ready``: what decides whether this instance gets work."""
        critical = Report({name: check for name, check in report.checks.items() if check.critical})
        ready = report.status != "unhealthy"
        return self.document(critical) | {"status": "ready" if ready else "not_ready"}

    def alive(self) -> dict[str, Any]:
        """Return the answer to ``GET /health/live``: that this process can answer, without asking anybody."""
        return {"service": self.service_name, "version": self.version, "status": "alive"}

    async def heartbeat(self) -> tuple[Status, Mapping[str, Any]]:
        """Return what the heartbeat tells the hub: the status, and what failed with its details."""
        return told(await self.report_async())

    def heartbeat_sync(self) -> tuple[Status, Mapping[str, Any]]:
        """Return what `heartbeat` does, without an event loop."""
        return told(self.report())


def told(report: Report) -> tuple[Status, Mapping[str, Any]]:
    """Return ``report`` as a heartbeat tells it: short, since it is sent all day."""
    counting = {name: check for name, check in report.checks.items() if check.counts}
    times = {name: check.response_time_ms for name, check in counting.items()}
    failed = {name: dict(check.result.details) for name, check in counting.items() if not check.result.healthy}
    return Status(report.status), {"response_time_ms": times} | ({"failed": failed} if failed else {})
