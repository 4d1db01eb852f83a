"""Reports: what services say about themselves. One that changes nothing only renews the lease."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection, transaction

from apps.core.errors import NotFound
from apps.registry import changes, leases, lifecycle, rows
from apps.registry.changes import Move
from apps.registry.documents import Row
from apps.registry.lifecycle import Cause
from apps.registry.models import HistoryEntry
from xerpium_sdk.wire.registry import Status


@dataclass(frozen=True, slots=True)
class Reported:
    """What the answer to a report is made of: the worst status, the shortest lease, the service's revision."""

    status: Status
    lease_seconds: int
    revision: int


class NobodyReports(NotFound):
    """Raised when a report is about nobody who is registered, or about another company's service."""

    def __init__(self, service: str) -> None:
        super().__init__(f"No instance of {service!r} is registered: register again.")


def instances_report(
    *,
    service: str,
    instance_ids: Sequence[str],
    status: Status,
    details: Mapping[str, Any],
    actor: str,
    now: dt.datetime,
) -> Reported:
    """Store what ``instance_ids`` of ``service`` report, and renew their leases.

    Returns:
        What the caller is told.

    Raises:
        NobodyReports: none of them is registered (any more): the client registers again.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        found = rows.select_rows(
            cursor,
            "s.name = %s AND i.instance_id = ANY(%s) AND i.status <> 'deregistered'",
            [service, list(instance_ids)],
            lock=True,
        )
        if not found:
            raise NobodyReports(service)
        moves = [move for row in found if (move := _reported(row, status, actor, now))]
        changes.write_moves(cursor, moves, now=now)
        leases.renew_after_commit([(row["id"], row["lease_seconds"]) for row in found], now, only_later=True)
        cursor.execute("SELECT revision FROM registry_service WHERE name = %s", [service])
        revision = int(cursor.fetchone()[0])
    for row in found:
        if details:
            leases.keep_details(row["id"], details, row["lease_seconds"])
    return Reported(
        status=lifecycle.worst(*(Status(row["status"]) for row in found)),
        lease_seconds=min(row["lease_seconds"] for row in found),
        revision=revision,
    )


def _reported(row: Row, status: Status, actor: str, now: dt.datetime) -> Move | None:
    old, before = Status(row["status"]), rows.vitals_of(row)
    row["last_seen_at"] = now
    vitals = replace(before, reported=status, lease_over=False)
    cause = rows.judge(row, vitals, Cause.REPORTED, now=now, word=status.value)
    return None if vitals == before else Move(row, HistoryEntry.STATUS, old, cause, actor)
