"""What Redis has to hear about entries: done, given up, tried, still in hand. Kept until Redis has heard it."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from xerpium_sdk.events.calls import ERROR_LENGTH
from xerpium_sdk.events.group import Group
from xerpium_sdk.events.idempotency import ClaimingStore, HandledKey
from xerpium_sdk.events.lanes import Delivery
from xerpium_sdk.events.options import Options
from xerpium_sdk.events.reader import Held
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD
from xerpium_sdk.wire.times import format_time

__all__ = ["Settlement"]

logger = logging.getLogger(__name__)

MOST_LINES = 5
"""Entries given up at once that are named in the log."""
FLUSH_SECONDS = 0.005
"""How long an acknowledgement waits for others to share its round trip."""


class Settlement:
    """Collects what is to be told; `flush` tells it and raises what redis-py raises, having lost nothing."""

    def __init__(
        self, options: Options, group: Group, held: Held, store: ClaimingStore | None, on_room: Callable[[], None]
    ) -> None:
        self._options, self._group, self._held, self._store, self._on_room = options, group, held, store, on_room
        self._done: defaultdict[str, list[bytes]] = defaultdict(list)
        self._marks: list[HandledKey] = []
        self._letters: list[tuple[Delivery, dict[str, str]]] = []
        self._attempts: list[tuple[str, bytes, int]] = []
        self._releases: list[HandledKey] = []
        self._count = 0
        self.due: float | None = None
        """When to flush; None when there is nothing to tell."""
        self.next_renewal = self.next_claims = 0.0

    def done(self, delivery: Delivery, now: float) -> None:
        """It is done with: acknowledge it."""
        self._done[delivery.stream].append(delivery.entry_id)
        self._count += 1
        if self.due is None:
            self.due = now + FLUSH_SECONDS

    def handled(self, deliveries: Sequence[Delivery], now: float) -> None:
        """Their handlers succeeded: acknowledge them, and mark them in the store if there is one."""
        done = self._done
        for delivery in deliveries:
            done[delivery.stream].append(delivery.entry_id)
            if delivery.suspect:
                self.due = now
            if self._store is not None:
                self._add_key(self._marks, delivery)
        self._count += len(deliveries)
        if self.due is None:
            self.due = now + FLUSH_SECONDS

    def dead(self, delivery: Delivery, handler: str, reason: str, error: str, now: float) -> None:
        """It is given up: into the dead letters with it."""
        letter = {
            "dead_group": self._options.group,
            "dead_handler": handler,
            "dead_reason": reason,
            "dead_error": error[:ERROR_LENGTH],
            "dead_attempts": str(delivery.attempts),
            "dead_stream": delivery.stream,
            "dead_stream_id": delivery.entry_id.decode(),
            "dead_at": format_time(datetime.now(UTC)),
        }
        self._letters.append((delivery, letter))
        self.due = now
        if handler:
            self.released(delivery, now)

    def tried(self, delivery: Delivery, now: float) -> None:
        """An attempt at it has failed, and it waits for the next."""
        self._attempts.append((delivery.stream, delivery.entry_id, delivery.attempts))
        if self.due is None:
            self.due = now + FLUSH_SECONDS

    def released(self, delivery: Delivery, now: float) -> None:
        """It was claimed in the store and is not being handled any more."""
        if self._store is not None:
            delivery.claimed = False
            self._add_key(self._releases, delivery)
            if self.due is None:
                self.due = now + FLUSH_SECONDS

    def is_due(self, now: float) -> bool:
        """Return whether to flush now."""
        return self.due is not None and (now >= self.due or self._count >= self._options.batch)

    def flush(self, consumer: str) -> None:
        """Tell Redis everything."""
        self._bury()
        self._acknowledge()
        if self._attempts:
            self._group.count_attempts(consumer, self._attempts)
            self._attempts.clear()
        if self._releases and self._store is not None:
            self._store.release(self._releases)
            self._releases.clear()
        self.due = None

    def renew(self, consumer: str, now: float) -> bool:
        """Keep other consumers from taking over what is in hand; every quarter of the time after which they would.

        Return whether there was anything.
        """
        interval_ms = self._options.claim_idle_ms // 4
        self.next_renewal = now + interval_ms / 1000
        for stream, of_stream in self._held.items():
            if ids := list(of_stream):
                self._group.renew(consumer, stream, ids, interval_ms // 2)
        return any(self._held.values())

    def renew_claims(self, now: float) -> bool:
        """Hold the claims in the store on what is in hand; three times in the time for which they hold.

        Return whether there were any.
        """
        if self._store is None:
            self.next_claims = now + 3600
            return False
        self.next_claims = now + self._store.claim_seconds / 3
        if keys := self.claimed():
            self._store.renew(list(keys))
        return bool(keys)

    def claimed(self) -> set[HandledKey]:
        """Return what is claimed in the store."""
        keys: list[HandledKey] = []
        for of_stream in self._held.values():
            for delivery in list(of_stream.values()):
                if delivery.claimed:
                    self._add_key(keys, delivery)
        return set(keys)

    def __len__(self) -> int:
        """How many entries are done or given up and not yet told."""
        return self._count + len(self._letters)

    def _add_key(self, keys: list[HandledKey], delivery: Delivery) -> None:
        if delivery.envelope is not None:
            keys.append((self._options.group, delivery.subscription.name, delivery.envelope.event_id))

    def _bury(self) -> None:
        if not self._letters:
            return
        self._group.bury(self._letters)
        for delivery, _ in self._letters:
            self._held[delivery.stream].pop(delivery.entry_id, None)
        for delivery, letter in self._letters[:MOST_LINES]:
            last_line = (letter["dead_error"].splitlines() or [""])[-1]
            about = (letter["dead_stream_id"], delivery.stream, letter["dead_reason"], last_line)
            logger.error("Gave up on %s of %s (%s): %s", *about)
        if (more := len(self._letters) - MOST_LINES) > 0:
            logger.error("Gave up on %d more at once; all are in %s", more, STREAM_EVENTS_DEAD)
        self._letters.clear()
        self._on_room()

    def _acknowledge(self) -> None:
        if not self._count:
            return
        self._group.acknowledge(self._done, self._store, self._marks)
        for stream, ids in self._done.items():
            of_stream = self._held[stream]
            for entry_id in ids:
                of_stream.pop(entry_id, None)
        self._done.clear()
        self._marks.clear()
        self._count = 0
        self._on_room()
