"""`python -m tests.chaos`: every fault, in an order that the seed decides."""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.fleet import Fleet, members_of
from tests.chaos.trial import Result, Stage
from tests.support.running_hub import RunningHub

FLEET_SIZE = 50
LAST_WATCH_SECONDS = 35.0
TIMES = ("live", "discovery", "registration", "settled")
COUNTS = ("reads", "failed", "marked")
HEAD = " ".join([f"{'fault':32}", *(f"{name:>12}" for name in TIMES), *(f"{name:>6}" for name in COUNTS)])


def main() -> int:
    """Run the command; return 1 when the hub lost something, failed a reader or told something wrong."""
    options = parse(sys.argv[1:])
    seed = random.randrange(2**32) if options.seed is None else options.seed
    say(options, f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        hub = RunningHub(Path(directory))
        try:
            hub.start()
            results = asyncio.run(run(hub, plan(options, random.Random(seed)), random.Random(seed), options))
        finally:
            hub.stop()
            if options.log:
                Path(options.log).write_text(hub.log)
    report(options, seed, results)
    return int(any(result.findings for result in results))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often every fault is done (default: 1)")
    parser.add_argument("--seed", type=int, help="decides order and moments; the same seed does the same")
    parser.add_argument("--only", default="", help="only faults whose name holds these words")
    parser.add_argument("--log", help="keep the hub's log in this file")
    parser.add_argument("--json", action="store_true", help="print one JSON line for each fault, and nothing else")
    return parser.parse_args(arguments)


def plan(options: argparse.Namespace, rng: random.Random) -> list[Fault]:
    """Return the faults in the order in which they are done."""
    chosen = [fault for fault in FAULTS if options.only in fault.name]
    return [fault for _ in range(options.rounds) for fault in rng.sample(chosen, len(chosen))]


async def run(
    hub: RunningHub, faults: Iterable[Fault], rng: random.Random, options: argparse.Namespace
) -> list[Result]:
    """Do ``faults`` one after the other, tell of each, and return what came of them."""
    fleet = Fleet(hub.url, members_of(FLEET_SIZE, rng))
    stage = Stage(hub, fleet)
    results = []
    say(options, HEAD)
    try:
        await fleet.start()
        await stage.open()
        for fault in faults:
            results.append(await stage.try_fault(fault, rng.uniform(0.5, 1.5)))
            tell(options, results[-1])
        results.append(await stage.watch(LAST_WATCH_SECONDS))
        tell(options, results[-1])
    finally:
        await stage.close()
        await fleet.stop()
    return results


def tell(options: argparse.Namespace, result: Result) -> None:
    """Print what one fault did."""
    if options.json:
        print(json.dumps(result.as_json()), flush=True)
        return
    say(options, row(result.fault, [result]))
    for finding in result.findings:
        say(options, f"    {finding}")


def report(options: argparse.Namespace, seed: int, results: Sequence[Result]) -> None:
    """Print the table: for each fault the median and the worst time, and what was found in all."""
    say(options, f"\nseconds, median/worst; seed {seed}\n{HEAD}")
    for name in dict.fromkeys(result.fault for result in results):
        say(options, row(name, [result for result in results if result.fault == name]))
    findings = sum(len(result.findings) for result in results)
    say(options, f"{findings} findings" if findings else "Nothing was lost, and nothing wrong was told.")


def row(name: str, results: Sequence[Result]) -> str:
    """Return a line of the table."""
    times = (both([getattr(one, what) for one in results]) for what in TIMES)
    sums = (sum(getattr(one, what) for one in results) for what in COUNTS)
    return " ".join([f"{name:32}", *(f"{text:>12}" for text in times), *(f"{count:>6}" for count in sums)])


def both(seconds: Sequence[float]) -> str:
    """Return the median and the worst of some times."""
    return f"{statistics.median(seconds):.2f}/{max(seconds):.2f}"


def say(options: argparse.Namespace, text: str) -> None:
    """Print for people."""
    if not options.json:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
