"""Choosing an instance in the SDK's live catalogue, beside a dict and a Redis GET in the same process."""

import time
from collections.abc import Callable

from apps.core.redis import connect
from benchmarks.report import Ratio, Reporter, median_row
from benchmarks.stage import Stage, post, registration
from xerpium_sdk.registry import Catalog

COUNT = 20_000


def measure(stage: Stage, reporter: Reporter) -> None:
    """Measure single lookups, one after the other."""
    stage.relay()
    hub, _ = stage.hub()
    for number in range(3):
        post(f"{hub}/api/v1/services/register", registration(0, instance_id=f"i{number}", port=9000 + number))
    known = {"service-0": "http://127.0.0.1:9000"}
    redis = connect(stage.environment["REDIS_URL"], socket_timeout=2)
    with Catalog(hub) as catalog:
        catalog.wait_for("service-0", timeout=10)

        def choose() -> None:
            with catalog.choose("service-0"):
                pass

        contestants: dict[str, tuple[Callable[[], object], int]] = {
            "SDK: choice and release": (choose, COUNT),
            "dict": (lambda: known["service-0"], COUNT),
            "Redis GET": (lambda: redis.get("service-0"), COUNT // 20),
        }
        rows = []
        for name, (call, count) in contestants.items():
            rows.append(median_row(name, [microseconds(call, count) for _ in range(stage.rounds)], "µs"))
    redis.close()
    ratios = [
        Ratio("SDK lookup, µs", rows[0].value, 5, at_most=True),
        Ratio("Redis GET ÷ SDK", rows[2].value / rows[0].value),
    ]
    reporter.table("Lookup with choice of instance, in the client", rows, ratios)


def microseconds(call: Callable[[], object], count: int) -> float:
    """Return the time of one call, averaged over ``count``."""
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) / count * 1e6
