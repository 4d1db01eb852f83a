"""How the bus is doing: streams, consumer groups and their consumers, samples for charts, and what needs somebody.

Live from Redis; what the last look stored is told instead while Redis is away.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.core import redis
from apps.events import groups as sight
from apps.events import streams as live
from apps.events.models import GroupState, StreamState
from apps.events.selectors.entries import dead_letters_waiting
from apps.events.streams import GroupFacts, StreamFacts, id_time
from apps.events.subscriptions import OWN_PREFIX
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD, stream_of_replays

__all__ = [
    "OWN_PREFIX",
    "BusState",
    "ConsumerView",
    "GroupView",
    "SamplePoint",
    "StreamView",
    "bus_state",
    "group_consumers",
    "groups",
    "journalled",
    "samples",
    "streams",
]

MAX_COUNT = 2**63
MEMBER_SECONDS = 3.5
"""A consumer of ours beats once a second; after three beats that did not come it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A consumer group of one stream.

    Attributes:
        stream: what it reads.
        group: its name.
        is_own: it is one of the hub's.
        consumers: names that Redis knows of it.
        alive: consumers that run on our engine and beat within the last seconds; None for a group of others.
        pending: entries read and not acknowledged.
        lag: entries not read yet; None where nobody can tell.
        lag_seconds: age of the oldest entry that is not acknowledged.
        last_delivered_id: the newest entry that it has read.
        active_at: when it last did anything; None when it was never seen before.
        is_live: from Redis, now; otherwise what the last look found.
        seen_at: the time of that look.
    """

    stream: str
    group: str
    is_own: bool
    consumers: int
    alive: int | None
    pending: int
    lag: int | None
    lag_seconds: float
    last_delivered_id: str
    active_at: dt.datetime | None
    is_live: bool
    seen_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerView:
    """One consumer of a group: what Redis knows, and, of a consumer on our engine, what it says of itself."""

    name: str
    pending: int
    idle_seconds: float
    is_alive: bool | None
    """None for a consumer of others: it says nothing."""
    is_active: bool
    """It is the one that reads, where a group lets one read at a time."""
    host: str
    pid: int | None
    since: str
    in_hand: int
    handled: int
    failed: int
    retried: int
    dead: int
    handlers: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """One stream: its size, what it may grow to, and what keeps it from being trimmed."""

    stream: str
    length: int
    first_id: str
    last_id: str
    first_at: dt.datetime | None
    last_at: dt.datetime | None
    memory: int
    target: int
    hard_max: int
    groups: int
    trimmed: int
    trimmed_at: dt.datetime | None
    held_by: list[str]
    alarm: str
    is_live: bool
    seen_at: dt.datetime

    @property
    def share(self) -> float:
        """How much of the hard cap is used, 0 to 1 and above."""
        return self.length / self.hard_max


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePoint:
    """One point of a chart: the greatest of an interval, and how many entries a second were added in it."""

    at: dt.datetime
    length: int
    published_per_second: float
    pending: int
    lag: int | None
    lag_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BusState:
    """What somebody may have to look after.

    Attributes:
        lag_seconds: by group of the hub, age of the oldest entry that waits for it (the worst of its streams).
        alarms: by stream, what threatens to be lost.
        dead_waiting: dead letters that wait for a decision.
        is_live: Redis answered.
    """

    lag_seconds: Mapping[str, float]
    alarms: Mapping[str, str]
    dead_waiting: int
    is_live: bool


def streams() -> list[StreamView]:
    """Return the streams of the bus that exist; what holds them is told as far as those groups are in sight.

    Raises:
        NoCompanyContext: nobody said for whom.
    """
    now = timezone.now()
    stored = {row.stream: row for row in StreamState.objects.all()}
    try:
        facts = {stream: live.read(stream) for stream in live.WATCHED_STREAMS}
    except redis.RedisError:
        return [_stored_stream(stored[name]) for name in live.WATCHED_STREAMS if name in stored]
    return [_stream(found, stored.get(found.stream), now) for found in facts.values() if found is not None]


def groups() -> list[GroupView]:
    """Return the consumer groups of the bus that are in sight, the hub's and others', by stream and name.

    Raises:
        NoCompanyContext: nobody said for whom; `apps.events.groups` says who is told of which.
    """
    now = timezone.now()
    stored = {(row.stream, row.group): row for row in GroupState.objects.all()}
    try:
        found = [facts for stream in _watched() for facts in live.read_groups(stream)]
        members = live.members_of({facts.group for facts in found})
    except redis.RedisError:
        return _told_of(_stored_group(row) for row in stored.values())
    alive = {name: _alive(told, now) for name, told in members.items()}
    return _told_of(_group(facts, stored.get((facts.stream, facts.group)), alive[facts.group], now) for facts in found)


def group_consumers(stream: str, group: str) -> list[ConsumerView]:
    """Return the consumers of one group on one stream, by name; none while Redis is away."""
    now = timezone.now()
    try:
        return [_consumer(facts, now) for facts in live.consumers(stream, group)]
    except redis.RedisError:
        return []


_POINTS = """
SELECT date_bin(make_interval(secs => %s), at, %s) AS bucket, max(length), sum(published), max(pending), max(lag),
       max(lag_seconds)
