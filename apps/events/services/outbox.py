"""Writing to the outbox: an event is stored in the transaction that it tells of, both or neither.

Order. Entries reach their stream in the order of their row ids, with one exception that no outbox escapes: a row's id
is drawn before its transaction commits, so of two concurrent transactions the one with the higher id may be relayed
first. Events of one entity stay in order as long as every transaction locks that entity's row (or, for the registry,
the revision's row) before it writes here: the second then draws its ids after the first has committed.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping

from django.db import connection, transaction

from apps.events.models import OutboxEntry
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_HUB

__all__ = [
    "CHANNEL",
    "KEEP_RELAYED",
    "append",
    "append_many",
    "outbox_insert",
    "outbox_prune",
    "outbox_unpark",
    "publish",
    "publish_many",
]

KEEP_RELAYED = dt.timedelta(hours=1)
"""How long an entry can be sent again should Redis lose it; consumers have read it long before."""

CHANNEL = "xerpium_outbox"
"""What the relay listens to; PostgreSQL delivers a notification when its transaction commits, and not before."""


def outbox_insert(rows: str) -> str:
    """Return the SQL that writes ``rows`` to the outbox and wakes the relay, to stand alone or as a ``WITH`` part.

    ``rows`` is a SELECT or VALUES of (stream text, entry_id text or NULL, fields jsonb: an object of texts). A
    statement that changes state and announces it needs no second round trip then::

        WITH changed AS (UPDATE … RETURNING …),
             announced AS ({outbox_insert("SELECT 'xerpium:hub', NULL, jsonb_build_object(…) FROM changed")})
        SELECT … FROM changed
    """
    # RETURNING is evaluated for every row also when nobody reads it; a SELECT in a WITH part would not be.
    return f"INSERT INTO events_outboxentry (stream, entry_id, fields) {rows} RETURNING pg_notify('{CHANNEL}', '')"


# One JSON document: in an array of texts every quote inside would be escaped one by one, in Python.
_INSERT_MANY = outbox_insert(
    "SELECT e->>0, e->>1, e->2 FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS r(e, n) ORDER BY n"
)


def publish(envelope: Envelope, *, stream: str = STREAM_HUB) -> None:
    """Announce ``envelope`` on ``stream`` when the running transaction commits.

    Raises:
        TransactionManagementError: no transaction is running.
        TypeError, ValueError: its ``data`` has no JSON form.
    """
    append(stream, envelope.encode())


def publish_many(envelopes: Iterable[Envelope], *, stream: str = STREAM_HUB) -> None:
    """Announce ``envelopes`` in this order, with one statement; raises as `publish` does."""
    append_many((stream, envelope.encode(), None) for envelope in envelopes)


def append(stream: str, fields: Mapping[str, str], *, entry_id: str | None = None) -> None:
    """Append one entry to ``stream`` when the running transaction commits.

    ``entry_id`` (``{milliseconds}-{sequence}``) makes the append idempotent: Redis takes no id twice and none below
    its last one. Raises as `append_many` does.
    """
    append_many([(stream, fields, entry_id)])


def append_many(entries: Iterable[tuple[str, Mapping[str, str], str | None]]) -> None:
    """Append entries, each (stream, fields, entry id or None), in this order, with one statement.

    Raises:
        TransactionManagementError: no transaction is running, so the entry and what it tells of could part ways.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "An event must be written in the transaction that it tells of: wrap both in transaction.atomic()."
        )
    rows = [(stream, entry_id, dict(fields)) for stream, fields, entry_id in entries]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT_MANY, [json.dumps(rows, ensure_ascii=False)])


def outbox_prune(*, now: dt.datetime) -> int:
    """Forget relayed entries that Redis has had for ``KEEP_RELAYED``; return how many."""
    count, _ = OutboxEntry.objects.filter(relayed_at__lt=now - KEEP_RELAYED).delete()
    return count


def outbox_unpark(*, ids: Iterable[int]) -> int:
    """Let the relay try parked entries again; return how many. Their error stays until they are sent."""
    with transaction.atomic():
        count = OutboxEntry.objects.filter(pk__in=list(ids), parked_at__isnull=False).update(parked_at=None)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return count
