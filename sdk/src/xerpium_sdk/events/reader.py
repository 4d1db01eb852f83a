"""The thread that reads: first what is pending for consumers that are gone, then what is new.

Whatever was delivered to this group and has not been acknowledged is older than anything new. So it is taken up first,
oldest first: on activation, after every answer that got lost, and every now and then.
"""

import logging
import random
from threading import Event, Lock

from redis.exceptions import RedisError

from xerpium_sdk.events.desk import Desk
from xerpium_sdk.events.entry import BEGINNING, id_before, id_key
from xerpium_sdk.events.group import Group, Pending, is_no_group
from xerpium_sdk.events.lanes import Delivery
from xerpium_sdk.events.membership import Member, Membership
from xerpium_sdk.events.metrics import Metrics
from xerpium_sdk.events.options import Options
from xerpium_sdk.events.trouble import Trouble

__all__ = ["Held", "Reader"]

logger = logging.getLogger(__name__)

Held = dict[str, dict[bytes, Delivery]]
"""What is in hand: stream -> id -> delivery. The reader adds, the coordinator removes."""

FORGET_SECONDS = 60.0
"""How often to look for consumers to forget."""
MOST_BATCHES_AHEAD = 2
"""Batches in the inbox; more would only be looked at by the garbage collector."""
IDLE_POLL_MS = 5


