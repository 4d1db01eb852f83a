"""Writing the journal: a batch in one statement, each event once, nothing refused.

An entry may come again, after a fault or because its publisher repeated it: its ``event_id`` is unique in the day's
partition, and the statement also looks into the day before. What a killed process had stored and not acknowledged may
come again much later, when somebody consumes again: for entries that old it looks back to when they were published. The
counts by hour are written with the rows, so they never
tell of an event that is not there.
"""

import datetime as dt
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial

import orjson
from django.db import DatabaseError, connection, transaction

from apps.events import partitions
from apps.events.declarations import declared
from apps.events.recording import COLUMNS, Received, Record, bare, day_of, record
from apps.events.verdicts import Judge
from xerpium_sdk.events.entry import id_key

__all__ = ["Journal", "is_refusal"]

logger = logging.getLogger(__name__)

LOOK_BACK = dt.timedelta(days=8)
CLOCK_SKEW = 600.0
"""Seconds by which the clocks of Redis and the hub may differ."""
MAX_STATEMENT = 8 * 1024 * 1024
_TYPES = {"company_id": "bigint", "occurred_at": "timestamptz", "data": "jsonb", "extra": "jsonb"}
_VALUES = ", ".join(f"(e->>{index})::{_TYPES.get(name, 'text')} AS {name}" for index, name in enumerate(COLUMNS))
_ASSIGNED = ", ".join("coalesce(r.occurred_at, %(now)s)" if name == "occurred_at" else f"r.{name}" for name in COLUMNS)
# One document: in arrays of texts every quote would be escaped one by one, in Python (measured: half as fast).
_WRITE = f"""
WITH written AS (
    INSERT INTO events_journalentry (recorded_at, {", ".join(COLUMNS)})
    SELECT %(now)s, {_ASSIGNED}
    FROM (SELECT n, {_VALUES} FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY AS a(e, n)) AS r
    WHERE NOT EXISTS (
        SELECT FROM events_journalentry j
        WHERE j.event_id = r.event_id AND j.recorded_at >= %(since)s AND j.recorded_at < %(today)s
    )
    ORDER BY r.n
    ON CONFLICT DO NOTHING
    RETURNING event_type, company_id, verdict
), counted AS (
    INSERT INTO events_eventtypehour (event_type, company_id, hour, count, last_at)
    SELECT event_type, company_id, date_trunc('hour', %(now)s, 'UTC'), count(*), %(now)s
    FROM written WHERE event_type <> '' AND (company_id IS NOT NULL OR verdict <> 'undecodable')
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (event_type, hour, company_id) DO UPDATE
    SET count = events_eventtypehour.count + EXCLUDED.count, last_at = EXCLUDED.last_at
)
SELECT count(*) FROM written
"""


class Journal:
    """Writes entries; use one for each thread at a time."""

    def __init__(self) -> None:
        self._judge = Judge(time.monotonic, time.thread_time)
        self._prepared: dt.date | None = None

    def write(self, entries: Sequence[Received], *, now: dt.datetime) -> int:
        """Store ``entries``, those that are there already excepted; return how many are new.

        Raises:
            DatabaseError: PostgreSQL is away or refuses everything. Nothing that an entry holds is a reason.
        """
        if self._prepared != day_of(now):
            # The periodic task has made it days ago, unless nobody ran it.
            partitions.prepare(now=now)
            self._prepared = day_of(now)
        known = declared()
        judge = partial(self._judge.judge, declared=known)
        rows = [record(entry, judge) for entry in entries]
        written = 0
        for start, end in _portions(rows):
            written += self._store(entries[start:end], rows[start:end], now)
        return written

    def _store(self, entries: Sequence[Received], rows: Sequence[Record], now: dt.datetime) -> int:
        try:
            return _insert(rows, now)
        except DatabaseError as error:
            if not is_refusal(error):
                raise
            if len(rows) > 1:
                middle = len(rows) // 2
                before = self._store(entries[:middle], rows[:middle], now)
                return before + self._store(entries[middle:], rows[middle:], now)
            return self._store_reduced(entries[0], rows[0], error, now)

    def _store_reduced(self, entry: Received, row: Record, error: DatabaseError, now: dt.datetime) -> int:
        why = f"PostgreSQL refuses it: {str(error).splitlines()[0]}"
        logger.warning("Entry %s of %s is journalled in part: %s", entry.entry_id, entry.stream, why)
        # The columns are texts of bounded length, so it is the data; the event stays findable.
        reduced = row._replace(data=None, extra=None, fault=f"{row.fault} {why}".strip()[:2000])
        for attempt in (reduced, bare(entry, why)):
            try:
                return _insert([attempt], now)
            except DatabaseError as refusal:
                if not is_refusal(refusal):
                    raise
                why = f"PostgreSQL refuses it: {str(refusal).splitlines()[0]}"
        return _insert([bare(entry, "PostgreSQL refuses it.")._replace(extra=None)], now)


def _insert(rows: Sequence[Record], now: dt.datetime) -> int:
    today = dt.datetime.combine(day_of(now), dt.time(), dt.UTC)
    values: dict[str, str | dt.datetime] = {
        "rows": orjson.dumps([tuple(row) for row in rows]).decode(),
        "now": now,
        "today": today,
        "since": min(today - dt.timedelta(days=1), _published_since(rows, today)),
    }
    # A savepoint where a transaction runs already, so that a refusal can be mended.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_WRITE, values)
        return int(cursor.fetchone()[0])


def _published_since(rows: Sequence[Record], today: dt.datetime) -> dt.datetime:
    """Return the day on which the oldest of ``rows`` came to its stream, as its id says, a week ago at most."""
    oldest = min((id_key(row.stream_id)[0] for row in rows), default=0) / 1000
    earliest = today - LOOK_BACK
    if oldest <= earliest.timestamp() + CLOCK_SKEW:
        return earliest
    return min(today, dt.datetime.fromtimestamp(oldest - CLOCK_SKEW, dt.UTC))


def _portions(rows: Sequence[Record]) -> Iterator[tuple[int, int]]:
    """Yield the bounds of portions that a statement can carry."""
    start, size = 0, 0
    for index, row in enumerate(rows):
        size += row.size
        if size > MAX_STATEMENT and index > start:
            yield start, index
            start, size = index, row.size
    if start < len(rows):
        yield start, len(rows)


def is_refusal(error: DatabaseError) -> bool:
    """Whether PostgreSQL found fault with a value (classes 22, 23 and 54), and not with itself."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return state[:2] in ("22", "23", "54")
