"""One consumer group in Redis: every command that the engine sends about entries, in bytes.

Bodies are read undecoded: one value that is not UTF-8 would otherwise make the whole batch unreadable, and the entry
that caused it could not even be named.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from redis import Redis
from redis.exceptions import ResponseError

from xerpium_sdk.events.entry import BEGINNING, id_key
from xerpium_sdk.events.idempotency import ClaimingStore, HandledKey
from xerpium_sdk.events.lanes import Delivery
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD

__all__ = ["Consumer", "Group", "Pending", "RedisGroup", "is_no_group"]

logger = logging.getLogger(__name__)

PAGE = 100
"""Dead letters in one round trip, and ids of one command about claims."""
MOST_ARGUMENTS = 7000
"""What Lua's ``unpack`` can pass on."""

_BURY = """
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
return redis.call('XACK', KEYS[2], ARGV[1], ARGV[2])
"""
"""A script and no MULTI: there an XADD that fails would not keep the XACK behind it from succeeding."""

_DROP = """
local free = 0
for _, stream in ipairs(KEYS) do
    local ok, held = pcall(redis.call, 'XPENDING', stream, ARGV[1], '-', '+', 1, ARGV[2])
    if ok and type(held) == 'table' and not held.err then
        if #held == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[1], ARGV[2]) else free = free + 1 end
    end
end
return free
"""


class Pending(NamedTuple):
    """One entry that was delivered and not acknowledged."""

    entry_id: bytes
    consumer: str
    idle_ms: int
    delivered: int
    """How often, as Redis counts; the engine also stores the attempts there."""


class Consumer(NamedTuple):
    """One consumer of the group on one stream, as Redis knows it."""

    name: str
    pending: int
    idle_ms: int


class Group(Protocol):
    """What the engine asks of a group; in Redis, or in memory for tests."""

    def create(self, stream: str, after: str) -> bool:
        """Make the group, to be given everything after ``after``; return whether it was absent."""

    def read(self, consumer: str, count: int, block_ms: int | None) -> list[Delivery]:
        """Return up to ``count`` new entries of each stream, waiting up to ``block_ms`` for the first (None: not)."""

    def pending(self, stream: str, after: str, count: int) -> list[Pending]:
        """Return what was delivered and not acknowledged, of any consumer, with ids after ``after``, oldest first."""

    def claim(self, consumer: str, stream: str, counts: Mapping[bytes, int], idle_ms: int) -> list[Delivery]:
        """Take over those of ``counts`` that are still idle for ``idle_ms``, and store these counts of deliveries."""

    def renew(self, consumer: str, stream: str, ids: Sequence[bytes], idle_ms: int) -> None:
        """Say that ``ids`` are still being worked on, unless somebody else touched them in the last ``idle_ms``."""

    def count_attempts(self, consumer: str, counts: Iterable[tuple[str, bytes, int]]) -> None:
        """Store how often entries (stream, id, attempts) were tried, so that it survives this process."""

    def acknowledge(
        self, ids: Mapping[str, Sequence[bytes]], store: ClaimingStore | None, keys: Sequence[HandledKey]
    ) -> None:
        """Acknowledge ``ids`` of each stream in one round trip; with marks of a store in one transaction."""

    def bury(self, letters: Sequence[tuple[Delivery, Mapping[str, str]]]) -> None:
        """Copy each entry with its reason to the dead letters and acknowledge it: both or neither."""

    def consumers(self, stream: str) -> list[Consumer]:
        """Return who ever read ``stream`` in this group and was not deleted."""

    def drop(self, consumer: str) -> bool:
        """Delete ``consumer`` from the group where nothing is pending for it; return whether that was everywhere."""


