"""Start and size of a whole hub as `make run` starts it: seconds to a page that answers, memory of every process."""

import os
import re
import subprocess
import sys
import time

import psutil

from apps.core.engines import free_port
from benchmarks.report import Ratio, Reporter, Row
from benchmarks.stage import ROOT, Stage, answers

SETTLE_SECONDS = 10


def measure(stage: Stage, reporter: Reporter) -> None:
    """Start the hub cold once, then warm, and weigh it."""
    directory = stage.directory / "hub"
    cold, _ = start_and_weigh(directory)
    warm, memory = start_and_weigh(directory)
    engines = {name: size for name, size in memory.items() if name in ("postgres", "redis")}
    own = sum(size for name, size in memory.items() if name not in engines)
    rows = [Row("first start to a page that answers", cold, "s"), Row("warm start to a page that answers", warm, "s")]
    rows += [Row(name, size, "MB") for name, size in sorted(memory.items())]
    ratios = [
        Ratio("warm start, s", warm, 8, at_most=True),
        Ratio("memory without PostgreSQL and Redis, MB", own, 700, at_most=True),
    ]
    reporter.table("The whole hub, idle, without the example services", rows, ratios)


def start_and_weigh(directory: "os.PathLike[str]") -> tuple[float, dict[str, float]]:
    """Return the seconds to the first answer, and the memory of each process after a while, in MB."""
    port = free_port()
    environment = {
        **os.environ,
        "HUB_PORT": str(port),
        "HUB_DATA_DIR": str(directory),
        "DEMO": "0",
        "HUB_ADMIN_PASSWORD": "for measurements only",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    started = time.perf_counter()
    hub = psutil.Popen(
        [sys.executable, "manage.py", "runhub"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(f"http://127.0.0.1:{port}/admin/login/"):
            if hub.poll() is not None or time.perf_counter() - started > 120:
                raise RuntimeError("The hub did not start; run `make run` to see why.")
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        time.sleep(SETTLE_SECONDS)
        return seconds, weigh(hub)
    finally:
        hub.terminate()
        hub.wait(timeout=60)


def weigh(hub: psutil.Process) -> dict[str, float]:
    """Return the unique memory of a hub's processes in MB by part (shared pages count once, for nobody)."""
    found: dict[str, float] = {}
    for process in [hub, *hub.children(recursive=True)]:
        name = part_of(" ".join(process.cmdline()))
        found[name] = found.get(name, 0.0) + process.memory_full_info().pss / 1e6
    return found


def part_of(command: str) -> str:
    """Return which part of the hub a command line is."""
    for pattern, name in (
        (r"postgres", "postgres"),
        (r"redis-server", "redis"),
        (r"xerpium\.serve", "web"),
        (r"celery.* worker", "worker"),
        (r"celery.* beat", "beat"),
        (r"relay_events", "relay"),
        (r"consume_events", "consumer"),
        (r"runhub", "runhub"),
    ):
        if re.search(pattern, command):
            return name
    return "other"
