"""Handlers that wait for a millisecond: many at a time, and yet in order for each entity."""

from typing import Any

from benchmarks.events.arena import Arena, Contestant
from benchmarks.events.figures import ratio_of, row_of
from benchmarks.report import Reporter

SERIAL, SERIAL_SYNC = "one after the other, asyncio", "one after the other, blocking"
SEED, FASTSTREAM = "seed's consumer", "FastStream, max_workers=500"
SDK, SDK_SYNC = "SDK, coroutine, 500 at a time", "SDK, function, 16 threads"

CONTESTANTS = (
    Contestant(SERIAL, "raw", "wait_async", 1_000),
    Contestant(SEED, "seed", "wait_async", 1_000),
    Contestant(FASTSTREAM, "fast_stream", "wait_async", 2_000, "no order is kept"),
    Contestant(SDK, "sdk", "wait_async", 30_000),
    Contestant(SERIAL_SYNC, "raw", "wait_sync", 1_000),
    Contestant(SDK_SYNC, "sdk", "wait_sync", 10_000),
)


def measure(arena: Arena, reporter: Reporter) -> None:
    """Compare how many handlers that wait get done, and look at the order.

    Raises:
        RuntimeError: an event came before an earlier one of its entity.
    """
    told: dict[str, list[Any]] = {}
    found = arena.compete(CONTESTANTS, told)
    wrong = sum(one["out_of_order"] for name in (SDK, SDK_SYNC) for one in told[name])
    if wrong:
        raise RuntimeError(f"{wrong} events came before an earlier one of their entity.")
    ratios = [
        ratio_of(f"{SDK} ÷ {SERIAL}", found[SDK], found[SERIAL], 40, 70),
        ratio_of(f"{SDK} ÷ {FASTSTREAM}", found[SDK], found[FASTSTREAM]),
        ratio_of(f"{SDK_SYNC} ÷ {SERIAL_SYNC}", found[SDK_SYNC], found[SERIAL_SYNC]),
    ]
    rows = [
        row_of(one.name, found[one.name], "in order for each of 1,000 entities" if one.module == "sdk" else one.note)
        for one in CONTESTANTS
    ]
    reporter.table("Handlers that wait for 1 ms", rows, ratios)
