"""What a consumer has in hand: what is ready, what waits for its next attempt, and what waits behind that.

Pure: no Redis and no clock of its own. An event that failed holds back only the later events of its own entity, so
that a create that fails once is not overtaken by its update; everything else goes past it.
"""

import heapq
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count

from xerpium_sdk.events.entry import Entry
from xerpium_sdk.wire.envelope import Envelope

__all__ = ["Backlog", "Delivery"]


@dataclass(eq=False, slots=True)
class Delivery:
    """One entry in hand; ``envelope`` is None when it cannot be read, and ``fault`` says why."""

    entry: Entry
    attempts: int = 0
    """How many deliveries of it ended without an acknowledgement."""
    envelope: Envelope | None = None
    fault: str = ""
    lane: Hashable = field(init=False)

    def __post_init__(self) -> None:
        event = self.envelope
        ordered = event is not None and event.entity_id is not None
        self.lane = (event.company_id, event.entity_type, event.entity_id) if ordered and event else self.entry.key


class Backlog:
    """Deliveries in the order in which they may be handled."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Delivery] = {}
        self._ready: deque[Delivery] = deque()
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._behind: dict[Hashable, deque[Delivery]] = {}
        self._ticket = count()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._held.values())

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    @property
    def next_due(self) -> float | None:
        """When the next attempt is due; None when nothing waits for one."""
        return self._waiting[0][0] if self._waiting else None

    def has_work(self, now: float) -> bool:
        """Return whether `take` would return something."""
        return bool(self._ready) or (bool(self._waiting) and self._waiting[0][0] <= now)

    def add(self, delivery: Delivery) -> None:
        """Take a delivery in; one that is in hand already is passed over (Redis delivered it again)."""
        if delivery.entry.key not in self._held:
            self._held[delivery.entry.key] = delivery
            self._behind.get(delivery.lane, self._ready).append(delivery)

    def take(self, now: float) -> Delivery | None:
        """Return what to handle next, or None. It stays in hand until `settle`, `postpone` or `put_back`."""
        if self._waiting and self._waiting[0][0] <= now:
            return heapq.heappop(self._waiting)[2]
        while self._ready:
            delivery = self._ready.popleft()
            if (queue := self._behind.get(delivery.lane)) is None:
                return delivery
            queue.append(delivery)
        return None

    def postpone(self, delivery: Delivery, due: float) -> None:
        """Let it wait until ``due``, and the later ones of its lane behind it."""
        self._behind.setdefault(delivery.lane, deque())
        heapq.heappush(self._waiting, (due, next(self._ticket), delivery))

    def put_back(self, delivery: Delivery, now: float) -> None:
        """Undo `take`: it is the next one again."""
        if delivery.lane in self._behind:
            self.postpone(delivery, now)
        else:
            self._ready.appendleft(delivery)

    def settle(self, delivery: Delivery) -> None:
        """It is done with; the next of its lane may go."""
        del self._held[delivery.entry.key]
        self._ready.extendleft(reversed(self._behind.pop(delivery.lane, ())))
