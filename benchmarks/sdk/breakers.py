"""A circuit breaker around a call that succeeds, beside a bare call and the breakers of others.

All are closed and have their defaults: that is how nearly every call finds them.
"""

import asyncio
import timeit
from collections.abc import Awaitable, Callable

import circuitbreaker
import pybreaker
from purgatory import AsyncCircuitBreakerFactory, SyncCircuitBreakerFactory

from benchmarks.report import Ratio, Reporter, median_row
from xerpium_sdk.resilience import BreakerPolicy, CircuitBreaker

COUNT = 20_000
BARE, OURS = "a bare call", "ours: decorator"
MOST_MICROSECONDS = 5


def work(number: int) -> int:
    """Do next to nothing."""
    return number + 1


async def work_later(number: int) -> int:
    """Do next to nothing, as a coroutine."""
    return number + 1


def measure(rounds: int, reporter: Reporter) -> None:
    """Take the microseconds of a call of each, in turn, for functions and for coroutine functions."""
    _threads(rounds, reporter)
    with asyncio.Runner() as runner:
        _tasks(rounds, reporter, runner)


def _threads(rounds: int, reporter: Reporter) -> None:
    attempts, windowed = CircuitBreaker(name="attempts"), CircuitBreaker(name="window", policy=BreakerPolicy())
    other, factory = pybreaker.CircuitBreaker(), SyncCircuitBreakerFactory()
    purgatory = factory.get_breaker("work")

    def attempt() -> None:
        with attempts.attempt():
            work(1)

    def attempt_of_purgatory() -> None:
        with purgatory:
            work(1)

    ours, ours_windowed = CircuitBreaker(name="ours")(work), windowed(work)
    theirs, decorated = other(work), circuitbreaker.circuit(work)
    contestants: dict[str, Callable[[], object]] = {
        BARE: lambda: work(1),
        OURS: lambda: ours(1),
        "ours: decorator, a window of 100 calls": lambda: ours_windowed(1),
        "ours: with": attempt,
        "pybreaker: decorator": lambda: theirs(1),
        "circuitbreaker: decorator": lambda: decorated(1),
        "purgatory: with": attempt_of_purgatory,
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            taken[name].append(timeit.timeit(call, number=COUNT) / COUNT * 1e6)
    _report("A closed breaker around a call, threads", taken, reporter)


def _tasks(rounds: int, reporter: Reporter, runner: asyncio.Runner) -> None:
    attempts, factory = CircuitBreaker(name="attempts"), AsyncCircuitBreakerFactory()

    async def attempt() -> None:
        async with attempts.attempt():
            await work_later(1)

    async def attempt_of_purgatory() -> None:
        async with await factory.get_breaker("work"):
            await work_later(1)

    ours, decorated = CircuitBreaker(name="ours")(work_later), circuitbreaker.circuit(work_later)
    contestants: dict[str, Callable[[], Awaitable[object]]] = {
        BARE: lambda: work_later(1),
        OURS: lambda: ours(1),
        "ours: async with": attempt,
        "circuitbreaker: decorator": lambda: decorated(1),
        "purgatory: async with": attempt_of_purgatory,
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            taken[name].append(runner.run(_microseconds(call)))
    _report("A closed breaker around a call, asyncio", taken, reporter)


async def _microseconds(call: Callable[[], Awaitable[object]]) -> float:
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(COUNT):
        await call()
    return (loop.time() - started) / COUNT * 1e6


def _report(title: str, taken: dict[str, list[float]], reporter: Reporter) -> None:
    rows = {name: median_row(name, found, "µs") for name, found in taken.items()}
    bare = rows[BARE].value
    ours = rows[OURS].value - bare
    ratios = [Ratio("ours: what it adds, µs", ours, MOST_MICROSECONDS, at_most=True)]
    for name, row in rows.items():
        if not name.startswith(("ours", BARE)):
            ratios.append(Ratio(f"what {name} adds ÷ ours", (row.value - bare) / ours))
    reporter.table(title, list(rows.values()), ratios)
