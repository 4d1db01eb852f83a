"""Reads what the storm left: ledgers, streams, groups, both databases."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import psycopg
import redis
from redis.exceptions import RedisError

from tests.chaos_events.cast import COPIES, World
from tests.chaos_events.judge import Evidence, Group
from tests.chaos_events.ledger import read_acknowledged, read_attempts, read_handlings
from tests.chaos_events.plan import CONSUMERS
from xerpium_sdk.wire import keys

STREAMS = (keys.STREAM_EVENTS, keys.STREAM_EVENTS_CUSTOM)
ORDERED = ("ordered", "bulk", "effects")
DEAD_GROUP = "hub-dead"
PAGE = 5000
MOST_BYTES = 40_000_000
PATIENCE_SECONDS = 2.0
_JOURNAL = """
SELECT coalesce(nullif(extra->>'event_id', ''), event_id), count(*)
FROM events_journalentry WHERE stream = ANY(%s) GROUP BY 1
"""
_LETTERS = 'SELECT entry_id, event_id FROM events_deadletter WHERE "group" = %s'
_EFFECTS = "SELECT event_id, count(*) FROM service_effect GROUP BY 1"
_UNSENT = "SELECT count(*) FROM events_outboxentry WHERE relayed_as IS NULL"
_UNSENT_BY_SERVICE = "SELECT count(*) FROM xerpium_sdk_outboxevent WHERE sent_at IS NULL"


class Streams:
    """What Redis says of the streams; asked past the proxy."""

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="replace",
            socket_timeout=PATIENCE_SECONDS,
        )

    def waiting(self) -> list[str]:
        """Return, in words, what is pending or was not yet delivered."""
        found: list[str] = []
        for stream in (*STREAMS, keys.STREAM_HUB, keys.STREAM_EVENTS_DEAD):
            if not self._redis.exists(stream):
                continue
            last = self._redis.xinfo_stream(stream)["last-generated-id"]
            for group in self._redis.xinfo_groups(stream):
                if group["pending"]:
                    found.append(f"{group['pending']:,} pending in {group['name']} on {stream}")
                if group["last-delivered-id"] != last:
                    behind = group.get("lag")
                    found.append(f"{'some' if behind is None else behind} not delivered to {group['name']} on {stream}")
        return found

    def keep_small(self) -> None:
        """Let Redis write its append-only file anew before it is so long that a restart takes minutes.

        It would do so by itself, but counts from its last start, and here it is killed before it has counted far.
        """
        try:
            about = self._redis.info("persistence")
            if about.get("aof_current_size", 0) > MOST_BYTES and not about.get("aof_rewrite_in_progress"):
                self._redis.bgrewriteaof()
        except RedisError:
            return

    def letters(self, group: str) -> dict[str, str]:
        """Return the dead letters of ``group`` that are in the stream: id of the entry -> id of the event."""
        return {
            entry_id: fields.get("event_id", "")
            for entry_id, fields in self._dead()
            if fields.get("dead_group") == group
        }

    def leaks(self) -> list[str]:
        """Return, in words, the consumers that nobody is, and keys that should not be there."""
        found = [
            f"{count} consumers in {group} on {stream}: {', '.join(names)}"
            for stream in STREAMS
            for group in (*CONSUMERS, "hub-journal")
            if (count := len(names := self._consumers(stream, group))) > COPIES.get(group, COPIES["journal"])
        ]
        return found + [f"the key {key} without a TTL" for key in self._lasting()]

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def _consumers(self, stream: str, group: str) -> list[str]:
        if not self._redis.exists(stream):
            return []
        names = [known["name"] for known in self._redis.xinfo_groups(stream)]
        return [one["name"] for one in self._redis.xinfo_consumers(stream, group)] if group in names else []

    def _dead(self) -> Iterator[tuple[str, dict[str, str]]]:
        after = "-"
        while page := self._redis.xrange(keys.STREAM_EVENTS_DEAD, after, "+", PAGE):
            yield from page
            after = f"({page[-1][0]}"

    def _lasting(self) -> list[str]:
        known = [*keys.PERSISTENT_KEYS]
        prefixes = ("xerpium:events:replay:", "xerpium:requests:")
        return sorted(
            key
            for key in self._redis.scan_iter("xerpium:*", count=1000)
            if key not in known and not key.startswith(prefixes) and self._redis.ttl(key) == -1
        )


def gather(
    world: World, streams: Streams, *, faults: Sequence[tuple[int, int]], waiting: Sequence[str], leaks: Sequence[str]
) -> Evidence:
    """Return all that the judge needs. Everybody has to have stopped but the engines."""
    with (
        psycopg.connect(world.database_url, options="-c xerpium.scope=everything") as hub,
        psycopg.connect(world.service_url) as service,
    ):
        groups = [
            Group(kind, kind in ORDERED, read_handlings(world.ledger, kind), _letters(hub, streams, kind))
            for kind in CONSUMERS
            if kind in world.roles
        ]
        return Evidence(
            attempts=read_attempts(world.ledger),
            acknowledged=read_acknowledged(world.ledger),
            groups=groups,
            faults=faults,
            effects=_counted(service, _EFFECTS) if "effects" in world.roles else {},
            effects_of="effects",
            journal=_counted(hub, _JOURNAL, list(STREAMS)) if "journal" in world.roles else None,
            waiting=waiting,
            leaks=leaks,
            deaths=world.company.deaths,
        )


def unsent(world: World) -> list[str]:
    """Return, in words, what waits in outboxes."""
    found = []
    for role, url, query in (
        ("relay", world.database_url, _UNSENT),
        ("service-relay", world.service_url, _UNSENT_BY_SERVICE),
    ):
        if role in world.roles:
            with psycopg.connect(url, options="-c xerpium.scope=everything") as connection:
                if count := _one(connection, query):
                    found.append(f"{count:,} events that {role} has not sent")
    return found


def count_lines(directory: Path, pattern: str, sizes: dict[Path, tuple[int, int]]) -> int:
    """Return how many lines there are in the files of ``pattern``; ``sizes`` remembers what was read before."""
    for path in directory.glob(pattern):
        offset, count = sizes.get(path, (0, 0))
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
        sizes[path] = (offset + len(data), count + data.count(b"\n"))
    return sum(count for path, (_, count) in sizes.items() if fnmatch(path.name, pattern))


def _letters(hub: "psycopg.Connection[Any]", streams: Streams, group: str) -> Counter[str]:
    # Those that the hub has stored stay in the stream for a while.
    stored: dict[str, str] = dict(hub.execute(_LETTERS, [group]).fetchall())
    return Counter((streams.letters(group) | stored).values())


def _counted(connection: "psycopg.Connection[Any]", query: str, *arguments: object) -> dict[str, int]:
    return {str(name): int(count) for name, count in connection.execute(query, arguments or None)}


def _one(connection: "psycopg.Connection[Any]", query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
