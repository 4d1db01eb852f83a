"""Runs health checks: all at once, each with a time limit, and no more often than is worth it.

Probes may come a thousand times a second: a report is kept for a second, and only one is made at a time, whichever
threads and tasks ask. Functions run in threads of their own, coroutines on the loop that asks (on a loop of their own
when a thread asks). A function that hangs costs its own thread and nothing else, and is not started again before it
came back; a coroutine that hangs is cancelled.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, Literal

__all__ = ["CheckFunction", "CheckReport", "CheckResult", "Monitor", "Report"]

log = logging.getLogger("xerpium_sdk.health")
Status = Literal["healthy", "degraded", "unhealthy"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found; ``details`` is shown to everybody who may see the report: no host, path or user in it."""

    healthy: bool
    details: Mapping[str, object] = field(default_factory=dict)


CheckFunction = Callable[[], "CheckResult | Mapping[str, Any] | bool | Awaitable[Any] | None"]
"""A check: returns a `CheckResult`, a dict with ``healthy`` and ``details``, or a bool; or raises. None is healthy."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A check's result and how long it took; ``counts``: whether it says anything for or against the service."""

    result: CheckResult
    critical: bool
    response_time_ms: float
    counts: bool = True

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
        """``unhealthy`` when a critical check fails, ``degraded`` when another one does that counts."""
        failed = [check for check in self.checks.values() if check.counts and not check.result.healthy]
        if any(check.critical for check in failed):
            return "unhealthy"
        return "degraded" if failed else "healthy"

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [name for name, check in self.checks.items() if not check.result.healthy]


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    function: CheckFunction
    critical: bool
    seconds: float
    counts: bool


