"""What Redis says of the streams and their groups, and the two things the hub does to them: append and cut off.

Works on Redis 6.2; where a newer server counts by itself (7.0: entries added, lag), its numbers are used. Names and
bodies are read as bytes, since others put there what they like.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from apps.core import redis
from apps.core.errors import Unavailable
from apps.events.texts import name_of
from xerpium_sdk.events.entry import BEGINNING, id_key
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS_DEAD, STREAM_HUB, events_members

__all__ = [
    "DEAD_GROUP",
    "ENVELOPE_STREAMS",
    "FULL_SHARE",
    "JOURNAL_GROUP",
    "WATCHED_STREAMS",
    "ConsumerFacts",
    "GroupFacts",
    "StreamFacts",
    "append",
    "consumers",
    "cut",
    "id_time",
    "members_of",
    "read",
    "read_groups",
    "require_room",
]

JOURNAL_GROUP = "hub-journal"
DEAD_GROUP = "hub-dead"
ENVELOPE_STREAMS = (STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_HUB)
"""What the journal copies."""
WATCHED_STREAMS = (*ENVELOPE_STREAMS, STREAM_EVENTS_DEAD)
FULL_SHARE = 0.95
"""From this share of the hard cap on nothing is published while the journal is behind."""
BEHIND_SECONDS = 10.0
COUNTED = 500
"""How many waiting entries are counted one by one where the server keeps no count."""

# Ids only: bodies would cross the network to be thrown away. Returns how many wait, up to a limit, and the first id.
_WAITING = """
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
return {#found, found[1] and found[1][1] or ''}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """One consumer group of one stream, at one moment.

    Attributes:
        stream: the stream that it reads.
        group: its name.
        consumers: how many names it knows.
        pending: entries read and not acknowledged.
        first_pending_id: the oldest of them, or ``""``.
        last_delivered_id: the newest entry that it has read.
        lag: entries not read yet; above some hundreds an estimate on Redis 6.2, None where that cannot be told.
        lag_seconds: age of the oldest entry that is not acknowledged.
        idle_ms: since one of its consumers last asked for something; None where that cannot be told.
    """

    stream: str
    group: str
    consumers: int
    pending: int
    first_pending_id: str
    last_delivered_id: str
    lag: int | None
    lag_seconds: float
    idle_ms: int | None

    @property
    def needs_from(self) -> str:
        """The oldest id that the group still needs; what is below can go."""
        # A group that was set back reads again what lies before its pending entries.
        return min(self.first_pending_id or self.last_delivered_id, self.last_delivered_id, key=id_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """One stream at one moment. ``added`` counts every entry it ever had (Redis 7 and later, else None)."""

    stream: str
    length: int
    first_id: str
    last_id: str
    added: int | None
    memory: int
    groups: tuple[GroupFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerFacts:
    """One consumer of a group, as Redis knows it; ``member`` is what it says of itself, if it is one of ours."""

    name: str
    pending: int
    idle_ms: int
    member: Mapping[str, Any] | None


def read(stream: str) -> StreamFacts | None:
    """Return the facts of ``stream``, None when there is no such stream.

    Raises:
        redis.RedisError: Redis is away.
    """
    pipeline = redis.bytes_client().pipeline(transaction=False)
    pipeline.xinfo_stream(stream)
    pipeline.memory_usage(stream)
    told, memory = pipeline.execute(raise_on_error=False)
    for answer in (told, memory):
        if isinstance(answer, redis.ResponseError):
            return None  # no such key, or no stream: nobody can read it then
        if isinstance(answer, Exception):
            raise answer
    last_id = _text(told["last-generated-id"])
    return StreamFacts(
        stream=stream,
        length=told["length"],
        first_id=_text(told["first-entry"][0]) if told["first-entry"] else "",
        last_id=last_id,
        added=told.get("entries-added"),
        memory=int(memory or 0),
        groups=tuple(_estimated(group, told, last_id) for group in read_groups(stream)),
    )


def read_groups(stream: str) -> tuple[GroupFacts, ...]:
    """Return the facts of all groups of ``stream``.

    Raises:
        redis.RedisError: Redis is away.
    """
    client = redis.bytes_client()
    try:
        groups: list[dict[str, Any]] = client.xinfo_groups(stream)
    except redis.ResponseError:
        return ()
    pipeline = client.pipeline(transaction=False)
    for group in groups:
        pipeline.xpending(stream, group["name"])
        pipeline.xinfo_consumers(stream, group["name"])
        limit = COUNTED + 1 if group.get("lag") is None else 1
        pipeline.eval(_WAITING, 1, stream, group["last-delivered-id"], limit)
    pipeline.time()
    *answers, time = pipeline.execute(raise_on_error=False)
    if isinstance(time, Exception):
        raise time
    found = []
    for index, group in enumerate(groups):
        told = answers[3 * index : 3 * index + 3]
        if error := next((answer for answer in told if isinstance(answer, Exception)), None):
            if isinstance(error, redis.ResponseError):
                continue  # the group went away in between
            raise error
        found.append(_group(stream, group, told, now_ms=time[0] * 1000 + time[1] // 1000))
    return tuple(found)


def _group(stream: str, group: Mapping[str, Any], told: Sequence[Any], *, now_ms: int) -> GroupFacts:
    pending, consumers, (waiting, first_waiting) = told
    first_pending = _text(pending["min"] or b"")
    oldest = first_pending or _text(first_waiting)
    lag = group.get("lag")
    if lag is None and waiting <= COUNTED:
        lag = waiting
    return GroupFacts(
        stream=stream,
        group=name_of(group["name"]),
        consumers=group["consumers"],
        pending=pending["pending"],
        first_pending_id=first_pending,
        last_delivered_id=_text(group["last-delivered-id"]),
        lag=lag,
        lag_seconds=max(0.0, (now_ms - id_key(oldest)[0]) / 1000) if oldest else 0.0,
        idle_ms=min((consumer["idle"] for consumer in consumers), default=None),
    )


def _estimated(group: GroupFacts, told: Mapping[str, Any], last_id: str) -> GroupFacts:
    """Estimate a lag that nobody counts (Redis 6.2, more than `COUNTED`), as if entries had come evenly over time."""
    if group.lag is not None or not told["first-entry"]:
        return group
    first, last = id_key(_text(told["first-entry"][0]))[0], id_key(last_id)[0]
    at = max(id_key(group.last_delivered_id)[0], first)
    share = (last - at) / (last - first) if last > first else 1.0
    return replace(group, lag=max(COUNTED, round(told["length"] * share)))


def consumers(stream: str, group: str) -> list[ConsumerFacts]:
    """Return the consumers of a group on one stream, by name; members that Redis does not know on it come too.

    Raises:
        redis.RedisError: Redis is away.
    """
    try:
        known: list[dict[str, Any]] = redis.bytes_client().xinfo_consumers(stream, group)
    except redis.ResponseError:
        return []
    told = members_of([group])[group]
    found = {
        name: ConsumerFacts(name=name, pending=row["pending"], idle_ms=row["idle"], member=told.get(name))
        for row in known
        for name in (name_of(row["name"]),)
    }
    for name in told.keys() - found.keys():
        found[name] = ConsumerFacts(name=name, pending=0, idle_ms=0, member=told[name])
    return [found[name] for name in sorted(found)]


def members_of(groups: Iterable[str]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return, by group, what its consumers that run on our engine say of themselves, by name: in one round trip.

    Raises:
        redis.RedisError: Redis is away.
    """
    names = list(groups)
    pipeline = redis.bytes_client().pipeline(transaction=False)
    for name in names:
        pipeline.hgetall(events_members(name))
    return {name: _told(answer) for name, answer in zip(names, pipeline.execute(raise_on_error=False), strict=True)}


def _told(answer: Any) -> dict[str, Mapping[str, Any]]:
    if isinstance(answer, redis.ResponseError):
        return {}  # a key of another type: nobody says anything
    if isinstance(answer, Exception):
        raise answer
    found: dict[str, Mapping[str, Any]] = {}
    for name, value in answer.items():
        try:
            told = json.loads(value)
        except (ValueError, RecursionError):
            continue
        if isinstance(told, dict):
            found[name_of(name)] = told
    return found


def append(entries: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
    """Append entries, each (stream, fields), in this order and in one transaction; return their ids.

    Raises:
        redis.RedisError: Redis is away or full; then none is there, or, if the answer was lost, all.
    """
    pipeline = redis.client().pipeline(transaction=True)
    for stream, fields in entries:
        body: dict[Any, Any] = {**fields}
        pipeline.xadd(stream, body)
    return [str(entry_id) for entry_id in pipeline.execute()]


def require_room(wanted: Iterable[str], *, now: dt.datetime) -> None:
    """Return when something may be published on the streams ``wanted``.

    Raises:
        Unavailable: one is as good as full while the journal is behind, so that an entry would be lost for it.
        redis.RedisError: Redis is away.
    """
    names = sorted(wanted)
    pipeline = redis.client().pipeline(transaction=False)
    for stream in names:
        pipeline.xlen(stream)
    for stream, length in zip(names, pipeline.execute(), strict=True):
        if length >= FULL_SHARE * settings.EVENTS_HARD_MAX_LENGTH and _journal_is_behind(stream, now):
            raise Unavailable(
                "The journal is behind and the stream is full: nothing can be published until it has caught up.",
                code="journal_behind",
                retry_after=30.0,
            )


def _journal_is_behind(stream: str, now: dt.datetime) -> bool:
    journal = next((group for group in read_groups(stream) if group.group == JOURNAL_GROUP), None)
    return journal is None or journal.lag_seconds > BEHIND_SECONDS


def cut(stream: str, *, below: str, at_most: int) -> int:
    """Delete the oldest entries of ``stream`` with ids below ``below``, at most ``at_most``; return how many.

    Whole nodes of the stream only, so a few may stay that could go: that is what makes it cheap.
    """
    return int(redis.client().execute_command("XTRIM", stream, "MINID", "~", below, "LIMIT", at_most))


def id_time(entry_id: str) -> dt.datetime | None:
    """Return when Redis took the entry, as its id says; None when the id says nothing that is a time."""
    try:
        return (
            dt.datetime.fromtimestamp(id_key(entry_id)[0] / 1000, dt.UTC) if entry_id not in ("", BEGINNING) else None
        )
    except (OverflowError, ValueError, OSError):
        return None


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
