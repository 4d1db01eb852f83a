"""``python -m benchmarks.menus``: what the tree of 10,000 menu items costs."""

import argparse
import os
import sys
from collections.abc import Callable

from benchmarks.menus import http, process
from benchmarks.report import Reporter
from benchmarks.stage import Stage

MEASUREMENTS: dict[str, Callable[[Stage, Reporter], None]] = {
    "process": process.measure,
    "http": http.measure,
}


def main() -> int:
    """Measure what was asked for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.menus", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one round of load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, taken in turn (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")
    os.environ.setdefault("DEBUG", "1")
    reporter = Reporter(as_json=options.json)
    reporter.machine()
    for name in options.names or MEASUREMENTS:
        # A database of its own for each.
        with Stage(seconds=options.seconds, rounds=options.rounds) as stage:
            MEASUREMENTS[name](stage, reporter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
