"""How long the bus remembers, a day of the journal goes in an instant."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from apps.events import partitions
from apps.events.models import DeadLetter, EventTypeHour, GroupState, StreamSample
from apps.events.recording import day_of

__all__ = ["Pruned", "bus_prune", "journal_prepare", "journal_prune"]

SAMPLES = dt.timedelta(days=8)
BATCH = 5000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was forgotten."""

    dead_letters: int
    samples: int
    hours: int
    groups: int


def journal_prepare(*, now: dt.datetime) -> int:
    """Make the journal's partitions of today and of a week ahead; return how many were missing."""
    return partitions.prepare(now=now)


def journal_prune(*, now: dt.datetime) -> int:
    """Drop the days of the journal that are older than ``EVENTS_JOURNAL_DAYS``; return how many.

    A query that reads the journal for long makes a drop wait, and everybody else behind it: after a second it gives
    up, and the next run tries again.
    """
    last_kept = day_of(now) - dt.timedelta(days=settings.EVENTS_JOURNAL_DAYS)
    dropped = 0
    for _, day in partitions.days():
        if day < last_kept:
            if not partitions.drop(day):
                return dropped
            dropped += 1
    with connection.cursor() as cursor:
        # What never got a day's partition of its own is few, and goes row by row; no other partition is that old.
        cursor.execute("DELETE FROM events_journalentry WHERE recorded_at < %s", [last_kept])
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


def _delete(old: "QuerySet[Any]") -> int:
    total = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        old.model._default_manager.filter(pk__in=keys).delete()
        total += len(keys)
    return total
