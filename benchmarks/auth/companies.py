"""What keeping companies apart costs: answers with and without a token, and with and without the database's wall.

Discovery is answered from memory, where a company is a set of names; the journal comes from PostgreSQL, whose row-level
security looks at each row that a statement finds.
"""

import json
import sys
from collections.abc import Callable

import psycopg
from psycopg import sql

from benchmarks.auth.edge import COMPANY, token_of
from benchmarks.report import Ratio, Reporter, median_row
from benchmarks.stage import Contestant, Stage, post, registration, wrk

EVENTS = 20_000
TABLES = ("events_journalentry", "serviceauth_company", "registry_service")
FILL = """
INSERT INTO events_journalentry (event_id, event_type, service_name, entity_type, entity_id, company_id, version,
                                 recorded_at, stream, stream_id, occurred_at, data, verdict)
SELECT gen_random_uuid()::text, 'thing_happened', 'service-0', 'thing', n::text, nullif(n %% 8, 0), '1.0', now(),
       'xerpium:events', n || '-0', now() - n * interval '1 ms', '{"n": 1}', 'valid'
FROM generate_series(1, %s) AS n
"""


def measure(stage: Stage, reporter: Reporter) -> None:
    """Compare a page of the journal with and without each wall, through all of Django."""
    stage.environment["TOKEN_LIFETIME_SECONDS"] = "3600"
    stage.environment["API_RATE_LIMIT"] = "0"
    hub, process = stage.hub()
    post(f"{hub}/api/v1/services/register", registration(0, company_id=COMPANY))
    _fill(stage)
    token, page = token_of(stage, hub), f"{hub}/api/v1/events?limit=50"
    processes = [process, stage.postgres]
    rows = stage.compete([
        Contestant("open hub, no token", wrk(page), processes),
        Contestant("a token of its company", wrk(page, token=token), processes),
        Contestant("the same, no row-level security", _without_wall(stage, wrk(page, token=token)), processes),
    ])  # fmt: skip
    values = [row.value for row in rows.values()]
    ratios = [
        Ratio("with a token ÷ without", values[1] / values[0]),
        Ratio("with row-level security ÷ without", values[1] / values[2]),
    ]
    reporter.table("Companies: a page of 50 events from the journal", list(rows.values()), ratios)
    _statements(stage, reporter)


def _statements(stage: Stage, reporter: Reporter) -> None:
    """Compare the time of one statement with each part of what keeps companies apart."""
    printed = stage.run([sys.executable, "-m", "benchmarks.auth.statements", str(stage.rounds)])
    found: dict[str, list[float]] = json.loads(printed.splitlines()[-1])
    rows = {name: median_row(name, times, "µs") for name, times in found.items()}
    bare = rows["as everybody, nothing told"].value
    ratios = [Ratio(f"{name} ÷ nothing told", row.value / bare) for name, row in rows.items() if row.value != bare]
    reporter.table("Companies: one statement that finds a service by its name", list(rows.values()), ratios)


def _owner(stage: Stage) -> str:
    return stage.environment["DATABASE_MIGRATION_URL"]


def _fill(stage: Stage) -> None:
    with psycopg.connect(_owner(stage)) as database:
        database.execute("SET LOCAL xerpium.scope = 'everything'")
        database.execute("SELECT events_journal_partition(current_date)")
        database.execute(FILL, [EVENTS])
    with psycopg.connect(_owner(stage), autocommit=True) as database:
        database.execute("ANALYZE events_journalentry")


def _without_wall(stage: Stage, load: Callable[[float], int]) -> Callable[[float], int]:
    """Return a load during which the tables' row-level security is switched off."""

    def switched(seconds: float) -> int:
        _switch(stage, "DISABLE")
        try:
            return load(seconds)
        finally:
            _switch(stage, "ENABLE")

    return switched


def _switch(stage: Stage, word: str) -> None:
    with psycopg.connect(_owner(stage)) as database:
        for table in TABLES:
            statement = sql.SQL("ALTER TABLE {} {} ROW LEVEL SECURITY").format(sql.Identifier(table), sql.SQL(word))
            database.execute(statement)
