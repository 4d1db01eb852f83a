"""What the hub does with events: takes them over REST, writes them into its journal, relays its outbox."""

import json
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import urlsplit

import psutil
import psycopg
from redis import Redis

from benchmarks.events.figures import Round, ratio_of, row_of
from benchmarks.events.payload import data_of, fields_of, fill
from benchmarks.report import Reporter, Row
from benchmarks.stage import LOAD_CORE, Contestant, Stage, cpu_seconds, pin
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_HUB

BATCH = 100
JOURNALLED, RELAYED = "journal: consume_events", "outbox: relay_events"
JOURNAL = 60_000
RELAY = 30_000
ROUNDS = 3


def measure(reporter: Reporter, *, seconds: float) -> None:
    """Measure the three ways of an event through the hub."""
    with Stage(seconds=seconds, rounds=ROUNDS) as stage:
        _measure_publishing(stage, reporter)
        rounds = {
            JOURNALLED: [_journal(stage) for _ in range(ROUNDS)],
            RELAYED: [_relay(stage) for _ in range(ROUNDS)],
        }
        rows = [row_of(name, found, "with PostgreSQL and Redis on the other core") for name, found in rounds.items()]
        reporter.table(
            "The hub's journal and relay", rows, [ratio_of("relay ÷ journal", rounds[RELAYED], rounds[JOURNALLED])]
        )


def _measure_publishing(stage: Stage, reporter: Reporter) -> None:
    hub, process = stage.hub()
    app, app_process = stage.app()
    event = {
        "event_type": "order_created",
        "service_name": "benchmark",
        "entity_type": "order",
        "entity_id": 17,
        "company_id": 1,
        "user_id": 7,
        "data": data_of(1),
    }
    one, many = json.dumps(event), json.dumps([event] * BATCH)
    path = "/api/v1/events/"
    contestants = [
        Contestant("edge, one event a request", posts(hub + path, one), [process, stage.redis]),
        Contestant("edge, 100 events a request", posts(hub + path, many), [process, stage.redis]),
        Contestant(
            "app (granian), 100 events a request",
            posts(app + path, many),
            [app_process, stage.redis],
        ),
    ]
    found = stage.compete(contestants)
    rows = []
    for contestant in contestants:
        row = found[contestant.name]
        events = BATCH if "100" in contestant.name else 1
        low, high = row.spread or (0.0, 0.0)
        rows.append(Row(row.name, row.value * events, "events a second of one core", (low * events, high * events)))
    reporter.table("Publishing over REST, checked and answered", rows)


def posts(url: str, body: str) -> Callable[[float], int]:
    """Return a load of one connection that sends ``body`` again and again; what counts is the server's processor."""
    parts = urlsplit(url)

    def load(seconds: float) -> int:
        connection = HTTPConnection(parts.hostname or "", parts.port)
        count, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            connection.request("POST", parts.path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                answer = response.read()
            if response.status != 201:
                raise RuntimeError(f"{url} answered {response.status}: {answer[:500]!r}")
            count += 1
        connection.close()
        return count

    return load


def _journal(stage: Stage) -> Round:
    """Return how fast the journal's consumer writes what stands on the stream."""
    with Redis.from_url(stage.environment["REDIS_URL"]) as client, _database(stage) as database:
        client.delete(STREAM_EVENTS)
        fill(client, STREAM_EVENTS, JOURNAL)
        before = _count(database, "events_journalentry")
        return _timed(
            stage,
            [sys.executable, "manage.py", "consume_events", "--group", "hub-journal"],
            JOURNAL,
            lambda: _count(database, "events_journalentry") - before,
        )


def _relay(stage: Stage) -> Round:
    """Return how fast the relay brings rows to the stream."""
    with Redis.from_url(stage.environment["REDIS_URL"]) as client, _database(stage) as database:
        client.delete(STREAM_HUB)
        database.execute("DELETE FROM events_outboxentry")
        with database.cursor().copy("COPY events_outboxentry (stream, fields) FROM STDIN") as copy:
            for number in range(RELAY):
                copy.write_row((STREAM_HUB, json.dumps(fields_of(number))))
        return _timed(
            stage,
            [sys.executable, "manage.py", "relay_events"],
            RELAY,
            lambda: int(client.xlen(STREAM_HUB)),
        )


def _timed(stage: Stage, command: list[str], count: int, done: Callable[[], int]) -> Round:
    """Run a command until ``count`` are done; the clock starts with the first of them."""
    process = stage.start(command, ready=lambda: True, core=None)
    pin(process, LOAD_CORE)
    try:
        first, started, spent = _wait(process, done, 1), time.perf_counter(), cpu_seconds([process])
        redis = cpu_seconds([stage.redis])
        _wait(process, done, count)
        seconds, cpu = time.perf_counter() - started, cpu_seconds([process]) - spent
        return Round(count - first, seconds, cpu, cpu_seconds([stage.redis]) - redis)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(process: psutil.Process, done: Callable[[], int], enough: int) -> int:
    deadline = time.monotonic() + 120
    while (found := done()) < enough:
        if not process.is_running() or time.monotonic() > deadline:
            raise RuntimeError(f"{' '.join(process.cmdline()[-3:])} got no further than {found} of {enough}.")
        time.sleep(0.02)
    return found


def _database(stage: Stage) -> "psycopg.Connection[tuple[int]]":
    return psycopg.connect(stage.environment["DATABASE_URL"], autocommit=True, options="-c xerpium.scope=everything")


def _count(database: "psycopg.Connection[tuple[int]]", table: str) -> int:
    row = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0
