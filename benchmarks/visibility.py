"""From an acknowledged registration to the change in an SDK catalogue of another process, at 50 a second."""

import statistics
import subprocess
import sys
import time

from benchmarks.report import Ratio, Reporter, Row
from benchmarks.stage import Stage, post, registration

COUNT = 400
WATCHER = """
import sys, time
from xerpium_sdk.registry import Catalog
with Catalog(sys.argv[1]) as catalog:
    def seen(*change):
        record = catalog.get("watched")
        if record is not None:
            print(record.instances[0].metadata["n"], time.time_ns(), flush=True)
    catalog.on_change(seen)
    catalog.wait_for("service-0", timeout=10)
    print("ready", flush=True)
    sys.stdin.read()
"""


def measure(stage: Stage, reporter: Reporter) -> None:
    """Measure how long others wait for a change."""
    stage.relay()
    hub, _ = stage.hub()
    post(f"{hub}/api/v1/services/register", registration(0))
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHER, hub],
        env=stage.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None
    assert watcher.stdin is not None
    try:
        while watcher.stdout.readline().strip() != "ready":
            pass
        acknowledged = {}
        for number in range(COUNT):
            post(f"{hub}/api/v1/services/register", registration(1, name="watched", metadata={"n": number}))
            acknowledged[number] = time.time_ns()
            time.sleep(0.02)
        seen: dict[int, int] = {}
        while COUNT - 1 not in seen:
            first, _, moment = watcher.stdout.readline().partition(" ")
            seen.setdefault(int(first), int(moment))
    finally:
        watcher.stdin.close()
        watcher.wait(timeout=10)
    waits = sorted(max(0, seen[number] - acknowledged[number]) / 1e6 for number in seen)
    p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99) - 1]
    rows = [Row("p50", p50, "ms"), Row("p99", p99, "ms", note=f"{len(waits)} registrations")]
    ratios = [Ratio("p50, ms", p50, 3, at_most=True), Ratio("p99, ms", p99, 10, at_most=True)]
    reporter.table("Registration acknowledged → visible in an SDK catalogue", rows, ratios)
