"""Under load for minutes: memory has to stay where it is, the stream as short as it may be, the journal complete.

A publisher and a consumer of the SDK, and of the hub what events need: its consumers, a worker and beat, which trim. On
engines of their own. One event in a thousand fails at first, one in a hundred thousand always.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg
from redis.exceptions import ResponseError

from benchmarks.events import ledger
from benchmarks.events.arena import Player
from benchmarks.events.figures import slope_per_hour
from benchmarks.events.payload import connected
from benchmarks.report import Reporter, Row
from benchmarks.stage import Stage
from xerpium_sdk.wire.keys import STREAM_EVENTS

MAX_LENGTH, HARD_MAX_LENGTH = 50_000, 2_000_000
HUB_GROUPS = ("hub-journal",)
MOST_GROWTH_MB = 8.0
"""What a process may have more in the last quarter than in the second: the allocator's arenas, no leak per event."""
CATCH_UP_SECONDS = 300
TRIM_SECONDS = 180
SAMPLES_SHOWN = 12
LAG_SECONDS = 90
"""Beat trims every 30 s, and the journal may be behind."""
SHORT = int(MAX_LENGTH * 1.1)
PROCESSES = ("hub's consumers", "hub's worker", "publisher", "consumer")
UNITS = {"stream": "entries", "not journalled yet": "entries"}


