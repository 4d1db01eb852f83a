"""Looking after the streams: note how each group is doing, and cut off what everybody is done with.

Both run under one lock, so that lengths and what was cut are seen together; whoever finds it taken waits for seconds.
"""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from apps.events import streams, trimming
from apps.events.models import DeadLetter, GroupState, StreamSample, StreamState
from apps.events.streams import DEAD_GROUP, JOURNAL_GROUP, GroupFacts, StreamFacts
from apps.events.trimming import Limits, Reader
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD, stream_of_replays

__all__ = ["Kept", "streams_look", "streams_trim"]

STEP = 5_000
"""Entries cut with one command: each keeps Redis from everybody else for a fraction of a millisecond (measured)."""
MAX_SECONDS = 10.0
REPLAYS_LIVE = dt.timedelta(days=30)
_LOCK = 0x5845525049554D03


@dataclass(frozen=True, slots=True)
class Kept:
    """A stream that is looked after: who must have stored its entries before they go, and how long it may be."""

    stream: str
    keeper: str
    limits: Limits


def kept_streams(*, now: dt.datetime) -> list[Kept]:
    """Return the streams that are looked after.

    What is read once and then of no use (dead letters that were stored, replays that were handled) is cut to nothing.
    """
    hard = settings.EVENTS_HARD_MAX_LENGTH
    known = [
        Kept(stream, JOURNAL_GROUP, Limits(target=settings.EVENTS_MAX_LENGTH, hard=hard))
        for stream in streams.ENVELOPE_STREAMS
    ]
    known.append(Kept(STREAM_EVENTS_DEAD, DEAD_GROUP, Limits(target=0, hard=hard)))
    replayed = DeadLetter.objects.filter(state=DeadLetter.State.REPLAYED, decided_at__gte=now - REPLAYS_LIVE)
    groups = sorted(set(replayed.values_list("group", flat=True).distinct()))
    return known + [Kept(stream_of_replays(group), group, Limits(target=0, hard=hard)) for group in groups]


def streams_look(*, now: dt.datetime) -> int:
    """Note how streams and groups are doing, and a point for the charts; return how many groups there are.

    Raises:
        redis.RedisError: Redis is away.
    """
    count = 0
    with _alone():
        for kept in kept_streams(now=now):
            facts = streams.read(kept.stream)
            if facts is None:
                _forget(kept.stream)
                continue
            _note_groups(facts, now)
            _sample(facts, _note_stream(facts, now), now)
            count += len(facts.groups)
    return count


def streams_trim(*, now: dt.datetime) -> int:
    """Cut off what nobody needs any more, in small steps; return how many entries.

    Raises:
        redis.RedisError: Redis is away.
    """
    deadline = time.monotonic() + MAX_SECONDS
    total = 0
    with _alone():
        for kept in kept_streams(now=now):
            facts = streams.read(kept.stream)
            if facts is not None:
                total += _trim(kept, facts, now, deadline)
    return total


def _trim(kept: Kept, facts: StreamFacts, now: dt.datetime, deadline: float) -> int:
    active = _note_groups(facts, now)
    readers = [
        Reader(group=group.group, needs_from=group.needs_from, active_at=active[group.group]) for group in facts.groups
    ]
    decision = trimming.decide(length=facts.length, readers=readers, keeper=kept.keeper, limits=kept.limits, now=now)
    removed = 0
    for cut in decision.cuts:
        removed += _cut(kept.stream, cut.below, facts.length - removed - cut.down_to, deadline)
    left = facts.length - removed
    # Whole nodes only are cut, so a few entries above the target are nobody's fault.
    held_by = decision.held_by if left > kept.limits.target + STEP else ()
    StreamState.objects.get_or_create(stream=kept.stream, defaults={"added": _added(facts, None), "seen_at": now})
    StreamState.objects.filter(stream=kept.stream).update(
        length=left,
        trimmed=F("trimmed") + removed,
        held_by=list(held_by),
        alarm=trimming.alarm(length=left, limits=kept.limits, held_by=held_by, keeper=kept.keeper),
        **({"trimmed_at": now} if removed else {}),
    )
    return removed


def _cut(stream: str, below: str, count: int, deadline: float) -> int:
    removed = 0
    while removed < count and time.monotonic() < deadline:
        done = streams.cut(stream, below=below, at_most=min(STEP, count - removed))
        if not done:
            break
        removed += done
    return removed


def _note_groups(facts: StreamFacts, now: dt.datetime) -> dict[str, dt.datetime]:
    """Store the facts of the groups of a stream; return when each was last active."""
    before = {row.group: row for row in GroupState.objects.filter(stream=facts.stream)}
    active = {group.group: _active_at(before.get(group.group), group, now) for group in facts.groups}
    rows = [_row(group, active[group.group], now) for group in facts.groups]
    GroupState.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["stream", "group"],
        update_fields=[
            *("last_delivered_id", "first_pending_id", "pending", "lag", "lag_seconds"),
            *("consumers", "active_at", "seen_at"),
        ],
    )
    # A group that is gone and comes back is a new one, and counts for a week from then.
    GroupState.objects.filter(stream=facts.stream).exclude(group__in=active).delete()
    return active


def _active_at(row: GroupState | None, group: GroupFacts, now: dt.datetime) -> dt.datetime:
    return trimming.active_at(
        before=(row.last_delivered_id, row.first_pending_id, row.pending) if row else None,
        was_active_at=row.active_at if row else None,
        after=(group.last_delivered_id, group.first_pending_id, group.pending),
        idle_ms=group.idle_ms,
        now=now,
    )


def _row(group: GroupFacts, active_at: dt.datetime, now: dt.datetime) -> GroupState:
    return GroupState(
        stream=group.stream,
        group=group.group,
        last_delivered_id=group.last_delivered_id,
        first_pending_id=group.first_pending_id,
        pending=group.pending,
        lag=group.lag,
        lag_seconds=group.lag_seconds,
        consumers=group.consumers,
        active_at=active_at,
        seen_at=now,
    )


def _note_stream(facts: StreamFacts, now: dt.datetime) -> int:
    """Store the facts of a stream; return how many entries were added since the look before."""
    before = StreamState.objects.filter(stream=facts.stream).first()
    added = _added(facts, before)
    StreamState.objects.update_or_create(
        stream=facts.stream,
        defaults={
            "length": facts.length,
            "first_id": facts.first_id,
            "last_id": facts.last_id,
            "added": added,
            "memory": facts.memory,
            "seen_at": now,
        },
    )
    return max(0, added - before.added) if before else 0


def _added(facts: StreamFacts, before: StreamState | None) -> int:
    """Redis 6.2 does not count: what is there and what the hub has cut off is what there was."""
    return facts.added if facts.added is not None else facts.length + (before.trimmed if before else 0)


def _sample(facts: StreamFacts, published: int, now: dt.datetime) -> None:
    samples = [StreamSample(at=now, stream=facts.stream, length=facts.length, published=published)]
    samples += [
        StreamSample(
            at=now,
            stream=facts.stream,
            group=group.group,
            length=facts.length,
            pending=group.pending,
            lag=group.lag,
            lag_seconds=group.lag_seconds,
        )
        for group in facts.groups
    ]
    StreamSample.objects.bulk_create(samples)


def _forget(stream: str) -> None:
    GroupState.objects.filter(stream=stream).delete()
    StreamState.objects.filter(stream=stream).update(length=0, first_id="", held_by=[], alarm="")


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes from looking and cutting meanwhile."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield
