"""Streams, a group and its members in memory: what `xerpium_sdk.testing.TestBroker` puts in the place of Redis.

It keeps to what the engine relies on: entries in order, what was delivered and not acknowledged, dead letters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xerpium_sdk.events.entry import id_key
from xerpium_sdk.events.group import Consumer, Pending
from xerpium_sdk.events.idempotency import Claim, ClaimingStore, HandledKey
from xerpium_sdk.events.lanes import Delivery
from xerpium_sdk.events.membership import Member

__all__ = ["MemoryGroup", "MemoryMembership", "MemoryStore", "MemoryStreams"]


@dataclass(slots=True)
class _Held:
    consumer: str
    delivered: int


@dataclass(slots=True)
class MemoryStreams:
    """Streams by name; entries have ids that grow by one."""

    entries: dict[str, list[tuple[bytes, list[bytes]]]] = field(default_factory=dict)
    dead: list[dict[str, str]] = field(default_factory=list)
    last: int = 0

    def add(self, stream: str, fields: Mapping[str, str]) -> str:
        """Append an entry and return its id."""
        self.last += 1
        entry_id = f"{self.last}-0"
        flat = [part.encode() for pair in fields.items() for part in pair]
        self.entries.setdefault(stream, []).append((entry_id.encode(), flat))
        return entry_id


class MemoryGroup:
    """A `Group` over `MemoryStreams`."""

    def __init__(self, streams: MemoryStreams, names: Sequence[str]) -> None:
        self._streams, self._names = streams, tuple(names)
        self._read: dict[str, int] = {}
        self.held: dict[str, dict[bytes, _Held]] = {name: {} for name in names}

    def create(self, stream: str, after: str) -> bool:
        """See `Group`."""
        if stream in self._read:
            return False
        entries = self._streams.entries.get(stream, [])
        beyond = len(entries) if after == "$" else 0
        self._read[stream] = beyond or sum(id_key(entry_id) <= id_key(after) for entry_id, _ in entries)
        return True

    def read(self, consumer: str, count: int, block_ms: int | None) -> list[Delivery]:
        """See `Group`; it never waits."""
        found: list[Delivery] = []
        for stream in self._names:
            start = self._read.get(stream, 0)
            page = self._streams.entries.get(stream, [])[start : start + count]
            self._read[stream] = start + len(page)
            for entry_id, flat in page:
                self.held[stream][entry_id] = _Held(consumer, 1)
                found.append(Delivery(stream, entry_id, flat))
        return found

    def unread(self, stream: str) -> Sequence[tuple[bytes, list[bytes]]]:
        """Return the entries of ``stream`` that were not delivered yet."""
        return self._streams.entries.get(stream, [])[self._read.get(stream, 0) :]

    def pending(self, stream: str, after: str, count: int) -> list[Pending]:
        """See `Group`."""
        rows = sorted(self.held[stream].items(), key=lambda row: id_key(row[0]))
        later = [row for row in rows if id_key(row[0]) > id_key(after)]
        return [Pending(entry_id, held.consumer, 0, held.delivered) for entry_id, held in later[:count]]

    def claim(self, consumer: str, stream: str, counts: Mapping[bytes, int], idle_ms: int) -> list[Delivery]:
        """See `Group`."""
        bodies = dict(self._streams.entries.get(stream, []))
        for entry_id, number in counts.items():
            self.held[stream][entry_id] = _Held(consumer, number)
        return [Delivery(stream, entry_id, bodies[entry_id]) for entry_id in counts]

    def renew(self, consumer: str, stream: str, ids: Sequence[bytes], idle_ms: int) -> None:
        """See `Group`."""

    def count_attempts(self, consumer: str, counts: Iterable[tuple[str, bytes, int]]) -> None:
        """See `Group`."""
        for stream, entry_id, attempts in counts:
            if entry_id in self.held[stream]:
                self.held[stream][entry_id] = _Held(consumer, attempts)

    def acknowledge(
        self, ids: Mapping[str, Sequence[bytes]], store: ClaimingStore | None, keys: Sequence[HandledKey]
    ) -> None:
        """See `Group`."""
        for stream, of_stream in ids.items():
            for entry_id in of_stream:
                self.held[stream].pop(entry_id, None)
        if store is not None:
            store.mark(None, keys)

    def bury(self, letters: Sequence[tuple[Delivery, Mapping[str, str]]]) -> None:
        """See `Group`."""
        for delivery, reason in letters:
            parts = [part.decode("utf-8", "replace") for part in delivery.fields]
            self._streams.dead.append({**dict(zip(parts[::2], parts[1::2], strict=True)), **reason})
            self.held[delivery.stream].pop(delivery.entry_id, None)

    def consumers(self, stream: str) -> list[Consumer]:
        """See `Group`."""
        return []

    def drop(self, consumer: str) -> bool:
        """See `Group`."""
        return not any(held.consumer == consumer for of_stream in self.held.values() for held in of_stream.values())


class MemoryMembership:
    """A `Membership` of one."""

    def join(self, prefix: str, token: str, gone_ms: int) -> str:
        """See `Membership`."""
        return f"{prefix}0"

    def beat(self, name: str, token: str, report: Mapping[str, Any], *, by_force: bool) -> bool:
        """See `Membership`."""
        return True

    def leave(self, name: str, token: str, *, nothing_pending: bool) -> None:
        """See `Membership`."""

    def members(self) -> dict[str, Member]:
        """See `Membership`."""
        return {}

    def forget(self, name: str, text: bytes) -> None:
        """See `Membership`."""

    def hold(self, token: str, lease_ms: int) -> bool:
        """See `Membership`."""
        return True

    def yield_up(self, token: str) -> None:
        """See `Membership`."""


class MemoryStore:
    """A `ClaimingStore` for one process; it takes the place of the one in Redis."""

    claim_seconds = 30.0

    def __init__(self) -> None:
        self._done: set[HandledKey] = set()
        self._at: set[HandledKey] = set()

    def claim(self, keys: Sequence[HandledKey]) -> list[Claim]:
        """See `ClaimingStore`."""
        return [self._claim(key) for key in keys]

    def renew(self, keys: Sequence[HandledKey]) -> None:
        """See `ClaimingStore`."""

    def release(self, keys: Sequence[HandledKey]) -> None:
        """See `ClaimingStore`."""
        self._at.difference_update(keys)

    def mark(self, pipeline: Any, keys: Sequence[HandledKey]) -> None:
        """See `ClaimingStore`."""
        self._at.difference_update(keys)
        self._done.update(keys)

    def _claim(self, key: HandledKey) -> Claim:
        if key in self._done:
            return Claim.DONE
        if key in self._at:
            return Claim.BUSY
        self._at.add(key)
        return Claim.OURS
