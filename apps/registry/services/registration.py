"""Registration: one instance of one service announces where it is. Repeating it is no error and loses nothing."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from zlib import crc32

import orjson
import psycopg
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from apps.core import audit
from apps.core.errors import Conflict
from apps.events.services import outbox_insert
from apps.registry import changes, leases, lifecycle, rows, schedule
from apps.registry.changes import Move
from apps.registry.documents import Row, change, document
from apps.registry.lifecycle import Cause
from apps.registry.models import HistoryEntry
from xerpium_sdk.wire.keys import REGISTRY_CHANGES, STREAM_HUB
from xerpium_sdk.wire.registry import Status

# What a service declares about an instance; everything else on the row belongs to the hub or to operators.
DECLARED = (
    "version", "host", "port", "health_check_url", "api_base_url", "api_docs_url", "tags", "capabilities",
    "dependencies", "weight", "zone", "metadata", "lease_seconds", "deregister_after_seconds", "poll_interval_seconds",
)  # fmt: skip
ADDRESS = ("host", "port", "health_check_url")
GONE = (Status.STALE, Status.DEREGISTERED)


class NameTaken(Conflict):
    """Raised when a name belongs to another owner. Says no more than that: whose it is, is their business."""

    code = "name_taken"


def instance_register(*, declared: Mapping[str, Any], actor: str, now: dt.datetime) -> Row:
    """Register an instance, or renew what is known of it.

    Args:
        declared: the validated registration: `DECLARED`, and ``name, instance_id, company_id``.
        actor: who registers, for the history.
        now: the present moment, aware.

    Returns:
        The instance's row as it is now stored.

    Raises:
        NameTaken: the name belongs to another company, or is global and a company asks for it.
    """
    with transaction.atomic():
        service_pk, before = _known(declared, now)
        row, cause = _registered_row(declared, before, service_pk, now)
        if before is None or _differs(before, row):
            _store(row, before, cause, actor, now)
        same_lease = before is not None and before["lease_seconds"] == row["lease_seconds"]
        leases.renew_after_commit([(row["id"], row["lease_seconds"])], now, only_later=same_lease)
    return row


def _known(declared: Mapping[str, Any], now: dt.datetime) -> tuple[int, Row | None]:
    """Lock the name and return the service's key and the instance's row, if it has one; in one round trip."""
    connection.ensure_connection()
    name, instance_id = declared["name"], declared["instance_id"]
    with connection.cursor() as locking, connection.cursor() as service, connection.cursor() as instance:
        # Each statement sees the moment in which it begins, so what follows the lock sees what its last holder wrote.
        with connection.connection.pipeline():
            changes.lock_name(locking, name)
            service.execute("SELECT id, company_id FROM registry_service WHERE name = %s", [name])
            rows.select_into(instance, "s.name = %s AND i.instance_id = %s", [name, instance_id], lock=True)
        owner, found = service.fetchone(), rows.fetch_instances(instance)
        if owner is None:
            owner = _new_service(service, name, declared["company_id"], now)
    if owner[1] != declared["company_id"]:
        raise _taken(name)
    return int(owner[0]), found[0] if found else None


def _taken(name: str) -> NameTaken:
    return NameTaken(f"The name {name!r} is taken: choose another.")


def _new_service(cursor: CursorWrapper, name: str, company_id: int | None, now: dt.datetime) -> tuple[int, int | None]:
    cursor.execute(
        "INSERT INTO registry_service (name, company_id, notes, revision, created_at)"
        " VALUES (%s, %s, '', 0, %s) ON CONFLICT (name) DO NOTHING RETURNING id, company_id",
        [name, company_id, now],
    )
    created: tuple[int, int | None] | None = cursor.fetchone()
    if created is None:
        # There is one, and it is not in sight.
        raise _taken(name)
    return created


def _registered_row(
    declared: Mapping[str, Any], known: Row | None, service_pk: int, now: dt.datetime
) -> tuple[Row, str]:
    """Return the row as this registration leaves it, and why, in plain words. What operators decided stays."""
    old = known or {"id": None, "status": None, "weight_override": None, "revision": 0}
    vitals = lifecycle.registered_again(rows.vitals_of(known)) if known else lifecycle.Vitals()
    if known and _moved(known, declared):
        vitals = replace(vitals, polled=None)
    row: Row = {**old, **{name: declared[name] for name in DECLARED}}
    row |= {
        "service": declared["name"],
        "service_pk": service_pk,
        "company_id": declared["company_id"],
        "instance_id": declared["instance_id"],
        "last_seen_at": now,
    }
    if known is None or known["status"] in GONE:
        row |= {"registered_at": now, "status_since": now}
    return row, rows.judge(row, vitals, Cause.REGISTERED, now=now, version=row["version"])


def _moved(known: Row, declared: Mapping[str, Any]) -> bool:
    """Whether it is polled elsewhere from now on, so that what polls have shown is about something else."""
    return any(known[name] != declared[name] for name in ADDRESS)


def _differs(known: Row, row: Row) -> bool:
    names = (*DECLARED, "status", "reported_status", "polled_status")
    return any(known[name] != row[name] for name in names)


def _store(row: Row, known: Row | None, cause: str, actor: str, now: dt.datetime) -> None:
    # One that answers its polls keeps their schedule; anyone else is looked at soon.
    anew = known is None or row["polled_status"] in (None, Status.UNHEALTHY)
    phase = crc32(f"{row['service']}/{row['instance_id']}".encode())
    altered = [name for name in DECLARED if known and known[name] != row[name]]
    move = Move(
        row=row,
        change=HistoryEntry.REGISTERED if known is None or known["status"] in GONE else HistoryEntry.UPDATED,
        old_status=Status(known["status"]) if known else None,
        cause=f"{cause}, changed {', '.join(altered)}" if altered else cause,
        actor=actor,
    )
    event = changes.event_of(move, now=now).encode()
    values = {
        **row,
        "metadata": orjson.dumps(row["metadata"]).decode(),
        "now": now,
        "due": schedule.first_due(phase, now, row["poll_interval_seconds"]) if anew else None,
        "document": orjson.dumps(document(row)).decode(),
        "counted_anew": known is None or known["status"] in GONE or _moved(known, row),
        "change": move.change,
        "old_status": move.old_status.value if move.old_status else None,
        "new_status": row["status"] if move.status_changed else None,
        "cause": move.cause,
        "actor": actor,
        "event": orjson.dumps(event).decode(),
        "event_data": event["data"],
        "audit": json.dumps(_audited(row, known, move, altered)),
    }
    # Bound by the server, unlike Django's own cursors: so large a statement is worth preparing once a connection.
    with psycopg.Cursor(connection.connection) as cursor:
        row["id"], row["revision"] = cast(tuple[int, int], cursor.execute(STORE_SQL, values).fetchone())
    changes.announce_after_commit([change(row["revision"], row, [document(row)])])


def _audited(row: Row, known: Row | None, move: Move, altered: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entry of the audit, if there is one: for a newcomer, a return and what is declared anew."""
    if move.change == HistoryEntry.REGISTERED:
        before, after = None, {name: row[name] for name in DECLARED}
    elif known and altered:
        before, after = {name: known[name] for name in altered}, {name: row[name] for name in altered}
    else:
        return []
    which, company_id = f"{row['service']}/{row['instance_id']}", row["company_id"]
    return [audit.entry(move.change, "instance", which, company_id=company_id, before=before, after=after)]


