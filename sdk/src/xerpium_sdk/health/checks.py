"""The usual checks: a database, Redis, other services, the disk, the memory. Each function returns one.

None of them leaves anything behind, and none opens a connection for each probe where it can use one that is there.
"""

import inspect
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xerpium_sdk.health._monitor import CheckFunction, CheckResult

if TYPE_CHECKING:
    from xerpium_sdk.registry import AsyncCatalog, Catalog

__all__ = ["database", "disk_space", "external_services", "memory", "redis"]

GIB = 1024**3


def database(source: Any) -> CheckFunction:
    """Return a check that a database answers ``SELECT 1``.

    Args:
        source: an engine of SQLAlchemy (also an async one), Django's ``connection``, a pool of psycopg, a
            DB-API connection, or a function that returns one, which is closed then.

    Raises:
        TypeError: it is none of these.
    """
    if hasattr(source, "sync_engine"):
        return lambda: _async_engine(source)
    if hasattr(source, "dialect") and hasattr(source, "connect"):
        return lambda: _engine(source)
    if hasattr(source, "cursor"):
        return lambda: _dbapi(nullcontext(source))
    if hasattr(source, "connection") and callable(source.connection):
        return lambda: _dbapi(source.connection(), _pool(getattr(source, "get_stats", dict)()))
    if callable(source):
        return lambda: _dbapi(closing(source()))
    raise TypeError(
        f"{type(source).__name__} is no database that can be asked: pass an engine, a pool or a connection."
    )


def redis(client: Any) -> CheckFunction:
    """Return a check that Redis answers, with its version and memory; ``client`` is redis-py's, of either kind.

    It only asks, so nothing is left behind when it fails half-way.
    """

    def details(server: Mapping[str, Any], used: Mapping[str, Any]) -> CheckResult:
        found = {"version": server.get("redis_version"), "memory_used": used.get("used_memory_human")}
        return CheckResult(True, {name: value for name, value in found.items() if value is not None})

    async def ask_later() -> CheckResult:
        await client.ping()
        return details(await client.info("server"), await client.info("memory"))

    def ask() -> CheckResult:
        client.ping()
        return details(client.info("server"), client.info("memory"))

    return ask_later if _is_async(client) else ask


def external_services(catalog: "Catalog | AsyncCatalog", names: Iterable[str]) -> CheckFunction:
    """Return a check that each service of ``names`` has an instance that can take work; answered from memory."""
    wanted = tuple(names)

    def look() -> CheckResult:
        if wanted and not catalog.ready:
            return CheckResult(False, {"error": "the catalogue has not been loaded yet"})
        found = {name: _availability(catalog, name) for name in wanted}
        return CheckResult(all(state == "available" for state in found.values()), found)

    return look


def disk_space(path: str | Path = "/", *, min_free_percent: float = 10.0) -> CheckFunction:
    """Return a check that enough of the disk that holds ``path`` is free."""

    def look() -> CheckResult:
        disk = shutil.disk_usage(path)
        free = round(100.0 * disk.free / disk.total, 2) if disk.total else 0.0
        sizes = {"total_gb": disk.total, "used_gb": disk.used, "free_gb": disk.free}
        details = {name: round(size / GIB, 2) for name, size in sizes.items()} | {"free_percentage": free}
        return CheckResult(free > min_free_percent, details)

    return look


def memory(*, max_used_percent: float = 90.0) -> CheckFunction:
    """Return a check that not too much of the machine's memory is in use; asks psutil or, without it, Linux."""

    def look() -> CheckResult:
        total, available = _memory()
        used = round(100.0 * (total - available) / total, 2)
        sizes = {"total_gb": total, "used_gb": total - available, "free_gb": available}
        details = {name: round(size / GIB, 2) for name, size in sizes.items()} | {"percentage": used}
        return CheckResult(used < max_used_percent, details)

    return look


def _is_async(client: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(client, "aclose", None)) or "asyncio" in type(client).__module__


def _availability(catalog: "Catalog | AsyncCatalog", name: str) -> str:
    if catalog.can_choose(name):
        return "available"
    record = catalog.get(name)
    return "not_found" if record is None else record.status.value


def _dbapi(opened: AbstractContextManager[Any], details: Mapping[str, object] | None = None) -> CheckResult:
    with opened as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT 1")
        return _answered(cursor.fetchone(), details or {})


def _engine(engine: Any) -> CheckResult:
    with engine.connect() as connection:
        return _answered(connection.exec_driver_sql("SELECT 1").fetchone(), _about(engine))


async def _async_engine(engine: Any) -> CheckResult:
    async with engine.connect() as connection:
        return _answered((await connection.exec_driver_sql("SELECT 1")).fetchone(), _about(engine.sync_engine))


def _answered(row: Any, details: Mapping[str, object]) -> CheckResult:
    if row is not None and row[0] == 1:
        return CheckResult(True, details)
    return CheckResult(False, {"error": "the database answers something else than 1"})


def _about(engine: Any) -> dict[str, object]:
    """Return the driver and the numbers of the pool that this engine has."""
    numbers: dict[str, Callable[[], int] | None] = {
        "pool_size": getattr(engine.pool, "size", None),
        "pool_checked_in": getattr(engine.pool, "checkedin", None),
        "pool_checked_out": getattr(engine.pool, "checkedout", None),
    }
    return {"driver": engine.dialect.name} | {name: number() for name, number in numbers.items() if callable(number)}


def _pool(stats: Mapping[str, int]) -> dict[str, object]:
    return {name: stats[name] for name in ("pool_size", "pool_available", "requests_waiting") if name in stats}


def _memory() -> tuple[int, int]:
    """Return the machine's memory, and what of it is available, in bytes."""
    try:
        import psutil
    except ImportError:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
        return sizes["MemTotal"], sizes["MemAvailable"]
    found = psutil.virtual_memory()
    return found.total, found.available
