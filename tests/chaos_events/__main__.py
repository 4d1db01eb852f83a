"""`python -m tests.chaos_events`: a storm over the event bus, as a seed decides, and what it left."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos_events.cast import ROLES, engage_consumers, engage_hub, engage_producers, stage
from tests.chaos_events.evidence import Streams, gather
from tests.chaos_events.judge import Evidence, Rule, Verdict, judge
from tests.chaos_events.plan import CONSUMERS, HUB, share_of_kills
from tests.chaos_events.storm import Storm, Weather

KILLS, EVENTS = 200, 200_000
QUICK_KILLS, QUICK_EVENTS = 25, 15_000
SECONDS_PER_KILL = 2.0
HEADROOM = 1.15
"""Producers are this much faster than they would have to be without outages."""


def main() -> int:
    """Run the command; return 1 when anything was found."""
    options = parse(sys.argv[1:])
    seed = random.randrange(2**32) if options.seed is None else options.seed
    directory = Path(options.directory or tempfile.mkdtemp(prefix="chaos-events-"))
    print(f"seed {seed}, {options.kills} kills, {options.events:,} events, in {directory}", flush=True)
    began = time.monotonic()
    evidence, storm = run(directory, weather(seed, options.kills, options.events), options.roles)
    verdict = judge(evidence)
    report(seed, evidence, storm, verdict, time.monotonic() - began)
    if verdict.findings:
        print(f"\nLedgers, logs and the list of faults are in {directory}")
    elif not options.directory:
        shutil.rmtree(directory, ignore_errors=True)
    return int(bool(verdict.findings))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos_events", description=__doc__)
    parser.add_argument("--seed", type=int, help="decides what is done; the same seed does the same")
    parser.add_argument("--kills", type=int, help=f"processes killed at least (default: {KILLS})")
    parser.add_argument("--events", type=int, help=f"events acknowledged at least (default: {EVENTS:,})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_KILLS} kills, {QUICK_EVENTS:,} events: a minute")
    parser.add_argument(
        "--roles", nargs="+", choices=ROLES, default=ROLES, help="only these take part, to look for a cause"
    )
    parser.add_argument("--directory", help="keep everything here: ledgers, logs, data (default: only after a finding)")
    options = parser.parse_args(arguments)
    options.kills = options.kills or (QUICK_KILLS if options.quick else KILLS)
    options.events = options.events or (QUICK_EVENTS if options.quick else EVENTS)
    return options


def weather(seed: int, kills: int, events: int) -> Weather:
    """Return how hard it blows."""
    return Weather(seed, kills, events, SECONDS_PER_KILL * share_of_kills())


def run(directory: Path, weather: Weather, roles: Iterable[str]) -> tuple[Evidence, Storm]:
    """Start everything, let the storm pass, and return what it left."""
    with stage(directory, frozenset(roles)) as world:
        streams = Streams(world.redis_url)
        engage_hub(world)
        engage_consumers(world)
        engage_producers(world, HEADROOM * weather.events / (weather.kills * SECONDS_PER_KILL))
        storm = Storm(world, streams, weather, lambda line: print(line, flush=True))
        try:
            waiting = storm.run()
            world.company.dismiss(*CONSUMERS, *HUB)
            leaks = streams.leaks()
            return gather(
                world, streams, faults=storm.log.intervals, waiting=[*waiting, *storm.late], leaks=leaks
            ), storm
        finally:
            streams.close()
            (directory / "faults").write_text("\n".join(storm.log.lines) + "\n")


def report(seed: int, evidence: Evidence, storm: Storm, verdict: Verdict, seconds: float) -> None:
    """Print what was done, what came of it, and what holds."""
    print(f"\nDone in {seconds:.0f} s (seed {seed}):")
    for name, count in sorted(storm.log.done.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {count:5}  {name}")
    print(f"\n{len(evidence.acknowledged):,} events acknowledged, {len(evidence.attempts):,} attempted")
    print(f"{'group':12}{'handled':>10}{'repeated':>10}{'dead letters':>14}")
    for group in evidence.groups:
        print(
            f"{group.name:12}{len({one.event_id for one in group.handled}):>10,}"
            f"{verdict.repeated[group.name]:>10,}{verdict.buried[group.name]:>14,}"
        )
    print(f"{'journal':12}{len(evidence.journal or ()):>10,}")
    print(f"{'effects':12}{len(evidence.effects):>10,}\n")
    broken = {finding.rule for finding in verdict.findings}
    for rule in Rule:
        print(f"  {'BROKEN' if rule in broken else 'holds ':8}{rule}")
    for finding in verdict.findings:
        print(f"\n{finding}")
    print(f"\n{storm.log.kills.total()} kills, {len(verdict.findings)} findings")


if __name__ == "__main__":
    sys.exit(main())