@dataclass
class Samples:
    """What was seen while it ran: (seconds, value) for each name."""

    of: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, moment: float, values: dict[str, float]) -> None:
        """Note ``values`` of one moment."""
        for name, value in values.items():
            self.of.setdefault(name, []).append((moment, value))

    def after_warming(self, name: str) -> list[tuple[float, float]]:
        """Return the values from a quarter of the time on."""
        found = self.of[name]
        return found[len(found) // 4 :]

    def growth(self, name: str) -> float:
        """Return how much more the last quarter has than the second one (medians)."""
        values = [value for _, value in self.of[name]]
        quarter = max(1, len(values) // 4)
        return statistics.median(values[-quarter:]) - statistics.median(values[quarter : 2 * quarter] or values[:1])


@dataclass(frozen=True)
class Check:
    """Something that has to hold."""

    name: str
    value: float
    unit: str
    holds: bool
    why: str = ""

    def row(self) -> Row:
        """Return it as a row of the table."""
        return Row(self.name, self.value, self.unit, note="holds" if self.holds else f"DOES NOT HOLD: {self.why}")


@dataclass(frozen=True)
class Outcome:
    """What became of the events, and what it took."""

    events: int
    rate: float
    seconds: float
    samples: Samples
    handled: int
    complete: bool
    """Whether exactly the numbers that were published were handled."""
    out_of_order: int
    retried: int
    dead: int
    journalled: int
    longest: int
    last_length: int
    pending: int
    behind_seconds: float

    def checks(self) -> list[Check]:
        """Return what has to hold, and whether it does."""
        lost = ledger.expected(self.events) - self.handled
        grown = {name: self.samples.growth(name) for name in self.samples.of if name in PROCESSES}
        most = max(grown.values(), default=0.0)
        bound = MAX_LENGTH + int(self.rate * LAG_SECONDS)
        missing = self.events - self.journalled
        return [
            Check("events handled once", self.handled, "events", self.complete, f"{lost} missing or too many"),
            Check("dead letters", self.dead, "events", self.dead == ledger.fatal(self.events)),
            Check("out of their entity's order", self.out_of_order, "events", self.out_of_order == 0),
            Check("journalled", self.journalled, "events", missing == 0, f"{missing} missing"),
            Check("pending in any group", self.pending, "entries", self.pending == 0),
            Check("stream at its longest", self.longest, "entries", self.longest <= bound, f"{bound:,} at most"),
            Check("stream in the end", self.last_length, "entries", self.last_length <= SHORT, f"{SHORT:,} at most"),
            Check("greatest growth of a process", most, "MB", most <= MOST_GROWTH_MB, f"{MOST_GROWTH_MB:g} at most"),
        ]


def measure(reporter: Reporter, *, events: int, rate: float, title: str) -> bool:
    """Load a bus, print samples, slopes and checks; return whether everything holds."""
    with Stage(seconds=1, rounds=1) as stage:
        outcome = _run(stage, events, rate, _progress)
    samples = outcome.samples
    for name, found in samples.of.items():
        step = max(1, len(found) // SAMPLES_SHOWN)
        shown = "  ".join(f"{value:,.0f}" for _, value in found[::step])
        sys.stderr.write(f"  {name:<28} {shown}\n")
    rows = []
    for name, unit in ((name, UNITS.get(name, "MB")) for name in samples.of):
        settled = samples.after_warming(name)
        values = [value for _, value in settled]
        slope = f"{slope_per_hour(settled):+.1f} MB/h, grew {samples.growth(name):+.1f}" if unit == "MB" else ""
        rows.append(Row(name, statistics.median(values), unit, (min(values), max(values)), slope))
    rows += [
        Row(
            "published", outcome.events, "events", note=f"{rate:,.0f}/s, {outcome.behind_seconds:.1f} s behind at most"
        ),
        Row("until all were handled", outcome.seconds, "s", note=f"{outcome.events / outcome.seconds:,.0f} events/s"),
        Row("tried again", outcome.retried, "attempts"),
        *(one.row() for one in outcome.checks()),
    ]
    reporter.table(title, rows)
    return all(one.holds for one in outcome.checks())


def _run(stage: Stage, events: int, rate: float, tell: Callable[[str], None]) -> Outcome:
    stage.environment |= {"EVENTS_MAX_LENGTH": str(MAX_LENGTH), "EVENTS_HARD_MAX_LENGTH": str(HARD_MAX_LENGTH)}
    url = stage.environment["REDIS_URL"]
    client = connected(url)
    watched = _start_hub(stage)
    _until(lambda: all(_has_group(client, group) for group in HUB_GROUPS), 60, "the hub's groups")
    publisher, consumer = Player("steady", None), Player("steady", None)
    watched |= {"publisher": publisher.process, "consumer": consumer.process}
    try:
        consumer.order("consume", url, events)
        consumer.wait()
        _until(lambda: _has_group(client, ledger.GROUP), 60, "the consumer's group")
        started = time.monotonic()
        publisher.order("publish", url, events, rate=rate)
        samples, longest = _watch(stage, client, watched, events, rate, tell)
        published = publisher.wait()["told"]
        handled = consumer.wait()["told"]
        seconds = time.monotonic() - started
        with psycopg.connect(
            stage.environment["DATABASE_URL"], autocommit=True, options="-c xerpium.scope=everything"
        ) as database:
            _until(lambda: _number(database, _JOURNALLED) >= events, CATCH_UP_SECONDS, "the journal")
            _until(lambda: _number(database, _DEAD) >= ledger.fatal(events), 60, "the dead letters")
            _until(lambda: client.xlen(STREAM_EVENTS) <= SHORT, TRIM_SECONDS, "trimming")
            return Outcome(
                events=events,
                rate=rate,
                seconds=seconds,
                samples=samples,
                handled=handled["handled"],
                complete=handled["handled"] == ledger.expected(events)
                and handled["total"] == ledger.expected_total(events),
                out_of_order=handled["out_of_order"],
                retried=handled["retried"],
                dead=_number(database, _DEAD),
                journalled=_number(database, _JOURNAL),
                longest=longest,
                last_length=client.xlen(STREAM_EVENTS),
                pending=sum(group["pending"] for group in client.xinfo_groups(STREAM_EVENTS)),
                behind_seconds=published["behind_seconds"],
            )
    finally:
        publisher.close()
        consumer.close()
        client.close()


_JOURNALLED = "SELECT coalesce(sum(count), 0) FROM events_eventtypehour"
_JOURNAL = "SELECT count(DISTINCT event_id) FROM events_journalentry"
_DEAD = "SELECT count(*) FROM events_deadletter"


def _start_hub(stage: Stage) -> dict[str, psutil.Process]:
    celery = [sys.executable, "-m", "celery", "-A", "xerpium"]
    commands = {
        "hub's consumers": [sys.executable, "manage.py", "consume_events"],
        "hub's worker": [*celery, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "ERROR"],
        "hub's beat": [*celery, "beat", "--loglevel", "ERROR", "--schedule", str(stage.directory / "beat")],
    }
    started = {name: stage.start(command, ready=lambda: True, core=None) for name, command in commands.items()}
    return {name: process for name, process in started.items() if name in PROCESSES}


def _watch(
    stage: Stage,
    client: Any,
    watched: dict[str, psutil.Process],
    events: int,
    rate: float,
    tell: Callable[[str], None],
) -> tuple[Samples, int]:
    """Look at memory and length until everything was published and handled."""
    samples, longest = Samples(), 0
    begun = time.monotonic()
    pause = max(1.0, events / rate / 120)
    with psycopg.connect(
        stage.environment["DATABASE_URL"], autocommit=True, options="-c xerpium.scope=everything"
    ) as database:
        while True:
            time.sleep(pause)
            groups = {group["name"].decode(): group for group in client.xinfo_groups(STREAM_EVENTS)}
            length, added = client.xlen(STREAM_EVENTS), _added(client)
            longest = max(longest, length)
            memory = {name: _unique(process) for name, process in watched.items()}
            memory["Redis"] = client.info("memory")["used_memory"] / 1e6
            journalled = _number(database, _JOURNALLED)
            moment = time.monotonic() - begun
            samples.add(moment, {**memory, "stream": length, "not journalled yet": added - journalled})
            told = "  ".join(f"{name} {value:.0f}" for name, value in memory.items())
            tell(f"{moment:6.0f} s  {added:,} published, {journalled:,} journalled, stream {length:,};  MB: {told}")
            waiting = groups[ledger.GROUP]
            if added >= events and not waiting["pending"] and waiting["last-delivered-id"] == _last_id(client):
                return samples, longest


def _unique(process: psutil.Process) -> float:
    """Return the memory that would be free without a process and its children, in MB."""
    family = [process, *process.children(recursive=True)]
    return float(sum(one.memory_full_info().uss for one in family)) / 1e6


def _added(client: Any) -> int:
    """Return how many events were appended so far: the number of the newest one (publishing is in order)."""
    newest = client.xrevrange(STREAM_EVENTS, count=1)
    if not newest:
        return 0
    data = newest[0][1][b"data"].decode()
    return int(data.partition('"number":')[2].partition(",")[0]) + 1


def _last_id(client: Any) -> bytes:
    return bytes(client.xinfo_stream(STREAM_EVENTS)["last-generated-id"])


def _has_group(client: Any, group: str) -> bool:
    try:
        return any(found["name"].decode() == group for found in client.xinfo_groups(STREAM_EVENTS))
    except ResponseError:
        return False


def _number(database: "psycopg.Connection[tuple[int]]", query: str) -> int:
    row = database.execute(query).fetchone()
    return int(row[0]) if row else 0


def _until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            sys.stderr.write(f"Waited {seconds:g} s in vain for {what}.\n")
            return
        time.sleep(0.2)


def _progress(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


__all__: Sequence[str] = ["Outcome", "Samples", "measure"]