class Monitor:
    """Holds checks by name, and makes and keeps their report.

    Args:
        check_seconds: how long a check may take unless it has a limit of its own.
        keep_seconds: for how long a report is good.
        after_check: called in the thread of a function when it is done, to give back what it borrowed.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        *,
        check_seconds: float = 2.0,
        keep_seconds: float = 1.0,
        after_check: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check_seconds = check_seconds
        self._keep_seconds = keep_seconds
        self._after_check = after_check
        self._clock = clock
        self._checks: dict[str, _Check] = {}
        self._running: dict[str, Future[CheckReport]] = {}
        self._kept: tuple[float, Report] | None = None
        self._making: Future[Report] | None = None
        self._task: asyncio.Future[None] | None = None
        self._lock = Lock()

    def register(
        self,
        name: str,
        function: CheckFunction,
        *,
        critical: bool = True,
        timeout: float | None = None,
        counts: bool = True,
    ) -> None:
        """Add a check, or replace the one of that name.

        Args:
            name: by which it is shown.
            function: a function or coroutine function without arguments; what it raises makes it unhealthy.
            critical: whether it decides over 200 or 503; others make the whole degraded at most.
            timeout: seconds that it may take.
            counts: False: it is shown, and says nothing about how well the service does its work.
        """
        limit = self._check_seconds if timeout is None else timeout
        with self._lock:
            self._checks = {**self._checks, name: _Check(name, function, critical and counts, limit, counts)}

    def unregister(self, name: str) -> None:
        """Take a check away; nothing happens when there is none of that name."""
        with self._lock:
            self._checks = {other: check for other, check in self._checks.items() if other != name}

    @property
    def names(self) -> list[str]:
        """The names of the checks, in the order in which they came."""
        return list(self._checks)

    def report(self) -> Report:
        """Return the state of now, or of at most ``keep_seconds`` ago, and wait for it in this thread."""
        made, is_mine = self._claim()
        if isinstance(made, Report):
            return made
        if is_mine:
            self._finish(made, self._make)
        return made.result()

    async def report_async(self) -> Report:
        """Return what `report` does, and let others have the loop meanwhile."""
        made, is_mine = self._claim()
        if isinstance(made, Report):
            return made
        if is_mine:
            # A task of its own: who asked may be cancelled, and others wait for this report as well.
            self._task = asyncio.ensure_future(self._finish_async(made))
        return await asyncio.shield(asyncio.wrap_future(made))

    def forget(self) -> None:
        """Let the next report be made anew, because something has changed."""
        with self._lock:
            self._kept = None

    async def settle(self, seconds: float) -> bool:
        """Wait for checks that run, and end a report that is being made on this loop when ``seconds`` are over.

        Returns False when a function still hangs in its thread: nobody can end that.
        """
        task, ends = self._task, time.monotonic() + seconds
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait({task}, timeout=seconds)
            task.cancel()
            await asyncio.wait({task})
        running = [one for one in self._running.values() if not one.done()]
        if running:
            await asyncio.wait([asyncio.wrap_future(one) for one in running], timeout=max(0.0, ends - time.monotonic()))
        return all(one.done() for one in running)

    def _claim(self) -> "tuple[Report | Future[Report], bool]":
        """Return the report that is kept; or the future of the next one, and whether the caller has to make it."""
        with self._lock:
            if self._making is not None:
                return self._making, False
            if self._kept is not None and self._clock() - self._kept[0] < self._keep_seconds:
                return self._kept[1], False
            self._making = Future()
            return self._making, True

    def _finish(self, made: "Future[Report]", make: Callable[[], Report]) -> None:
        try:
            self._keep(made, make())
        except BaseException as error:
            self._fail(made, error)
            raise

    async def _finish_async(self, made: "Future[Report]") -> None:
        try:
            self._keep(made, await self._make_async())
        except BaseException as error:
            self._fail(made, error)
            raise

    def _keep(self, made: "Future[Report]", report: Report) -> None:
        with self._lock:
            self._kept, self._making = (self._clock(), report), None
        made.set_result(report)

    def _fail(self, made: "Future[Report]", error: BaseException) -> None:
        with self._lock:
            self._making = None
        if not made.done():
            # Not the error itself: a cancellation of the maker is none of those who wait.
            made.set_exception(RuntimeError(f"The report was not finished: {type(error).__name__}."))

    def _make(self) -> Report:
        checks = list(self._checks.values())
        began = time.perf_counter()
        started = [(check, self._start(check)) for check in checks]
        for check, future in started:
            wait([future], timeout=max(0.0, check.seconds - (time.perf_counter() - began)))
        return Report({check.name: _outcome(check, future) for check, future in started})

    async def _make_async(self) -> Report:
        checks = list(self._checks.values())
        reports = await asyncio.gather(*(self._check_async(check) for check in checks))
        return Report({check.name: report for check, report in zip(checks, reports, strict=True)})

    async def _check_async(self, check: _Check) -> CheckReport:
        if not inspect.iscoroutinefunction(inspect.unwrap(check.function)):
            future = self._start(check)
            await asyncio.wait([asyncio.wrap_future(future)], timeout=check.seconds)
            return _outcome(check, future)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(check.seconds):
                result = _read(await _awaited(check))
        except TimeoutError:
            return _late(check)
        except Exception as error:
            result = _raised(check, error)
        return CheckReport(result, check.critical, _milliseconds(began), check.counts)

    def _start(self, check: _Check) -> "Future[CheckReport]":
        running = self._running.get(check.name)
        if running is None or running.done():
            running = self._running[check.name] = Future()
            name = f"check-{check.name}"
            Thread(target=self._run, args=(check, running), name=name, daemon=True).start()
        return running

    def _run(self, check: _Check, future: "Future[CheckReport]") -> None:
        began = time.perf_counter()
        try:
            found = check.function()
            result = _read(asyncio.run(_finished(found)) if inspect.isawaitable(found) else found)
        except Exception as error:
            result = _raised(check, error)
        finally:
            if self._after_check is not None:
                self._after_check()
        future.set_result(CheckReport(result, check.critical, _milliseconds(began), check.counts))


async def _awaited(check: _Check) -> Any:
    found = check.function()
    return await found if inspect.isawaitable(found) else found


async def _finished(found: Awaitable[Any]) -> Any:
    return await found


def _read(found: Any) -> CheckResult:
    """Return what a check's answer means."""
    if isinstance(found, CheckResult):
        return found
    if isinstance(found, Mapping):
        return CheckResult(bool(found.get("healthy", False)), dict(found.get("details") or {}))
    return CheckResult(found is None or bool(found))


def _raised(check: _Check, error: Exception) -> CheckResult:
    # Its text may name hosts and users: that is for the log.
    log.warning("The health check %s failed: %s: %s", check.name, type(error).__name__, error)
    return CheckResult(False, {"error": type(error).__name__})


def _outcome(check: _Check, future: "Future[CheckReport]") -> CheckReport:
    return future.result() if future.done() else _late(check)


def _late(check: _Check) -> CheckReport:
    result = CheckResult(False, {"error": f"no answer within {check.seconds:g} s"})
    return CheckReport(result, check.critical, check.seconds * 1000, check.counts)


def _milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
