"""Publishing: one by one, and a hundred in a round trip."""

from benchmarks.events.arena import Arena, Contestant
from benchmarks.events.figures import cpu_ratio, ratio_of, row_of
from benchmarks.report import Reporter

RAW, RAW_PIPELINE = "redis-py, one by one", "redis-py, pipeline of 100"
SEED = "seed's publisher"
FASTSTREAM, FASTSTREAM_PIPELINE = "FastStream, one by one", "FastStream, pipeline of 100"
CELERY = "Celery, delay()"
SDK, SDK_MANY = "SDK, publish_event", "SDK, publish_many of 100"

CONTESTANTS = (
    Contestant(RAW, "raw", "publish_one", 4_000),
    Contestant(SEED, "seed", "publish_one", 3_000),
    Contestant(FASTSTREAM, "fast_stream", "publish_one", 3_000),
    Contestant(CELERY, "celery_tasks", "publish_one", 1_000),
    Contestant(SDK, "sdk_publisher", "publish_one", 4_000),
    Contestant(RAW_PIPELINE, "raw", "publish_pipeline", 40_000, "fields ready as text"),
    Contestant(FASTSTREAM_PIPELINE, "fast_stream", "publish_pipeline", 20_000),
    Contestant(SDK_MANY, "sdk_publisher", "publish_many", 40_000, "envelopes encoded within"),
)


def measure(arena: Arena, reporter: Reporter) -> None:
    """Compare how fast events get into Redis."""
    found = arena.compete(CONTESTANTS)
    ratios = [
        ratio_of(f"{SDK_MANY} ÷ {RAW_PIPELINE}", found[SDK_MANY], found[RAW_PIPELINE], 0.8, 0.95),
        cpu_ratio("    by processor time", found[SDK_MANY], found[RAW_PIPELINE]),
        ratio_of(f"{SDK_MANY} ÷ {FASTSTREAM_PIPELINE}", found[SDK_MANY], found[FASTSTREAM_PIPELINE], 2, 3),
        ratio_of(f"{SDK} ÷ {RAW}", found[SDK], found[RAW]),
        ratio_of(f"{SDK} ÷ {SEED}", found[SDK], found[SEED]),
        ratio_of(f"{SDK} ÷ {FASTSTREAM}", found[SDK], found[FASTSTREAM]),
        ratio_of(f"{SDK} ÷ {CELERY}", found[SDK], found[CELERY]),
    ]
    rows = [row_of(one.name, found[one.name], one.note) for one in CONTESTANTS]
    reporter.table("Publishing", rows, ratios)
