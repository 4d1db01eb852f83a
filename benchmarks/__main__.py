"""``python -m benchmarks``: run all or some of the measurements and print one table each."""

import argparse
import os
import sys
from collections.abc import Callable

from benchmarks import discovery, footprint, heartbeat, lookup, polling, registration, visibility
from benchmarks.report import Reporter
from benchmarks.stage import Stage

MEASUREMENTS: dict[str, Callable[[Stage, Reporter], None]] = {
    "discovery": discovery.measure,
    "heartbeat": heartbeat.measure,
    "registration": registration.measure,
    "lookup": lookup.measure,
    "visibility": visibility.measure,
    "polling": polling.measure,
    "footprint": footprint.measure,
}


def main() -> int:
    """Measure what was asked for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(MEASUREMENTS)} (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one round of load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, taken in turn (default: %(default)s)")
    options = parser.parse_args()
    unknown = set(options.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    # The prober reads the hub's version from the settings.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")
    os.environ.setdefault("DEBUG", "1")
    reporter = Reporter(as_json=options.json)
    reporter.machine()
    with Stage(seconds=options.seconds, rounds=options.rounds) as stage:
        for name in options.names or MEASUREMENTS:
            MEASUREMENTS[name](stage, reporter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