FROM events_streamsample WHERE stream = %s AND "group" = %s AND at >= %s AND at < %s
GROUP BY bucket ORDER BY bucket
"""


def samples(
    *, stream: str, group: str = "", since: dt.datetime, until: dt.datetime | None = None, points: int = 240
) -> list[SamplePoint]:
    """Return how a stream, or one ``group`` of it, was doing, in at most ``points`` intervals, the oldest first."""
    until = until or timezone.now()
    seconds = max(15.0, (until - since).total_seconds() / points)
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, [seconds, since, stream, group, since, until])
        return [
            SamplePoint(
                at=at,
                length=length,
                published_per_second=float(published) / seconds,
                pending=pending,
                lag=lag,
                lag_seconds=lag_seconds,
            )
            for at, length, published, pending, lag, lag_seconds in cursor.fetchall()
        ]


def journalled() -> int:
    """Return how many entries the journal has ever numbered, those included that it had already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_journalentry_id_seq")
        return int(cursor.fetchone()[0])


def bus_state(*, live_too: bool = True) -> BusState:
    """Return what somebody may have to look after: of Redis now, or of the last look while it is away.

    Without ``live_too`` Redis is not asked: what the last look found is at most half a minute old.
    """
    views = groups() if live_too else [_stored_group(row) for row in GroupState.objects.all()]
    worst: dict[str, float] = {}
    for view in views:
        if view.is_own:
            worst[view.group] = max(worst.get(view.group, 0.0), view.lag_seconds)
    is_live = live_too and all(view.is_live for view in views)
    if is_live:
        for group, seconds in _unread({(view.stream, view.group) for view in views}):
            worst[group] = max(worst.get(group, 0.0), seconds)
    alarms = {row.stream: _held(row)[1] for row in StreamState.objects.exclude(alarm="")}
    return BusState(lag_seconds=worst, alarms=alarms, dead_waiting=dead_letters_waiting(), is_live=is_live)


def _unread(known: Collection[tuple[str, str]]) -> Iterator[tuple[str, float]]:
    """Yield the hub's groups that do not read a stream which has entries: nobody has ever run the consumer there."""
    keepers = {**dict.fromkeys(live.ENVELOPE_STREAMS, live.JOURNAL_GROUP), STREAM_EVENTS_DEAD: live.DEAD_GROUP}
    missing = {stream: group for stream, group in keepers.items() if (stream, group) not in known}
    if not missing:
        return
    now = timezone.now()
    for view in streams():
        if view.stream in missing and view.length and view.first_at:
            yield missing[view.stream], max(0.0, (now - view.first_at).total_seconds())


def _watched() -> list[str]:
    """Return the streams whose groups are shown: the bus's own, and the replays of groups that have had some."""
    known = GroupState.objects.filter(stream__startswith=stream_of_replays("")).values_list("stream", flat=True)
    return [*live.WATCHED_STREAMS, *sorted(set(known))]


def _told_of(views: Iterable[GroupView]) -> list[GroupView]:
    seen = (view for view in views if sight.is_in_sight(view.group))
    return sorted(seen, key=lambda view: (view.stream, view.group))


def _alive(members: Mapping[str, Mapping[str, Any]], now: dt.datetime) -> int | None:
    if not members:
        return None
    return sum(_is_alive(member, now) for member in members.values())


