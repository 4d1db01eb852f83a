"""How a change of the registry is written: rows, revision, history and outbox in one transaction, or nothing.

Every change of one service takes one revision. The revisions come from a single row whose lock is held until the
commit, so they are contiguous and commit in order; readers can tell a gap from a pause (docs/decisions/0003).
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from apps.core.requestid import current_request_id
from apps.events import services as events
from apps.registry import documents
from apps.registry.documents import Row
from apps.registry.models import HistoryEntry
from apps.registry.signals import catalogue_changed
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import REGISTRY_CHANGES, STREAM_HUB
from xerpium_sdk.wire.registry import Status

HUB = "xerpium-hub"

EVENT_TYPES = {
    HistoryEntry.REGISTERED: "service_registered",
    HistoryEntry.UPDATED: "service_updated",
    HistoryEntry.STATUS: "instance_status_changed",
    HistoryEntry.DRAINED: "instance_status_changed",
    HistoryEntry.RESUMED: "instance_status_changed",
    HistoryEntry.DEREGISTERED: "service_deregistered",
    HistoryEntry.WEIGHED: "service_updated",
}


@dataclass(frozen=True, slots=True)
class Move:
    """A row as it is after a change, and what the history says about it.

    Attributes:
        row: the instance as `rows.select_rows` gives it, already with the new values.
        change: one of `HistoryEntry`'s words.
        old_status: the status before; None for a newcomer.
        cause: why, in plain words.
        actor: who: ``service:<name>``, ``operator:<user>``, ``hub``.
    """

    row: Row
    change: str
    old_status: Status | None
    cause: str
    actor: str

    @property
    def status_changed(self) -> bool:
        """Whether the instance's status is another one than before."""
        return self.old_status is None or self.old_status.value != self.row["status"]

    @property
    def is_news(self) -> bool:
        """Whether people and consumers want to hear of it: not of a report or poll that leaves the status as it is."""
        return self.status_changed or self.change != HistoryEntry.STATUS


# The row is made by whoever comes first: an emptied table is a catalogue that begins again.
RAISE_REVISION = """
    INSERT INTO registry_catalogrevision AS c (id, value) VALUES (1, %s)
    ON CONFLICT (id) DO UPDATE SET value = c.value + EXCLUDED.value RETURNING value
"""


def take_revisions(cursor: CursorWrapper, count: int) -> int:
    """Raise the catalogue's revision by ``count`` and return its new value; other writers wait until we commit."""
    cursor.execute(RAISE_REVISION, [count])
    return int(cursor.fetchone()[0])


def write_moves(cursor: CursorWrapper, moves: Sequence[Move], *, now: dt.datetime) -> None:
    """Store moves whose instance rows the caller has locked: status columns, revisions, history, outbox.

    After the commit the change is folded into this process's own catalogue, so that a caller sees its own writes.
    """
    if not moves:
        return
    by_service: dict[str, list[Move]] = {}
    for move in moves:
        by_service.setdefault(move.row["service"], []).append(move)
    last = take_revisions(cursor, len(by_service))
    for revision, group in enumerate(by_service.values(), start=last - len(by_service) + 1):
        for move in group:
            move.row["revision"] = revision
    _update_instances(cursor, [move.row for move in moves])
    _publish(cursor, list(by_service.values()), now)


def _publish(cursor: CursorWrapper, groups: Sequence[Sequence[Move]], now: dt.datetime) -> None:
    cursor.execute(
        "UPDATE registry_service s SET revision = x.revision"
        " FROM unnest(%s::bigint[], %s::bigint[]) AS x(id, revision) WHERE s.id = x.id",
        [[group[0].row["service_pk"] for group in groups], [group[0].row["revision"] for group in groups]],
    )
    news = [move for group in groups for move in group if move.is_news]
    _insert_history(cursor, news, now)
    found = [_change_of(group) for group in groups]
    events.append_many(
        [(REGISTRY_CHANGES, {"change": orjson.dumps(change).decode()}, f"{change['revision']}-0") for change in found]
        + [(STREAM_HUB, event_of(move, now=now).encode(), None) for move in news]
    )
    announce_after_commit(found)


