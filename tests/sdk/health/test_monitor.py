"""Checks side by side, with limits, kept for a second, for threads and for tasks."""

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.wait import wait_until
from xerpium_sdk.health import CheckResult, HealthChecker, Monitor
from xerpium_sdk.health.checker import told
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.anyio


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_check_may_answer_in_many_ways(caplog: pytest.LogCaptureFixture) -> None:
    monitor = Monitor()

    async def later() -> bool:
        await asyncio.sleep(0)
        return False

    def broken() -> bool:
        raise ConnectionError("10.0.0.1 refused")

    for name, check in {
        "result": lambda: CheckResult(True, {"free": 3}),
        "dict": lambda: {"healthy": False, "details": {"why": "so"}, "response_time_ms": 4},
        "bool": lambda: True,
        "nothing": lambda: None,
        "later": later,
        "broken": broken,
    }.items():
        monitor.register(name, check)  # type: ignore[arg-type]
    with_threads = monitor.report()
    with_tasks = asyncio.run(Monitor.report_async(_fresh(monitor)))
    for report in (with_threads, with_tasks):
        assert {name: check.result.healthy for name, check in report.checks.items()} == {
            "result": True, "dict": False, "bool": True, "nothing": True, "later": False, "broken": False,
        }  # fmt: skip
        assert report.checks["dict"].result.details == {"why": "so"}
        assert report.checks["broken"].result.details == {"error": "ConnectionError"}
        assert report.failed == ["dict", "later", "broken"]
    assert "10.0.0.1 refused" in caplog.text


def _fresh(monitor: Monitor) -> Monitor:
    monitor._kept = None
    return monitor


async def test_checks_run_side_by_side_and_none_longer_than_its_limit() -> None:
    monitor, together, stop = Monitor(check_seconds=0.2), threading.Barrier(2), threading.Event()
    cancelled = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    monitor.register("one", lambda: together.wait(5) >= 0)
    monitor.register("two", lambda: together.wait(5) >= 0)
    monitor.register("hanging function", stop.wait, timeout=0.05)
    monitor.register("hanging coroutine", hangs, timeout=0.05)
    began = time.perf_counter()
    report = await monitor.report_async()
    assert time.perf_counter() - began < 1
    assert report.failed == ["hanging function", "hanging coroutine"]
    assert report.checks["hanging function"].result.details == {"error": "no answer within 0.05 s"}
    assert cancelled.is_set()
    threads = threading.active_count()
    await _fresh(monitor).report_async()
    assert threading.active_count() <= threads  # what hangs is not started again
    stop.set()


def test_a_report_is_kept_and_a_hundred_who_ask_at_once_share_one() -> None:
    clock = Clock()
    monitor, made, go = Monitor(clock=clock), [], threading.Event()
    monitor.register("one", lambda: made.append(go.wait(5)) is None)
    with ThreadPoolExecutor(100) as pool:
        reports = [pool.submit(monitor.report) for _ in range(100)]
        wait_until(lambda: monitor._making is not None, description="somebody makes the report")
        go.set()
        first = {id(report.result()) for report in reports}
    assert len(first) == len(made) == 1
    clock.now = 0.99
    assert id(monitor.report()) in first
    clock.now = 1.0
    assert id(monitor.report()) not in first


async def test_tasks_share_a_report_also_when_the_one_that_makes_it_is_cancelled() -> None:
    monitor, made, go = Monitor(), [], asyncio.Event()

    async def check() -> bool:
        made.append(await go.wait())
        return True

    monitor.register("one", check)
    first = asyncio.create_task(monitor.report_async())
    await asyncio.sleep(0)
    others = [asyncio.create_task(monitor.report_async()) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert {(await other).status for other in others} == {"healthy"}
    assert len(made) == 1
    assert first.cancelled()


@pytest.mark.parametrize(
    ("fine", "critical", "status"),
    [(True, True, "healthy"), (False, False, "degraded"), (False, True, "unhealthy")],
    ids=["fine", "not critical", "critical"],
)
async def test_only_a_critical_check_makes_the_whole_unhealthy(fine: bool, critical: bool, status: str) -> None:
    health = HealthChecker("orders", "1.2.0", disk_path=None, max_memory_percent=None)
    health.register_check("other", lambda: fine, critical=critical)

    @health.check("fine")
    def always() -> bool:
        return True

    document = await health.check_health()
    assert (document["service"], document["version"], document["status"]) == ("orders", "1.2.0", status)
    assert document["checks"]["fine"]["status"] == "healthy"
    assert document["timestamp"].endswith("Z")
    heartbeat, details = await health.heartbeat()
    assert heartbeat is Status(status)
    assert ("failed" in details) is not fine
    assert set(health.names) == {"other", "fine"}
    health.unregister("other")
    assert health.names == ["fine"]


def test_a_heartbeat_is_short() -> None:
    monitor = Monitor()
    monitor.register("database", lambda: CheckResult(False, {"error": "OperationalError"}))
    status, details = told(monitor.report())
    assert status is Status.UNHEALTHY
    assert details["failed"] == {"database": {"error": "OperationalError"}}
    assert list(details["response_time_ms"]) == ["database"]


def test_what_a_function_borrowed_is_given_back_in_its_own_thread() -> None:
    used: list[str] = []

    def note(what: str) -> Callable[[], None]:
        return lambda: used.append(f"{what} {threading.current_thread().name}")

    monitor = Monitor(after_check=note("back"))
    monitor.register("one", note("used"))
    monitor.report()
    assert used == ["used check-one", "back check-one"]


def test_a_check_that_does_not_count_is_shown_and_says_nothing_of_the_whole() -> None:
    monitor = Monitor()
    monitor.register("hub", lambda: False, counts=False)
    monitor.register("printer", lambda: True)
    report = monitor.report()
    assert (report.status, report.failed) == ("healthy", ["hub"])
    assert report.checks["hub"].as_json()["status"] == "unhealthy"
    assert report.checks["hub"].critical is False
    assert told(report) == ("healthy", {"response_time_ms": {"printer": report.checks["printer"].response_time_ms}})


def test_a_report_that_is_forgotten_is_made_anew() -> None:
    answers = [True, False]
    monitor = Monitor(keep_seconds=60)
    monitor.register("printer", lambda: answers.pop(0))
    assert [monitor.report().status, monitor.report().status] == ["healthy", "healthy"]
    monitor.forget()
    assert monitor.report().status == "unhealthy"


async def test_it_settles_when_functions_have_returned_and_coroutines_were_cancelled() -> None:
    gate = threading.Event()
    monitor = Monitor(check_seconds=60)
    monitor.register("thread", lambda: gate.wait(30))

    @functools.partial(monitor.register, "task")
    async def task() -> None:
        await asyncio.sleep(60)

    asked = asyncio.ensure_future(monitor.report_async())
    await asyncio.sleep(0)
    assert await monitor.settle(0.05) is False
    gate.set()
    assert await monitor.settle(10) is True
    with pytest.raises(RuntimeError, match="was not finished"):
        await asked
    assert await Monitor().settle(0) is True
