"""From before a publication to the handler, at 500 events a second, publisher and consumer in processes of their own.

The publisher is on the server's core and the consumer alone on the other one, so that they do not wait for each other.
"""

import statistics
from dataclasses import dataclass

from benchmarks.events.arena import Arena
from benchmarks.events.figures import percentile
from benchmarks.report import Ratio, Reporter, Row, median_row
from benchmarks.stage import SERVER_CORE

COUNT = 1_000
WARMING = 100


@dataclass(frozen=True)
class Pair:
    """A consumer, and the publisher before it."""

    name: str
    receiver: str
    sender: str
    receive: str = "receive"


RAW, SDK = "redis-py", "SDK, function"
PAIRS = (
    Pair(RAW, "raw", "raw"),
    Pair(SDK, "sdk", "sdk_publisher"),
    Pair("SDK, coroutine", "sdk", "sdk_publisher", "receive_async"),
    Pair("seed's pattern", "seed", "seed"),
    Pair("FastStream", "fast_stream", "fast_stream"),
)


def measure(arena: Arena, reporter: Reporter) -> None:
    """Compare how long an event is under way."""
    found: dict[str, list[tuple[float, float]]] = {pair.name: [] for pair in PAIRS}
    for _ in range(arena.rounds):
        for pair in PAIRS:
            waits = _travel(arena, pair)
            found[pair.name].append((percentile(waits, 0.5), percentile(waits, 0.99)))
    rows: list[Row] = []
    ratios: list[Ratio] = []
    for name, rounds in found.items():
        rows.append(median_row(f"{name}, p50", [p50 for p50, _ in rounds], "µs"))
        rows.append(median_row(f"{name}, p99", [p99 for _, p99 in rounds], "µs"))
        if name != RAW:
            ratios += _ratios(name, rounds, found[RAW])
    reporter.table(f"Under way, at 500 events a second ({COUNT} in a round)", rows, ratios)


def _ratios(name: str, over: list[tuple[float, float]], under: list[tuple[float, float]]) -> list[Ratio]:
    ratios = []
    for index, (label, target, stretch) in enumerate((("p50", 2.0, 1.2), ("p99", 2.0, 1.3))):
        each = [a[index] / b[index] for a, b in zip(over, under, strict=True)]
        wanted = (target, stretch) if name == SDK else (None, None)
        ratios.append(
            Ratio(
                f"{label}, {name} ÷ {RAW}",
                statistics.median(each),
                wanted[0],
                at_most=True,
                stretch=wanted[1],
                spread=(min(each), max(each)),
            )
        )
    return ratios


def _travel(arena: Arena, pair: Pair) -> list[float]:
    """Return how long each event of one round took, in microseconds, without the first ones."""
    arena.client.flushall()
    receiver, sender = arena.player(pair.receiver), arena.player(pair.sender, SERVER_CORE)
    receiver.order(pair.receive, arena.url, COUNT + WARMING)
    receiver.wait()
    sender.perform("send", arena.url, COUNT + WARMING)
    waits = receiver.wait()["told"]
    return [float(wait) for wait in waits[WARMING:]]
