"""Making and judging tokens: each second of one core, beside the bare library that signs and verifies for both."""

import json
import sys

from benchmarks.report import Ratio, Reporter, Row, median_row
from benchmarks.stage import Stage

# What is made or judged, and the bare call of PyJWT that it is held against.
BESIDE = {
    "issue a token": "sign, PyJWT",
    "look at a key and issue": "sign, PyJWT",
    "verify in the hub, first time": "verify, PyJWT",
    "verify in the hub, again": "verify, PyJWT",
    "verify in a service, first time": "verify, PyJWT",
    "verify in a service, again": "verify, PyJWT",
}


def measure(stage: Stage, reporter: Reporter) -> None:
    """Compare what the hub and the SDK do to what PyJWT does for them."""
    hub, _ = stage.hub()
    printed = stage.run([sys.executable, "-m", "benchmarks.auth.inside", hub, str(stage.rounds)])
    found: dict[str, list[float]] = json.loads(printed.splitlines()[-1])
    rows = {name: _row(name, rounds) for name, rounds in found.items()}
    ratios = [Ratio(f"{name} ÷ PyJWT", rows[name].value / rows[bare].value) for name, bare in BESIDE.items()]
    reporter.table("Tokens: a second of one core", list(rows.values()), ratios)


def _row(name: str, rounds: list[float]) -> Row:
    """Return a row of calls a second, from the microseconds of one call in each round."""
    return median_row(name, [1e6 / one for one in rounds], "a second")
