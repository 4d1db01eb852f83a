"""``python -m benchmarks.sdk``: what the SDK costs a service: its import, a breaker around a call, a lookup."""

import argparse
import sys
from collections.abc import Callable

from benchmarks.report import Reporter
from benchmarks.sdk import breakers, imports, lookups

MEASUREMENTS: dict[str, Callable[[int, Reporter], None]] = {
    "imports": imports.measure,
    "breakers": breakers.measure,
    "lookups": lookups.measure,
}


def main() -> int:
    """Measure what was asked for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sdk", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each, taken in turn (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    reporter = Reporter(as_json=options.json)
    reporter.machine()
    for name in options.names or MEASUREMENTS:
        MEASUREMENTS[name](options.rounds, reporter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
