"""How long the bus remembers, and the partitions that this is made of: a day of the journal goes in an instant."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from apps.events.models import DeadLetter, EventTypeHour, GroupState, StreamSample
from apps.events.recording import day_of

__all__ = ["Pruned", "bus_prune", "journal_prepare", "journal_prune"]

DAYS_AHEAD = 7
SAMPLES = dt.timedelta(days=8)
BATCH = 5000
LOCK_MS = 1000
PARTITION = re.compile(r"events_journalentry_(\d{8})")
_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events_journalentry'::regclass"


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was forgotten."""

    dead_letters: int
    samples: int
    hours: int
    groups: int


def journal_prepare(*, now: dt.datetime) -> int:
    """Make the journal's partitions of today and of a week ahead; return how many were missing.

    Entries of a day that nobody prepared are kept all the same, and move here once their partition is made.
    """
    made = 0
    known = set(_partitions())
    for ahead in range(DAYS_AHEAD + 1):
        day = day_of(now) + dt.timedelta(days=ahead)
        if f"events_journalentry_{day:%Y%m%d}" not in known:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT events_journal_partition(%s)", [day])
            made += 1
    return made


def journal_prune(*, now: dt.datetime) -> int:
    """Drop the days of the journal that are older than ``EVENTS_JOURNAL_DAYS``; return how many.

    A query that reads the journal for long makes a drop wait, and everybody else behind it: after a second it gives
    up, and the next run tries again.
    """
    last_kept = day_of(now) - dt.timedelta(days=settings.EVENTS_JOURNAL_DAYS)
    dropped = 0
    for name in _partitions():
        if _is_older(name, last_kept):
            if not _drop(name):
                return dropped
            dropped += 1
    with connection.cursor() as cursor:
        # What never got a day's partition of its own is few, and goes row by row.
        cursor.execute("DELETE FROM events_journalentry_other WHERE recorded_at < %s", [last_kept])
    return dropped


def bus_prune(*, now: dt.datetime) -> Pruned:
    """Delete dead letters that were decided on long ago, old samples and counts, and groups that are gone."""
    decided_before = now - dt.timedelta(days=settings.EVENTS_DEAD_LETTER_DAYS)
    return Pruned(
        dead_letters=_delete(DeadLetter.objects.filter(decided_at__lt=decided_before)),
        samples=_delete(StreamSample.objects.filter(at__lt=now - SAMPLES)),
        hours=_delete(EventTypeHour.objects.filter(hour__lt=now - dt.timedelta(days=settings.EVENTS_JOURNAL_DAYS))),
        groups=_delete(GroupState.objects.filter(seen_at__lt=now - SAMPLES)),
    )


def _partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS)
        return [str(name) for (name,) in cursor.fetchall()]


def _is_older(name: str, day: dt.date) -> bool:
    found = PARTITION.fullmatch(name)
    return found is not None and dt.datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=dt.UTC).date() < day


def _drop(name: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'")
            cursor.execute(f"DROP TABLE {name}")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        return False
    return True


def _delete(old: "QuerySet[Any]") -> int:
    total = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        old.model._default_manager.filter(pk__in=keys).delete()
        total += len(keys)
    return total
