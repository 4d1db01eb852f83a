"""``python -m benchmarks.events``: measure the event bus beside others, or soak it.

The figure is one contestant over another within the same round: machines differ, and neighbours change the clock.
"""

import argparse
import os
import sys
from collections.abc import Callable

from benchmarks.events import consume, latency, publish, waiting
from benchmarks.events.arena import Arena
from benchmarks.report import Reporter

MEASUREMENTS: dict[str, Callable[[Arena, Reporter], None]] = {
    "publish": publish.measure,
    "consume": consume.measure,
    "waiting": waiting.measure,
    "latency": latency.measure,
}


def main() -> int:
    """Measure what was asked for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(MEASUREMENTS)} (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, taken in turn (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="length of a round (default: 1, about a second)")
    options = parser.parse_args()
    unknown = set(options.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")
    os.environ.setdefault("DEBUG", "1")
    reporter = Reporter(as_json=options.json)
    reporter.machine()
    with Arena(rounds=options.rounds, scale=options.scale) as arena:
        for name in options.names or MEASUREMENTS:
            MEASUREMENTS[name](arena, reporter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