ANNOUNCED = f"""
    SELECT '{REGISTRY_CHANGES}', stored.revision || '-0', jsonb_build_object('change', jsonb_build_object(
        'revision', stored.revision,
        'service', jsonb_build_object('name', %(service)s::text, 'company_id', %(company_id)s::int),
        'instances', jsonb_build_array(
            %(document)s::jsonb || jsonb_build_object('id', stored.id, 'revision', stored.revision)))::text)
    FROM stored
    UNION ALL
    SELECT '{STREAM_HUB}', NULL, %(event)s::jsonb || jsonb_build_object(
        'data', (%(event_data)s::jsonb || jsonb_build_object('revision', stored.revision))::text)
    FROM stored
"""

# All of a registration in one round trip: the lock on the revision is held for one statement and the commit.
# Row, vitals, revision, history, audit, and in the outbox the catalogue's change and the hub's event.
# A null due time keeps the schedule of an instance whose polling goes on.
STORE = f"""
    WITH revision AS (
        INSERT INTO registry_catalogrevision AS c (id, value) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET value = c.value + 1 RETURNING value),
    stored AS (
        INSERT INTO registry_instance (
            service_id, instance_id, version, host, port, health_check_url, api_base_url, api_docs_url, tags,
            capabilities, dependencies, weight, weight_override, zone, metadata, lease_seconds,
            deregister_after_seconds, poll_interval_seconds, status, status_since, reported_status, polled_status,
            draining, registered_at, revision)
        SELECT
            %(service_pk)s::bigint, %(instance_id)s::text, %(version)s::text, %(host)s::text, %(port)s::int,
            %(health_check_url)s::text, %(api_base_url)s::text, %(api_docs_url)s::text, %(tags)s::text[],
            %(capabilities)s::text[], %(dependencies)s::text[], %(weight)s::int, %(weight_override)s::int,
            %(zone)s::text, %(metadata)s::jsonb, %(lease_seconds)s::int, %(deregister_after_seconds)s::int,
            %(poll_interval_seconds)s::int, %(status)s::text, %(status_since)s::timestamptz,
            %(reported_status)s::text, %(polled_status)s::text, %(draining)s::boolean, %(registered_at)s::timestamptz,
            revision.value
        FROM revision
        ON CONFLICT (service_id, instance_id) DO UPDATE SET
            version = EXCLUDED.version, host = EXCLUDED.host, port = EXCLUDED.port,
            health_check_url = EXCLUDED.health_check_url, api_base_url = EXCLUDED.api_base_url,
            api_docs_url = EXCLUDED.api_docs_url, tags = EXCLUDED.tags, capabilities = EXCLUDED.capabilities,
            dependencies = EXCLUDED.dependencies, weight = EXCLUDED.weight, zone = EXCLUDED.zone,
            metadata = EXCLUDED.metadata, lease_seconds = EXCLUDED.lease_seconds,
            deregister_after_seconds = EXCLUDED.deregister_after_seconds,
            poll_interval_seconds = EXCLUDED.poll_interval_seconds, status = EXCLUDED.status,
            status_since = EXCLUDED.status_since, reported_status = EXCLUDED.reported_status,
            polled_status = EXCLUDED.polled_status, registered_at = EXCLUDED.registered_at, revision = EXCLUDED.revision
        RETURNING id, revision),
    vitals AS (
        INSERT INTO registry_vitals (instance_id, last_seen_at, next_due_at, failures, successes, reason)
        SELECT stored.id, %(now)s::timestamptz, COALESCE(%(due)s::timestamptz, %(now)s), 0, 0, '' FROM stored
        ON CONFLICT (instance_id) DO UPDATE SET
            last_seen_at = EXCLUDED.last_seen_at,
            next_due_at = COALESCE(%(due)s::timestamptz, registry_vitals.next_due_at),
            failures = CASE WHEN %(counted_anew)s THEN 0 ELSE registry_vitals.failures END,
            successes = CASE WHEN %(counted_anew)s THEN 0 ELSE registry_vitals.successes END),
    service AS (
        UPDATE registry_service SET revision = stored.revision FROM stored WHERE registry_service.id = %(service_pk)s),
    history AS (
        INSERT INTO registry_historyentry
            (service_id, instance_id, at, change, old_status, new_status, cause, actor, revision)
        SELECT %(service_pk)s::bigint, %(instance_id)s::text, %(now)s::timestamptz, %(change)s::text,
               %(old_status)s::text, %(new_status)s::text, %(cause)s::text, %(actor)s::text, stored.revision
        FROM stored),
    audited AS ({audit.ENTRIES_INSERT}),
    announced AS ({outbox_insert(ANNOUNCED)})
    SELECT id, revision FROM stored
"""

# psycopg keeps what it has read of a statement only up to 4096 characters.
STORE_SQL = " ".join(STORE.split())