class RedisGroup:
    """A `Group` in Redis, over one client; not to be shared by threads. Methods raise what redis-py raises."""

    def __init__(
        self, client: Redis, *, group: str, streams: Sequence[str], own_streams: Collection[str] = frozenset()
    ) -> None:
        self.client, self.group, self.streams = client, group, tuple(streams)
        self._own_streams = own_streams
        self._command: Callable[..., Any] = client.execute_command
        self._connection: Any = None
        self.client_id: int | None = None
        """By which Redis knows the connection of `read`."""
        self._name = f"xerpium-reader-{uuid4()}"
        self._lost: int | None = None
        self._names = {stream.encode(): stream for stream in streams}
        self._bury = client.register_script(_BURY)
        self._drop = client.register_script(_DROP)

    def create(self, stream: str, after: str) -> bool:
        """Make the group, to be given everything after ``after`` (``$``: what comes from now on).

        A stream whose last id is below ``after`` is not the one that ``after`` was read from (Redis was emptied), and
        is read from its beginning.
        """
        if after not in (BEGINNING, "0", "$") and id_key(self._last_id(stream)) < id_key(after):
            after = BEGINNING
        try:
            self._command("XGROUP CREATE", stream, self.group, after, "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
            return False
        logger.info("Group %s made on %s, reading after %s", self.group, stream, after)
        return True

    def read(self, consumer: str, count: int, block_ms: int | None) -> list[Delivery]:
        """Read through a connection of its own, past redis-py's shaping of the answer, which doubles the cost."""
        wait = () if block_ms is None else ("BLOCK", block_ms)
        try:
            connection = self._connection or self._connect()
            connection.send_command(
                *("XREADGROUP", "GROUP", self.group, consumer, "COUNT", count, *wait, "STREAMS"),
                *self.streams,
                *[">"] * len(self.streams),
            )
            reply = connection.read_response(disable_decoding=True)
        except BaseException as error:
            # A ResponseError is an answer; after anything else nobody knows what comes next on this connection.
            if not isinstance(error, ResponseError):
                self._lost = self.client_id
                self.hang_up()
            raise
        names = self._names
        return [
            Delivery(names[stream], entry_id, fields) for stream, entries in reply or () for entry_id, fields in entries
        ]

    def hang_up(self) -> None:
        """Give up the connection of `read`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self.client.connection_pool.release(connection)

    def pending(self, stream: str, after: str, count: int) -> list[Pending]:
        """See `Group`."""
        self._end_lost_read()
        start = "-" if after == BEGINNING else f"({after}"
        rows = self._command("XPENDING", stream, self.group, start, "+", count, parse_detail=True)
        return [
            Pending(
                _bytes(row["message_id"]), _text(row["consumer"]), row["time_since_delivered"], row["times_delivered"]
            )
            for row in rows
        ]

    def claim(self, consumer: str, stream: str, counts: Mapping[bytes, int], idle_ms: int) -> list[Delivery]:
        """Take over, in one round trip; the counts of the answer are those given.

        Ids whose entry was trimmed away are acknowledged: nobody can handle them, and they would be claimed for ever.
        """
        by_count: dict[int, list[bytes]] = {}
        for entry_id, number in counts.items():
            by_count.setdefault(number, []).append(entry_id)
        claimed: list[Delivery] = []
        for number, ids in by_count.items():
            reply = self._command(
                *("XCLAIM", stream, self.group, consumer, idle_ms, *ids, "RETRYCOUNT", number), NEVER_DECODE=True
            )
            claimed += [Delivery(stream, entry_id, _flat(fields)) for entry_id, fields in reply if entry_id is not None]
        self._forget_trimmed(stream, set(counts) - {delivery.entry_id for delivery in claimed})
        claimed.sort(key=lambda delivery: id_key(delivery.entry_id))
        return claimed

    def renew(self, consumer: str, stream: str, ids: Sequence[bytes], idle_ms: int) -> None:
        """See `Group`."""
        pipeline = self.client.pipeline(transaction=False)
        for start in range(0, len(ids), PAGE):
            some = ids[start : start + PAGE]
            pipeline.execute_command(
                "XCLAIM", stream, self.group, consumer, idle_ms, *some, "JUSTID", parse_justid=True
            )
        pipeline.execute()

    def count_attempts(self, consumer: str, counts: Iterable[tuple[str, bytes, int]]) -> None:
        """See `Group`. Without bodies, which does not count as a delivery."""
        pipeline = self.client.pipeline(transaction=False)
        for stream, entry_id, attempts in counts:
            pipeline.execute_command(
                *("XCLAIM", stream, self.group, consumer, 0, entry_id, "RETRYCOUNT", attempts, "JUSTID"),
                parse_justid=True,
            )
        pipeline.execute()

    def acknowledge(
        self, ids: Mapping[str, Sequence[bytes]], store: ClaimingStore | None, keys: Sequence[HandledKey]
    ) -> None:
        """See `Group`."""
        if not keys and len(ids) == 1 and not self._own_streams:
            ((stream, of_stream),) = ids.items()
            self._command("XACK", stream, self.group, *of_stream)
            return
        pipeline = self.client.pipeline(transaction=bool(keys))
        for stream, of_stream in ids.items():
            pipeline.execute_command("XACK", stream, self.group, *of_stream)
            if stream in self._own_streams:
                pipeline.execute_command("XDEL", stream, *of_stream)
        if store is not None:
            store.mark(pipeline, keys)
        pipeline.execute()

    def bury(self, letters: Sequence[tuple[Delivery, Mapping[str, str]]]) -> None:
        """See `Group`."""
        for start in range(0, len(letters), PAGE):
            pipeline = self.client.pipeline(transaction=False)
            for delivery, reason in letters[start : start + PAGE]:
                self._bury_one(pipeline, delivery, reason)
            pipeline.execute()

    def consumers(self, stream: str) -> list[Consumer]:
        """See `Group`."""
        found = self._command("XINFO CONSUMERS", stream, self.group)
        return [Consumer(_text(one["name"]), one["pending"], one["idle"]) for one in found]

    def drop(self, consumer: str) -> bool:
        """Do so atomically: whatever were delivered to it between a look and the deletion would be lost."""
        return not self._drop(keys=list(self.streams), args=[self.group, consumer])

    def _connect(self) -> Any:
        connection = self._connection = self.client.connection_pool.get_connection()
        connection.send_command("CLIENT", "SETNAME", self._name)
        connection.read_response()
        connection.send_command("CLIENT", "ID")
        self.client_id = connection.read_response()
        return connection

    def _end_lost_read(self) -> None:
        """Let Redis end a connection that is lost to us, before what is pending is looked at.

        Redis may not know that nobody is there any more: a read that still blocks would be given what comes next, and
        everything after that would overtake it. The name is compared because a restarted Redis counts anew.
        """
        if self._lost is None:
            return
        try:
            found = self._command("CLIENT LIST", "ID", self._lost)
            if any(one.get("name") == self._name for one in found):
                self._command("CLIENT KILL", "ID", self._lost)
        except ResponseError as error:
            logger.debug("The lost connection of a read could not be ended: %s", error)
        self._lost = None

    def _bury_one(self, pipeline: Any, delivery: Delivery, reason: Mapping[str, str]) -> None:
        fields: list[bytes | str] = [*delivery.fields]
        for name, value in reason.items():
            fields += (name, value)
        if len(fields) > MOST_ARGUMENTS:
            fields = [*delivery.fields[: MOST_ARGUMENTS - 2 * len(reason)], *fields[len(delivery.fields) :]]
        self._bury(
            keys=[STREAM_EVENTS_DEAD, delivery.stream],
            args=[self.group, delivery.entry_id, *fields],
            client=pipeline,
        )
        if delivery.stream in self._own_streams:
            pipeline.execute_command("XDEL", delivery.stream, delivery.entry_id)

    def _last_id(self, stream: str) -> str:
        if not self.client.exists(stream):
            return BEGINNING
        # The answer also holds the first and the last body: undecoded for the same reason as in `read`.
        return _text(self._command("XINFO STREAM", stream, NEVER_DECODE=True)["last-generated-id"])

    def _forget_trimmed(self, stream: str, missing: set[bytes]) -> None:
        """Acknowledge those of ``missing`` that are no longer in the stream; the others went to another consumer."""
        if not missing:
            return
        wanted = sorted(missing)
        pipeline = self.client.pipeline(transaction=False)
        for entry_id in wanted:
            pipeline.execute_command("XRANGE", stream, entry_id, entry_id, NEVER_DECODE=True)
        trimmed = [one for one, found in zip(wanted, pipeline.execute(), strict=True) if not found]
        if trimmed:
            self._command("XACK", stream, self.group, *trimmed)
            logger.error("%d entries of %s were trimmed before group %s handled them", len(trimmed), stream, self.group)


def is_no_group(error: BaseException) -> bool:
    """Return whether Redis says that the group, or its stream, is not there."""
    return isinstance(error, ResponseError) and "NOGROUP" in str(error)


def _flat(fields: Any) -> list[bytes]:
    """Undo redis-py's making a mapping of an entry's fields."""
    return [part for pair in fields.items() for part in pair] if isinstance(fields, dict) else fields


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
