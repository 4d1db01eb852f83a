"""Registration: one instance of one service announces where it is. Repeating it is no error and loses nothing."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

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
    with transaction.atomic(), connection.cursor() as cursor:
        changes.lock_name(cursor, declared["name"])
        service_pk = _service_of(cursor, declared["name"], declared["company_id"], now)
        known = rows.select_rows(
            cursor, "s.id = %s AND i.instance_id = %s", [service_pk, declared["instance_id"]], lock=True
        )
        before = known[0] if known else None
        row, cause = _registered_row(declared, before, service_pk, now)
        if before is None or _differs(before, row):
            _store(cursor, row, before, cause, actor, now)
        leases.renew_after_commit([(row["id"], row["lease_seconds"])], now)
    return row


def _service_of(cursor: CursorWrapper, name: str, company_id: int | None, now: dt.datetime) -> int:
    cursor.execute("SELECT id, company_id FROM registry_service WHERE name = %s", [name])
    found = cursor.fetchone()
    if found is None:
        cursor.execute(
            "INSERT INTO registry_service (name, company_id, notes, revision, created_at)"
            " VALUES (%s, %s, '', 0, %s) RETURNING id, company_id",
            [name, company_id, now],
        )
        found = cursor.fetchone()
    if found[1] != company_id:
        raise NameTaken(f"The name {name!r} is taken: choose another.")
    return int(found[0])


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


def _store(cursor: CursorWrapper, row: Row, known: Row | None, cause: str, actor: str, now: dt.datetime) -> None:
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
    cursor.execute(
        STORE,
        {
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
        },
    )
    row["id"], row["revision"] = cursor.fetchone()
    changes.announce_after_commit([change(row["revision"], row, [document(row)])])


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
# Row, vitals, revision, history, and in the outbox the catalogue's change and the hub's event.
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
            %(service_pk)s, %(instance_id)s, %(version)s, %(host)s, %(port)s, %(health_check_url)s, %(api_base_url)s,
            %(api_docs_url)s, %(tags)s, %(capabilities)s, %(dependencies)s, %(weight)s, %(weight_override)s, %(zone)s,
            %(metadata)s::jsonb, %(lease_seconds)s, %(deregister_after_seconds)s, %(poll_interval_seconds)s, %(status)s,
            %(status_since)s, %(reported_status)s, %(polled_status)s, %(draining)s, %(registered_at)s, revision.value
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
        SELECT stored.id, %(now)s, COALESCE(%(due)s, %(now)s), 0, 0, '' FROM stored
        ON CONFLICT (instance_id) DO UPDATE SET
            last_seen_at = EXCLUDED.last_seen_at,
            next_due_at = COALESCE(%(due)s, registry_vitals.next_due_at),
            failures = CASE WHEN %(counted_anew)s THEN 0 ELSE registry_vitals.failures END,
            successes = CASE WHEN %(counted_anew)s THEN 0 ELSE registry_vitals.successes END),
    service AS (
        UPDATE registry_service SET revision = stored.revision FROM stored WHERE registry_service.id = %(service_pk)s),
    history AS (
        INSERT INTO registry_historyentry
            (service_id, instance_id, at, change, old_status, new_status, cause, actor, revision)
        SELECT %(service_pk)s, %(instance_id)s, %(now)s, %(change)s, %(old_status)s, %(new_status)s, %(cause)s,
               %(actor)s, stored.revision
        FROM stored),
    announced AS ({outbox_insert(ANNOUNCED)})
    SELECT id, revision FROM stored
"""
