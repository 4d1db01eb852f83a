"""Consuming: read, decoded, given to a handler that does nothing, acknowledged."""

from benchmarks.events.arena import Arena, Contestant
from benchmarks.events.figures import cpu_ratio, ratio_of, row_of
from benchmarks.report import Reporter

RAW, RAW_DECODED = "redis-py, 500 and one XACK", "redis-py, the same and decoded"
RAW_EACH = "redis-py, an XACK each"
SEED = "seed's consumer"
FASTSTREAM, FASTSTREAM_BATCH = "FastStream, typed", "FastStream, typed, batch=True"
DICTS, DICTS_BATCH = "FastStream, dicts", "FastStream, dicts, batch=True"
ENTRIES_BATCH = "FastStream, raw entries, batch=True"
CELERY = "Celery worker"
SDK, SDK_ASYNC = "SDK, function", "SDK, coroutine"
SDK_BATCH, SDK_ONCE = "SDK, batch of 500", "SDK, idempotency store in Redis"

CONTESTANTS = (
    Contestant(RAW, "raw", "consume", 60_000, "nothing decoded, nothing called: the limit"),
    Contestant(SDK, "sdk", "consume", 60_000),
    Contestant(SDK_ASYNC, "sdk", "consume_async", 60_000),
    Contestant(SDK_BATCH, "sdk", "consume_batch", 60_000),
    Contestant(SDK_ONCE, "sdk", "consume_once", 20_000),
    Contestant(RAW_DECODED, "raw", "consume_decoded", 60_000, "json of the standard library"),
    Contestant(RAW_EACH, "raw", "consume_acknowledging_each", 10_000),
    Contestant(SEED, "seed", "consume", 6_000),
    Contestant(FASTSTREAM, "fast_stream", "consume", 5_000, "its own format, a pydantic model"),
    Contestant(DICTS, "fast_stream", "consume_dicts", 5_000, "its own format, nothing checked"),
    Contestant(FASTSTREAM_BATCH, "fast_stream", "consume_batch", 40_000, "its own format, a pydantic model"),
    Contestant(DICTS_BATCH, "fast_stream", "consume_dicts_batch", 40_000, "its own format, nothing checked"),
    Contestant(ENTRIES_BATCH, "fast_stream", "consume_entries_batch", 40_000, "bytes, nothing decoded"),
    Contestant(CELERY, "celery_tasks", "consume", 1_500, "--pool threads -c 1", fresh=True),
)


def measure(arena: Arena, reporter: Reporter) -> None:
    """Compare how fast events get to handlers and off the group's list."""
    found = arena.compete(CONTESTANTS)
    ratios = [
        ratio_of(f"{SDK} ÷ {RAW}", found[SDK], found[RAW], 0.5, 0.8),
        cpu_ratio("    by processor time", found[SDK], found[RAW]),
        ratio_of(f"{SDK} ÷ {FASTSTREAM}", found[SDK], found[FASTSTREAM], 20, 30),
        ratio_of(f"{SDK_BATCH} ÷ {FASTSTREAM_BATCH}", found[SDK_BATCH], found[FASTSTREAM_BATCH], 3, 5),
        ratio_of(f"{SDK} ÷ {DICTS}", found[SDK], found[DICTS]),
        *(ratio_of(f"{SDK_BATCH} ÷ {one}", found[SDK_BATCH], found[one]) for one in (DICTS_BATCH, ENTRIES_BATCH)),
        *(ratio_of(f"{one} ÷ {RAW}", found[one], found[RAW]) for one in (SDK_ASYNC, SDK_BATCH, SDK_ONCE)),
        *(ratio_of(f"{SDK} ÷ {one}", found[SDK], found[one]) for one in (RAW_DECODED, RAW_EACH, SEED, CELERY)),
    ]
    rows = [row_of(one.name, found[one.name], one.note) for one in CONTESTANTS]
    reporter.table("Consuming", rows, ratios)