class Reader:
    """Reads into the desk's inbox. `round` is one round; `run` goes round until `stop`."""

    def __init__(
        self,
        options: Options,
        group: Group,
        membership: Membership,
        desk: Desk,
        held: Held,
        metrics: Metrics,
        *,
        unclear_deaths: int,
        drain: bool,
    ) -> None:
        self.consumer = ""
        self.room = Event()
        """Set by the coordinator whenever something was acknowledged."""
        self.go = Event()
        """Set while this consumer may read."""
        self.nothing_new = False
        """When draining: the last read found nothing, so that there is no point in waiting for more."""
        self.idle = False
        """When draining: nothing new was left while nothing was in hand."""
        self._options, self._group, self._membership, self._desk = options, group, membership, desk
        self._held, self._metrics, self._unclear_deaths, self._drain = held, metrics, unclear_deaths, drain
        self._has_group: set[str] = set()
        self._last_read: dict[str, str] = {}
        self._to_recover: dict[str, str] = {}
        self._next_look = self._next_forgetting = 0.0
        self._is_first_look = True
        self._trouble = Trouble("Redis", f"group {options.group} reads nothing until it is back")
        self._stopping = Event()
        self._lock = Lock()
        self._turn = 0

    def run(self) -> None:
        """Read until `stop`."""
        while not self._stopping.is_set() and not self.idle:
            if not self.go.wait(0.2):
                continue
            self.round(self._options.block_ms)

    def stop(self) -> None:
        """Let `run` return; what it has read is in the inbox by then."""
        self._stopping.set()
        self.room.set()
        self.go.set()

    def activate(self, consumer: str) -> None:
        """Begin to read as ``consumer``."""
        self.consumer, self._is_first_look = consumer, True
        self.look_again()
        self.go.set()

    def turn_away(self) -> None:
        """Let nothing in that was asked for before: what is older is about to be handed back, and has to come first."""
        with self._lock:
            self._turn += 1

    def look_again(self) -> None:
        """Take up what is pending before reading on."""
        self._next_look = 0.0

    def round(self, block_ms: int | None) -> None:
        """Take up a page of what is pending, or read once; wait when there is no room, or no Redis."""
        try:
            self._ensure_groups()
            if self._take_in(block_ms):
                self._trouble.over()
        except RedisError as error:
            if is_no_group(error):
                logger.warning("Group %s is gone (was Redis emptied?); making it again", self._options.group)
                self._has_group.clear()
            # An answer that did not arrive may have held entries: Redis thinks that we have them.
            self.look_again()
            self._stopping.wait(self._trouble.met(error))

    def _take_in(self, block_ms: int | None) -> bool:
        """Return whether Redis was asked."""
        now, turn = self._desk.clock(), self._turn
        if now >= self._next_look and (self._next_look == 0.0 or not self._to_recover):
            self._to_recover = dict.fromkeys(self._options.streams, BEGINNING)
            self._next_look = now + self._options.look_seconds * random.uniform(0.8, 1.2)
        if (room := self._room()) <= 0:
            self.room.clear()
            if self._room() <= 0:
                self.room.wait(0.2)
            return False
        if self._desk.clock() >= self._desk.begin_until:
            self._stopping.wait(0.05)  # the right to begin anything has to be renewed first
            return False
        count = min(self._options.batch, room)
        if self._to_recover:
            self._recover(count, turn)
        else:
            self._read(count, block_ms, turn)
        return True

    def _room(self) -> int:
        """Return how many entries to read: none while the coordinator has not come to those of before."""
        if len(self._desk.inbox) >= MOST_BATCHES_AHEAD:
            return 0
        return self._options.max_in_hand - sum(map(len, self._held.values()))

    def _read(self, count: int, block_ms: int | None, turn: int) -> None:
        quiet = self._drain and not any(self._held.values()) and not self._desk.inbox
        if self._drain and block_ms is not None:
            block_ms = None if quiet else IDLE_POLL_MS
        found = self._group.read(self.consumer, count, block_ms)
        self.nothing_new = self._drain and not found
        if not found:
            self.idle = quiet
            if self._drain:
                self._desk.ring()
            return
        for delivery in found:
            self._last_read[delivery.stream] = delivery.entry_id  # type: ignore[assignment]
        self._put(found, turn)

    def _put(self, found: list[Delivery], turn: int) -> None:
        fresh = []
        with self._lock:
            if turn != self._turn:
                self.look_again()
                return
            for delivery in found:
                of_stream = self._held[delivery.stream]
                if delivery.entry_id not in of_stream:
                    of_stream[delivery.entry_id] = delivery
                    fresh.append(delivery)
            self._desk.inbox.append(fresh)
        self._desk.ring()

    # --- groups

    def _ensure_groups(self) -> None:
        for stream in self._options.streams:
            if stream not in self._has_group:
                self._group.create(stream, self._position(stream))
                self._has_group.add(stream)

    def _position(self, stream: str) -> str:
        """Return the id up to which everything of ``stream`` is done as far as this process knows."""
        if in_hand := list(self._held[stream]):
            return id_before(min(in_hand, key=id_key))
        last = self._last_read.get(stream)
        if last is None:
            return self._options.start_at
        return last.decode() if isinstance(last, bytes) else last

    # --- what is pending

    def _recover(self, count: int, turn: int) -> None:
        stream, after = next(iter(self._to_recover.items()))
        page = self._group.pending(stream, after, count)
        if page:
            self._claim(stream, page, turn)
        if len(page) < count:
            del self._to_recover[stream]
            if not self._to_recover:
                self._is_first_look = False
                self._forget_the_gone()
        else:
            self._to_recover[stream] = page[-1].entry_id.decode()

    def _claim(self, stream: str, page: list[Pending], turn: int) -> None:
        held = self._held[stream]
        if not (unknown := [one for one in page if one.entry_id not in held]):
            return
        members = self._membership.members()
        wanted = [one for one in unknown if self._is_free(one, members)]
        if not wanted:
            return
        ended = {one.entry_id: self._is_of_the_past(one) for one in wanted}
        counts = {one.entry_id: self._count(one.delivered) if ended[one.entry_id] else one.delivered for one in wanted}
        attempts = {one.entry_id: one.delivered - (not ended[one.entry_id]) for one in wanted}
        # Nobody else touched them since: two that claim at once would otherwise both get them.
        idle_ms = min(one.idle_ms for one in wanted)
        claimed = self._group.claim(self.consumer, stream, counts, idle_ms)
        for delivery in claimed:
            delivery.attempts = attempts[delivery.entry_id]
            delivery.suspect = ended[delivery.entry_id] and delivery.attempts >= self._unclear_deaths
        self._metrics.recovered += len(claimed)
        self._put(claimed, turn)

    def _forget_the_gone(self) -> None:
        """Delete consumers that are gone and hold nothing: names would pile up for ever."""
        now = self._desk.clock()
        if now < self._next_forgetting:
            return
        self._next_forgetting = now + FORGET_SECONDS
        members = self._membership.members()
        gone = {name for name, member in members.items() if member.silent_ms > self._options.gone_ms}
        for stream in self._options.streams:
            for one in self._group.consumers(stream):
                if one.name not in members and not one.pending and one.idle_ms > self._options.claim_idle_ms:
                    gone.add(one.name)
        for name in gone - {self.consumer}:
            if self._group.drop(name) and name in members:
                self._membership.forget(name, members[name].text)

    def _is_of_the_past(self, one: Pending) -> bool:
        """Return whether another process may have begun it: all but what this one was sent and never saw."""
        return one.consumer != self.consumer or self._is_first_look

    def _is_free(self, one: Pending, members: dict[str, Member]) -> bool:
        """Return whether ``one`` may be taken from whom it was delivered to."""
        if one.consumer == self.consumer:
            return True
        member = members.get(one.consumer)
        if member is None:
            return one.idle_ms >= self._options.claim_idle_ms
        # In an ordered group only the active consumer, this one, has anything in hand.
        return self._options.ordered or member.silent_ms > self._options.gone_ms

    def _count(self, delivered: int) -> int:
        """Return the count of deliveries to store when an entry is taken up.

        Its consumer ended, and nobody knows whether that was its doing. Two such ends are held against it; from then
        on it is marked before it is begun, so that only what it really was begun with counts.
        """
        return max(delivered, min(delivered + 1, self._unclear_deaths))
