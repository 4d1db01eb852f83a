"""What a consumer has in hand and in which order it may be handled. Pure: no Redis, no clock, no threads.

A lane is what has to stay in order: the events of one entity. Its deliveries are handed out one by one or as runs
(consecutive ones for one handler); what fails goes back to the front of its lane and holds back only that lane.

Most entities have one event in hand, so a lane comes into being with its second one: an object fewer for each event,
which the garbage collector would look at again and again, is worth more here than a simpler rule.
"""

import heapq
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from itertools import count
from typing import TypeAlias

from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.wire.envelope import Envelope

__all__ = ["Delivery", "Lanes", "Run", "Unit", "rest_of"]

RUN_LENGTH = 256
"""Deliveries of one lane that are handed out at once."""


class Delivery:
    """One entry in hand."""

    __slots__ = (
        *("alone", "attempts", "claimed", "entry_id", "envelope", "fault", "fields", "is_out", "key", "lane", "stream"),
        *("subscription", "suspect", "turn"),
    )

    envelope: Envelope | None
    key: Hashable
    """What it must stay in order with: its entity; None when that is nothing but itself."""
    subscription: Subscription

    def __init__(self, stream: str, entry_id: bytes, fields: Sequence[bytes], attempts: int = 0) -> None:
        self.stream = stream
        self.entry_id = entry_id
        self.fields = fields
        self.attempts = attempts
        """How many attempts ended without success."""
        self.turn = 0
        """Raised with every answer that was waited for, so that a late one is known by its turn."""
        self.alone = False
        """Whether it failed as the only one of a batch, and so is not put into one with others again."""
        self.fault = ""
        """Why it has no envelope."""
        self.suspect = False
        """Whether consumers may have died of it."""
        self.claimed = False
        """Whether it is claimed in the store of handled events."""
        self.is_out = False
        self.lane: _Lane | None = None


class Run:
    """Deliveries of one lane for one handler, to be done in order, or one batch for a batch handler."""

    __slots__ = ("items", "subscription")

    def __init__(self, subscription: Subscription, items: deque[Delivery]) -> None:
        self.subscription = subscription
        self.items = items
        """What has not been begun; who works on a run of a lane takes them from here one by one."""


Unit: TypeAlias = Delivery | Run
"""What is handed out at once."""


class _Lane:
    """The deliveries of one entity that has more than one, or one that waits."""

    __slots__ = ("due", "holder", "key", "listed", "out", "queue")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.queue: deque[Delivery] = deque()
        """What has not been handed out."""
        self.out = 0
        """How many are handed out."""
        self.holder: Subscription | None = None
        """Whose those are that are out."""
        self.due: float | None = None
        """Until when it waits; set while its first delivery waits for its next attempt."""
        self.listed = False
        """Whether it stands among the ready ones."""


