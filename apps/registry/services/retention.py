"""How long the registry remembers: raw polls a day, hours of polls and history 90 days, departed instances 30."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from apps.registry.models import HistoryEntry, Instance, PollHour
from xerpium_sdk.wire.registry import Status

RAW_POLLS = dt.timedelta(days=1)
HISTORY = dt.timedelta(days=90)
POLL_HOURS = dt.timedelta(days=90)
DEPARTED = dt.timedelta(days=30)
BATCH = 5000

PARTITION = re.compile(r"registry_pollresult_(\d{8})")


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was forgotten."""

    history: int
    instances: int


def polls_roll_up(*, now: dt.datetime) -> int:
    """Roll raw polls of all finished hours up into `PollHour` and return how many hours of instances were written.

    Repeating it changes nothing: an hour is written from all of its raw polls, which are still there for a day.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        _ensure_partitions(cursor, now)
        cursor.execute(
            """
            INSERT INTO registry_pollhour
                (instance_id, hour, polls, failures, latency_avg_ms, latency_p95_ms, latency_max_ms)
            SELECT r.instance_id, date_trunc('hour', r.at), count(*), count(*) FILTER (WHERE NOT r.ok),
                   avg(r.latency_ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY r.latency_ms), max(r.latency_ms)
            FROM registry_pollresult r JOIN registry_instance i ON i.id = r.instance_id
            WHERE r.at >= date_trunc('hour', %s::timestamptz) - interval '3 hours'
              AND r.at < date_trunc('hour', %s::timestamptz)
            GROUP BY 1, 2
            ON CONFLICT (instance_id, hour) DO UPDATE SET
                polls = EXCLUDED.polls, failures = EXCLUDED.failures, latency_avg_ms = EXCLUDED.latency_avg_ms,
                latency_p95_ms = EXCLUDED.latency_p95_ms, latency_max_ms = EXCLUDED.latency_max_ms
            """,
            [now, now],
        )
        written = int(cursor.rowcount)
        _drop_old_partitions(cursor, now)
    return written


def _ensure_partitions(cursor: CursorWrapper, now: dt.datetime) -> None:
    for day in (now.date(), now.date() + dt.timedelta(days=1)):
        cursor.execute("SELECT registry_pollresult_partition(%s)", [day])


def _drop_old_partitions(cursor: CursorWrapper, now: dt.datetime) -> None:
    cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'registry_pollresult'::regclass")
    last_kept = (now - RAW_POLLS).date()
    for (name,) in cursor.fetchall():
        found = PARTITION.fullmatch(name)
        day = dt.datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=dt.UTC).date() if found else last_kept
        if day < last_kept:
            cursor.execute("SELECT registry_pollresult_drop(%s)", [day])
    # What never got a day's partition of its own is few, and goes row by row; no other partition is that old.
    cursor.execute("DELETE FROM registry_pollresult WHERE at < %s", [last_kept])


def registry_prune(*, now: dt.datetime) -> Pruned:
    """Delete what is older than the registry remembers, in batches that hold no lock for long.

    Services stay, and with them their owner and an operator's notes; an operator deletes them in the admin.
    """
    _delete(PollHour.objects.filter(hour__lt=now - POLL_HOURS))
    return Pruned(
        history=_delete(HistoryEntry.objects.filter(at__lt=now - HISTORY)),
        instances=_delete(Instance.objects.filter(status=Status.DEREGISTERED, status_since__lt=now - DEPARTED)),
    )


def _delete(old: QuerySet[Any]) -> int:
    total = 0
    while True:
        keys = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not keys:
            return total
        old.model._default_manager.filter(pk__in=keys).delete()
        total += len(keys)
