"""What a consumer has in hand and in which order it may be handled. Pure: no Redis, no clock, no threads.

A lane is what has to stay in order: the events of one entity. Its deliveries are handed out as runs (consecutive ones for
one handler); what fails goes back to the front of its lane and holds back only that lane.
"""

import heapq
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from itertools import count

from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.wire.envelope import Envelope

__all__ = ["Delivery", "Lane", "Lanes", "Run"]

RUN_LENGTH = 256
"""Deliveries of one lane that are handed out at once."""


class Delivery:
    """One entry in hand."""

    __slots__ = (
        *("alone", "attempts", "entry_id", "envelope", "fault", "fields", "lane", "stream", "subscription", "turn"),
    )

    def __init__(self, stream: str, entry_id: bytes, fields: Sequence[bytes], attempts: int = 0) -> None:
        self.stream = stream
        self.entry_id = entry_id
        self.fields = fields
        self.attempts = attempts
        """How many attempts ended without success."""
        self.alone = False
        """Whether it failed as the only one of a batch, and so is not put into one with others again."""
        self.turn = 0
        """Raised whenever somebody stops waiting for an answer, so that a late one is known by its turn."""

    envelope: Envelope | None
    fault: str
    subscription: Subscription
    lane: "Lane"

    def key(self) -> Hashable:
        """Return what it must stay in order with: the entity, or nothing but itself."""
        event = self.envelope
        if event is None or event.entity_id is None:
            return None
        return event.company_id, event.entity_type, event.entity_id


class Lane:
    """The deliveries of one entity."""

    __slots__ = ("due", "holder", "key", "listed", "out", "queue")

    def __init__(self, key: Hashable, first: Delivery) -> None:
        self.key = key
        self.queue = deque((first,))
        """What has not been handed out."""
        self.out = 0
        """How many are handed out."""
        self.holder: Subscription | None = None
        """Whose those are that are out."""
        self.due: float | None = None
        """Until when it waits; set while its first delivery waits for its next attempt."""
        self.listed = True
        """Whether it stands among the ready ones."""


class Run:
    """Deliveries of one lane for one handler, to be done in order; who works on it takes them from ``items``."""

    __slots__ = ("items", "subscription")

    def __init__(self, subscription: Subscription, items: deque[Delivery]) -> None:
        self.subscription = subscription
        self.items = items


class Lanes:
    """All lanes of a consumer. A delivery is in the queue of its lane, or handed out until `settle` or `give_back`."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._waiting: list[tuple[float, int, Lane]] = []
        self._ticket = count()
        self.out = 0
        """How many deliveries are handed out."""

    @property
    def next_due(self) -> float | None:
        """When the next lane that waits may go on; None when none waits."""
        return self._waiting[0][0] if self._waiting else None

    def has_work(self, now: float) -> bool:
        """Return whether `take` may find something."""
        return bool(self._ready) or (bool(self._waiting) and self._waiting[0][0] <= now)

    def add(self, delivery: Delivery) -> None:
        """Take in a delivery whose envelope and subscription are known, behind the others of its lane."""
        key = delivery.key()
        lane = self._lanes.get(key) if key is not None else None
        if lane is None:
            delivery.lane = lane = Lane(key, delivery)
            if key is not None:
                self._lanes[key] = lane
            self._ready.append(lane)
            return
        delivery.lane = lane
        lane.queue.append(delivery)
        if not lane.listed and lane.due is None and self._may_go(lane):
            self._list(lane)

    def take(self, now: float, limit: int | None = None) -> list[Run]:
        """Hand out what may be handled at ``now``: the oldest first, at most ``limit`` runs."""
        while self._waiting and self._waiting[0][0] <= now:
            lane = heapq.heappop(self._waiting)[2]
            lane.due = None
            self._list(lane)
        runs: list[Run] = []
        ready = self._ready
        while ready and (limit is None or len(runs) < limit):
            lane = ready.popleft()
            lane.listed = False
            if lane.queue and lane.due is None and self._may_go(lane):
                runs.append(self._hand_out(lane))
        return runs

    def settle(self, delivery: Delivery) -> None:
        """It is done with; when it was the last one out, the lane goes on."""
        lane = delivery.lane
        lane.out -= 1
        self.out -= 1
        if not lane.out:
            if not lane.queue:
                self._lanes.pop(lane.key, None)
            elif not lane.listed and lane.due is None:
                self._list(lane)

    def give_back(self, deliveries: Iterable[Delivery]) -> None:
        """Undo `take` for ``deliveries`` of one lane, in their order: they are the lane's next again."""
        returned = list(deliveries)
        for delivery in reversed(returned):
            lane = delivery.lane
            lane.queue.appendleft(delivery)
            lane.out -= 1
            self.out -= 1
            if not lane.out and not lane.listed and lane.due is None:
                self._list(lane)

    def postpone(self, delivery: Delivery, due: float) -> None:
        """Let it, and its lane behind it, wait until ``due``. Later ones of its lane that are out come back first."""
        lane = delivery.lane
        lane.queue.appendleft(delivery)
        lane.out -= 1
        self.out -= 1
        lane.due = due
        heapq.heappush(self._waiting, (due, next(self._ticket), lane))

    def drop(self) -> list[Delivery]:
        """Forget everything that is not handed out, and return it."""
        lanes = {id(lane): lane for lane in self._lanes.values()}
        lanes |= {id(lane): lane for lane in self._ready} | {id(lane): lane for _, _, lane in self._waiting}
        dropped: list[Delivery] = []
        for lane in lanes.values():
            dropped += lane.queue
            lane.queue.clear()
            lane.due, lane.listed = None, False
            if not lane.out:
                self._lanes.pop(lane.key, None)
        self._ready.clear()
        self._waiting.clear()
        return dropped

    def _list(self, lane: Lane) -> None:
        if not lane.listed:
            lane.listed = True
            self._ready.append(lane)

    def _may_go(self, lane: Lane) -> bool:
        """A lane with something out waits for it, unless both go to a handler whose batches come one at a time."""
        if not lane.out:
            return True
        holder = lane.holder
        return holder is not None and holder.in_stream_order and holder is lane.queue[0].subscription

    def _hand_out(self, lane: Lane) -> Run:
        queue = lane.queue
        lane.holder = subscription = queue[0].subscription
        if len(queue) == 1:
            lane.out += 1
            self.out += 1
            lane.queue = deque()
            return Run(subscription, queue)
        items: deque[Delivery] = deque()
        while queue and queue[0].subscription is subscription and len(items) < RUN_LENGTH:
            items.append(queue.popleft())
        lane.out += len(items)
        self.out += len(items)
        if queue and self._may_go(lane):
            self._list(lane)
        return Run(subscription, items)
