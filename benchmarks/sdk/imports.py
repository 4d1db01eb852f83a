"""Importing the SDK in a fresh interpreter, beside the libraries of others, each in its turn."""

import os
import statistics
import subprocess
import sys

from benchmarks.report import Ratio, Reporter, Row, median_row

STATEMENTS = {
    "import xerpium_sdk": "import xerpium_sdk",
    "XerpiumService": "from xerpium_sdk import XerpiumService",
    "XerpiumService with a menu, started": "",
    "CircuitBreaker": "from xerpium_sdk import CircuitBreaker",
    "EventConsumer": "from xerpium_sdk import EventConsumer",
    "import httpx2": "import httpx2",
    "import redis": "import redis",
    "import fastapi": "import fastapi",
}
STARTED = """from xerpium_sdk import XerpiumService
service = XerpiumService("a", "1.0.0", hub_url="http://127.0.0.1:9", host="127.0.0.1", port=1, ready_seconds=0)
service.menu("A", "/a")
service.start()
"""
PROGRAM = """import sys, time
before, started = len(sys.modules), time.perf_counter()
{statement}
print((time.perf_counter() - started) * 1000, len(sys.modules) - before)
{after}
"""
MOST_MILLISECONDS = 60


def measure(rounds: int, reporter: Reporter) -> None:
    """Take milliseconds and the number of modules that are loaded by them."""
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in STATEMENTS}
    for name in STATEMENTS:
        taken_once(name)  # compiles what is not compiled yet
    for _ in range(rounds):
        for name, rows in taken.items():
            rows.append(taken_once(name))
    rows = {name: _row(name, found) for name, found in taken.items()}
    sdk, service, client = (rows[name].value for name in ("import xerpium_sdk", "XerpiumService", "import httpx2"))
    ratios = [
        Ratio("import xerpium_sdk, ms", sdk, MOST_MILLISECONDS, at_most=True),
        Ratio("import xerpium_sdk ÷ httpx2", sdk / client),
        Ratio("XerpiumService ÷ httpx2, on which it stands", service / client),
        Ratio("XerpiumService ÷ redis", service / rows["import redis"].value),
        Ratio("XerpiumService ÷ fastapi", service / rows["import fastapi"].value),
    ]
    reporter.table("Imports, in a fresh interpreter", list(rows.values()), ratios)


def taken_once(name: str) -> tuple[float, int]:
    """Return milliseconds and modules of one import in an interpreter of its own."""
    is_started = not STATEMENTS[name]
    program = PROGRAM.format(
        statement=STARTED if is_started else STATEMENTS[name], after="service.stop(5)" if is_started else ""
    )
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", program], env=quiet, capture_output=True, text=True, check=True)
    milliseconds, modules = done.stdout.split()
    return float(milliseconds), int(modules)


def _row(name: str, found: list[tuple[float, int]]) -> Row:
    modules = int(statistics.median(number for _, number in found))
    return median_row(name, [milliseconds for milliseconds, _ in found], "ms", f"{modules} modules")