def _is_alive(member: Mapping[str, Any], now: dt.datetime) -> bool:
    return now.timestamp() - _number(member.get("seen_ms")) / 1000 < MEMBER_SECONDS


def _group(facts: GroupFacts, row: GroupState | None, alive: int | None, now: dt.datetime) -> GroupView:
    return GroupView(
        stream=facts.stream,
        group=facts.group,
        is_own=facts.group.startswith(OWN_PREFIX),
        consumers=facts.consumers,
        alive=alive,
        pending=facts.pending,
        lag=facts.lag,
        lag_seconds=facts.lag_seconds,
        last_delivered_id=facts.last_delivered_id,
        active_at=row.active_at if row else None,
        is_live=True,
        seen_at=now,
    )


def _stored_group(row: GroupState) -> GroupView:
    return GroupView(
        stream=row.stream,
        group=row.group,
        is_own=row.group.startswith(OWN_PREFIX),
        consumers=row.consumers,
        alive=None,
        pending=row.pending,
        lag=row.lag,
        lag_seconds=row.lag_seconds,
        last_delivered_id=row.last_delivered_id,
        active_at=row.active_at,
        is_live=False,
        seen_at=row.seen_at,
    )


def _consumer(facts: live.ConsumerFacts, now: dt.datetime) -> ConsumerView:
    member = facts.member or {}
    return ConsumerView(
        name=facts.name,
        pending=facts.pending,
        idle_seconds=facts.idle_ms / 1000,
        is_alive=None if facts.member is None else _is_alive(member, now),
        is_active=bool(member.get("active")),
        host=str(member.get("host", "")),
        pid=int(_number(member.get("pid"))) or None,
        since=str(member.get("since", "")),
        in_hand=int(_number(member.get("in_hand"))),
        handled=int(_number(member.get("handled"))),
        failed=int(_number(member.get("failed"))),
        retried=int(_number(member.get("retried"))),
        dead=int(_number(member.get("dead"))),
        handlers=_handlers(member.get("handlers")),
    )


def _handlers(told: Any) -> dict[str, Mapping[str, float]]:
    """Return the counts of handlers, of what a consumer says of them."""
    if not isinstance(told, dict):
        return {}
    return {
        name: {of: _number(value) for of, value in counts.items()}
        for name, counts in told.items()
        if isinstance(counts, dict)
    }


def _number(told: Any) -> float:
    """Return a number that a consumer says, 0 for anything else: in Redis everybody may say anything."""
    return told if isinstance(told, int | float) and -MAX_COUNT < told < MAX_COUNT else 0


def _held(row: StreamState) -> tuple[list[str], str]:
    """Return the groups in sight that hold a stream, and its alarm, whose second half names all of them."""
    told = [group for group in row.held_by if sight.is_in_sight(group)]
    return told, row.alarm if told == row.held_by else row.alarm and f"{row.alarm.partition(':')[0]}."


def _stream(facts: StreamFacts, row: StreamState | None, now: dt.datetime) -> StreamView:
    held_by, alarm = _held(row) if row else ([], "")
    return StreamView(
        stream=facts.stream,
        length=facts.length,
        first_id=facts.first_id,
        last_id=facts.last_id,
        first_at=id_time(facts.first_id),
        last_at=id_time(facts.last_id),
        memory=facts.memory,
        target=settings.EVENTS_MAX_LENGTH,
        hard_max=settings.EVENTS_HARD_MAX_LENGTH,
        groups=len(facts.groups),
        trimmed=row.trimmed if row else 0,
        trimmed_at=row.trimmed_at if row else None,
        held_by=held_by,
        alarm=alarm,
        is_live=True,
        seen_at=now,
    )


def _stored_stream(row: StreamState) -> StreamView:
    held_by, alarm = _held(row)
    return StreamView(
        stream=row.stream,
        length=row.length,
        first_id=row.first_id,
        last_id=row.last_id,
        first_at=id_time(row.first_id),
        last_at=id_time(row.last_id),
        memory=row.memory,
        target=settings.EVENTS_MAX_LENGTH,
        hard_max=settings.EVENTS_HARD_MAX_LENGTH,
        groups=GroupState.objects.filter(stream=row.stream).count(),
        trimmed=row.trimmed,
        trimmed_at=row.trimmed_at,
        held_by=held_by,
        alarm=alarm,
        is_live=False,
        seen_at=row.seen_at,
    )
