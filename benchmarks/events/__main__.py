"""``python -m benchmarks.events``: measure the event bus beside others, or soak it.

The figure is one contestant over another within the same round: machines differ, and neighbours change the clock.
"""

import argparse
import os
import sys
from collections.abc import Callable

from benchmarks.events import consume, hub, latency, publish, soak, waiting
from benchmarks.events.arena import Arena
from benchmarks.report import Reporter

IN_THE_ARENA: dict[str, Callable[[Arena, Reporter], None]] = {
    "publish": publish.measure,
    "consume": consume.measure,
    "waiting": waiting.measure,
    "latency": latency.measure,
}
NAMES = (*IN_THE_ARENA, "hub", "memory")
SOAK = "soak"


def main() -> int:
    """Measure what was asked for and return the exit status: 1 when a soak found something that must not be."""
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")
    os.environ.setdefault("DEBUG", "1")
    reporter = Reporter(as_json=options.json)
    reporter.machine()
    sound = True
    with Arena(rounds=options.rounds, scale=options.scale) as arena:
        for name in options.names or NAMES:
            if name in IN_THE_ARENA:
                IN_THE_ARENA[name](arena, reporter)
    for name in options.names or NAMES:
        if name == "hub":
            hub.measure(reporter, seconds=3 * options.scale)
        elif name == "memory":
            events = int(options.minutes * 60 * options.rate)
            title = f"Memory over {options.minutes:g} minutes of {options.rate:,.0f} events/s"
            sound &= soak.measure(reporter, events=events, rate=options.rate, title=title)
        elif name == SOAK:
            title = f"Soak of {options.events:,} events"
            sound &= soak.measure(reporter, events=options.events, rate=options.soak_rate, title=title)
    return 0 if sound else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which to run: {', '.join(NAMES)} (default: all of these), or {SOAK}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each, taken in turn (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="length of a round (default: 1, about a second)")
    parser.add_argument("--minutes", type=float, default=10, help="length of `memory` (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=2000, help="events a second of `memory` (default: %(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of `soak` (default: %(default)s)")
    parser.add_argument(
        "--soak-rate", type=float, default=4000, help="events a second of `soak` (default: %(default)s)"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - {*NAMES, SOAK}:
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, SOAK))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