def announce_after_commit(found: Sequence[dict[str, Any]]) -> None:
    """Tell this process of changes once they are committed; the relay tells all others."""
    transaction.on_commit(partial(catalogue_changed.send, sender=None, changes=found))


def _change_of(group: Sequence[Move]) -> dict[str, Any]:
    rows = {move.row["id"]: move.row for move in group}
    revision = group[0].row["revision"]
    return documents.change(revision, group[0].row, [documents.document(row) for row in rows.values()])


def _update_instances(cursor: CursorWrapper, rows: Sequence[Row]) -> None:
    columns = (
        "id",
        "status",
        "status_since",
        "reported_status",
        "polled_status",
        "draining",
        "weight_override",
        "revision",
    )
    cursor.execute(
        """
        UPDATE registry_instance i
        SET status = x.status, status_since = x.status_since, reported_status = x.reported_status,
            polled_status = x.polled_status, draining = x.draining, weight_override = x.weight_override,
            revision = x.revision
        FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::boolean[], %s::int[],
                    %s::bigint[])
             AS x(id, status, status_since, reported_status, polled_status, draining, weight_override, revision)
        WHERE i.id = x.id
        """,
        [[row[name] for row in rows] for name in columns],
    )


def _insert_history(cursor: CursorWrapper, moves: Sequence[Move], now: dt.datetime) -> None:
    old = [move.old_status.value if move.old_status else None for move in moves]
    new = [move.row["status"] if move.status_changed else None for move in moves]
    cursor.execute(
        """
        INSERT INTO registry_historyentry
            (service_id, instance_id, at, change, old_status, new_status, cause, actor, revision)
        SELECT x.service_id, x.instance_id, %s, x.change, x.old_status, x.new_status, x.cause, x.actor, x.revision
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
             AS x(service_id, instance_id, change, old_status, new_status, cause, actor, revision)
        """,
        [
            now,
            [move.row["service_pk"] for move in moves],
            [move.row["instance_id"] for move in moves],
            [move.change for move in moves],
            old,
            new,
            [move.cause for move in moves],
            [move.actor for move in moves],
            [move.row["revision"] for move in moves],
        ],
    )


def event_of(move: Move, *, now: dt.datetime) -> Envelope:
    """Return the hub event that tells of a move."""
    row = move.row
    return hub_event(
        EVENT_TYPES[move.change],
        entity_id=row["service_pk"],
        company_id=row["company_id"],
        now=now,
        data={
            "service": row["service"],
            "instance_id": row["instance_id"],
            "version": row["version"],
            "old_status": move.old_status.value if move.old_status else None,
            "status": row["status"],
            "cause": move.cause,
            "actor": move.actor,
            "revision": row["revision"],
        },
    )


def hub_event(
    event_type: str,
    *,
    now: dt.datetime,
    data: dict[str, Any],
    entity_id: int | None = None,
    company_id: int | None = None,
) -> Envelope:
    """Return the envelope of something that the hub itself has to tell on ``xerpium:hub``."""
    return Envelope(
        event_id=str(uuid.uuid4()),
        event_type=event_type,
        service_name=HUB,
        entity_type="service" if entity_id is not None else "hub",
        entity_id=entity_id,
        company_id=company_id,
        user_id=None,
        timestamp=documents.utc_text(now),
        data=data,
        correlation_id=current_request_id(),
    )


def lock_name(cursor: CursorWrapper, name: str) -> None:
    """Wait until no other transaction writes to the service ``name``, and keep others waiting until we end.

    Registration needs a lock before there is a row to lock: two first registrations of one instance would else both
    find nothing and both announce a newcomer.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [name])


def current_revision() -> int:
    """Return the catalogue's revision as PostgreSQL has it now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM registry_catalogrevision WHERE id = 1")
        row = cursor.fetchone()
    return int(row[0]) if row else 0