class Lanes:
    """All lanes of a consumer. A delivery is ready, waits in its lane, or is out until `settle` or `give_back`."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Delivery | _Lane] = {}
        self._ready: deque[Delivery | _Lane] = deque()
        self._waiting: list[tuple[float, int, _Lane]] = []
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
        event = delivery.envelope
        if event is None or event.entity_id is None:
            delivery.key = None
            self._ready.append(delivery)
            return
        delivery.key = key = (event.company_id, event.entity_type, event.entity_id)
        found = self._lanes.setdefault(key, delivery)
        if found is delivery:
            self._ready.append(delivery)
            return
        lane = self._lane_of(found) if isinstance(found, Delivery) else found
        delivery.lane = lane
        lane.queue.append(delivery)
        self._list(lane)

    def take(self, now: float, limit: int | None = None) -> list[Unit]:
        """Hand out what may be handled at ``now``: the oldest first, at most ``limit`` units."""
        while self._waiting and self._waiting[0][0] <= now:
            lane = heapq.heappop(self._waiting)[2]
            lane.due = None
            self._list(lane)
        units: list[Unit] = []
        ready = self._ready
        while ready and (limit is None or len(units) < limit):
            one = ready.popleft()
            if isinstance(one, Delivery):
                if one.lane is None:
                    one.is_out = True
                    self.out += 1
                    units.append(one)
                    continue
                one = one.lane
            one.listed = False
            if self._may_go(one):
                units.append(self._hand_out(one))
        return units

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """They are done with; when one was the last one out of its lane, that goes on."""
        lanes = self._lanes
        self.out -= len(deliveries)
        for delivery in deliveries:
            lane = delivery.lane
            if lane is None:
                if delivery.key is not None:
                    del lanes[delivery.key]
                continue
            lane.out -= 1
            if not lane.out:
                if lane.queue:
                    self._list(lane)
                else:
                    lanes.pop(lane.key, None)

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Undo `take` for ``deliveries``, in their order: they are the next of their lanes again."""
        for delivery in reversed(deliveries):
            self.out -= 1
            delivery.is_out = False
            lane = delivery.lane
            if lane is None:
                self._ready.append(delivery)
                continue
            lane.queue.appendleft(delivery)
            lane.out -= 1
            self._list(lane)

    def postpone(self, delivery: Delivery, due: float) -> None:
        """Let it, and its lane behind it, wait until ``due``. Later ones of its lane that are out come back first."""
        lane = delivery.lane or self._lane_of(delivery)
        self.out -= 1
        lane.out -= 1
        delivery.is_out = False
        lane.queue.appendleft(delivery)
        lane.due = due
        heapq.heappush(self._waiting, (due, next(self._ticket), lane))

    def drop(self) -> list[Delivery]:
        """Forget everything that is not handed out, and return it."""
        dropped: list[Delivery] = []
        places: Iterable[Delivery | _Lane] = [
            *self._lanes.values(),
            *self._ready,
            *(lane for _, _, lane in self._waiting),
        ]
        for one in {id(place): place for place in places}.values():
            if isinstance(one, _Lane):
                dropped += one.queue
                one.queue.clear()
                one.due, one.listed = None, False
                if not one.out:
                    self._lanes.pop(one.key, None)
            elif one.lane is None and not one.is_out:
                dropped.append(one)
                self._lanes.pop(one.key, None)
        self._ready.clear()
        self._waiting.clear()
        return dropped

    def _lane_of(self, first: Delivery) -> _Lane:
        """Make the lane of a delivery that was the only one of its entity."""
        first.lane = lane = _Lane(first.key)
        if first.key is not None:
            self._lanes[first.key] = lane
        if first.is_out:
            lane.out, lane.holder = 1, None if first.suspect else first.subscription
        else:
            # It stands among the ready ones, and stands there for its lane from now on.
            lane.queue.append(first)
            lane.listed = True
        return lane

    def _list(self, lane: _Lane) -> None:
        if not lane.listed and self._may_go(lane):
            lane.listed = True
            self._ready.append(lane)

    def _may_go(self, lane: _Lane) -> bool:
        """What is out holds back the rest, unless both go to a handler whose batches come one at a time."""
        if lane.due is not None or not lane.queue:
            return False
        if not lane.out:
            return True
        holder = lane.holder
        first = lane.queue[0]
        return holder is first.subscription and holder.in_stream_order and not first.suspect

    def _hand_out(self, lane: _Lane) -> Unit:
        queue = lane.queue
        subscription, alone = queue[0].subscription, queue[0].suspect
        lane.holder = None if alone else subscription
        items = deque((queue.popleft(),))
        while queue and not alone and len(items) < RUN_LENGTH:
            if queue[0].subscription is not subscription or queue[0].suspect:
                break
            items.append(queue.popleft())
        for delivery in items:
            delivery.is_out = True
        lane.out += len(items)
        self.out += len(items)
        self._list(lane)
        return items[0] if len(items) == 1 else Run(subscription, items)


def rest_of(unit: Unit) -> list[Delivery]:
    """Take what has not been begun away from whoever works on a run; nothing when it is a single delivery."""
    rest: list[Delivery] = []
    if isinstance(unit, Run):
        while unit.items:
            try:
                rest.append(unit.items.popleft())
            except IndexError:
                break  # the worker was faster
    return rest
