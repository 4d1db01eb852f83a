"""One consumer group in Redis: every command that the engine sends, in bytes.

Bodies are read undecoded: one value that is not UTF-8 would otherwise make the whole batch unreadable, and the entry
that caused it could not even be named.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from xerpium_sdk.events.entry import BEGINNING, Entry, id_key
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD

__all__ = ["StreamGroup"]

logger = logging.getLogger(__name__)


class StreamGroup:
    """One consumer's view of a group over several streams. Methods raise what redis-py raises."""

    def __init__(self, client: Redis, *, group: str, consumer: str, streams: Sequence[str]) -> None:
        self.client, self.group, self.consumer, self.streams = client, group, consumer, tuple(streams)
        self._command: Callable[..., Any] = client.execute_command

    def create(self, stream: str, after: str = BEGINNING) -> bool:
        """Make the group, to be given everything after ``after``; return whether it was absent.

        A stream whose last id is below ``after`` is not the one that ``after`` was read from (Redis was emptied), and
        is read from its beginning. It never starts at ``$``, which would drop whatever came in the meantime.
        """
        if after != BEGINNING and id_key(self._last_id(stream)) < id_key(after):
            after = BEGINNING
        try:
            self.client.xgroup_create(stream, self.group, id=after, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
            return False
        logger.info("Group %s made on %s, reading after %s", self.group, stream, after)
        return True

    def read(self, count: int, block_ms: int | None) -> list[Entry]:
        """Return up to ``count`` new entries of each stream, waiting up to ``block_ms`` for the first (None: not)."""
        wait = () if block_ms is None else ("BLOCK", block_ms)
        return _entries(
            self._command(
                *("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count, *wait, "STREAMS"),
                *self.streams,
                *[">"] * len(self.streams),
                NEVER_DECODE=True,
            )
        )

    def pending(self, stream: str, *, after: str, count: int, own: bool, idle_ms: int = 0) -> dict[str, int]:
        """Return ids after ``after`` that were delivered and not acknowledged, with how often; the oldest first.

        ``own`` asks for this consumer's; otherwise for those that nobody has touched for ``idle_ms``.
        """
        found: list[Any] = self.client.xpending_range(
            stream,
            self.group,
            min=f"({after}",
            max="+",
            count=count,
            consumername=self.consumer if own else None,
            idle=idle_ms or None,
        )
        return {_text(row["message_id"]): row["times_delivered"] for row in found}

    def claim(self, stream: str, ids: Iterable[str], *, idle_ms: int) -> list[Entry]:
        """Take over those of ``ids`` still idle for ``idle_ms``, count one more delivery, and return them.

        Ids whose entry was trimmed away are acknowledged: nobody can handle them, and they would be claimed for ever.
        """
        wanted = list(ids)
        reply = self._command("XCLAIM", stream, self.group, self.consumer, idle_ms, *wanted, NEVER_DECODE=True)
        entries = [Entry(stream, _text(entry_id), fields) for entry_id, fields in reply if entry_id is not None]
        self._forget_trimmed(stream, set(wanted) - {entry.entry_id for entry in entries})
        return entries

    def renew(self, stream: str, ids: Sequence[str], *, idle_ms: int) -> None:
        """Say that ``ids`` are still being worked on.

        ``idle_ms`` is how long they must have lain untouched: what another consumer has just taken over stays there.
        """
        self._take_quietly(stream, idle_ms, *ids)

    def count_attempts(self, entry: Entry, attempts: int) -> None:
        """Store how often ``entry`` was tried, so that the count survives this process."""
        self._take_quietly(entry.stream, 0, entry.entry_id, "RETRYCOUNT", attempts)

    def acknowledge(self, ids: Mapping[str, Sequence[str]]) -> None:
        """Acknowledge ``ids`` of each stream in one round trip."""
        pipeline = self.client.pipeline(transaction=False)
        for stream, of_stream in ids.items():
            pipeline.xack(stream, self.group, *of_stream)
        pipeline.execute()

    def bury(self, entry: Entry, reason: Mapping[str, str]) -> None:
        """Copy ``entry`` with ``reason`` to the dead letters and acknowledge it: both or neither."""
        pipeline = self.client.pipeline(transaction=True)
        fields: dict[Any, Any] = {**entry.fields, **{name.encode(): value.encode() for name, value in reason.items()}}
        pipeline.xadd(STREAM_EVENTS_DEAD, fields)
        pipeline.xack(entry.stream, self.group, entry.entry_id)
        pipeline.execute()

    def _take_quietly(self, stream: str, idle_ms: int, *arguments: object) -> None:
        """Claim without bodies, which does not count as a delivery."""
        self._command("XCLAIM", stream, self.group, self.consumer, idle_ms, *arguments, "JUSTID", parse_justid=True)

    def _last_id(self, stream: str) -> str:
        if not self.client.exists(stream):
            return BEGINNING
        # The answer also holds the first and the last body: undecoded for the same reason as in `read`.
        return _text(self._command("XINFO STREAM", stream, NEVER_DECODE=True)["last-generated-id"])

    def _forget_trimmed(self, stream: str, missing: set[str]) -> None:
        """Acknowledge those of ``missing`` that are no longer in the stream; the others went to another consumer."""
        trimmed = [entry_id for entry_id in sorted(missing) if not self._exists(stream, entry_id)]
        if trimmed:
            self.client.xack(stream, self.group, *trimmed)
            logger.error("%d entries of %s were trimmed before group %s handled them", len(trimmed), stream, self.group)

    def _exists(self, stream: str, entry_id: str) -> bool:
        return bool(self._command("XRANGE", stream, entry_id, entry_id, NEVER_DECODE=True))


def _entries(reply: Any) -> list[Entry]:
    """Read an XREADGROUP reply; redis-py gives it one of three shapes, by protocol and by its settings."""
    found = []
    for stream, entries in reply.items() if isinstance(reply, dict) else reply or ():
        batch = entries[0] if len(entries) == 1 and isinstance(entries[0], list) else entries
        found += [Entry(_text(stream), _text(entry_id), fields) for entry_id, fields in batch]
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
