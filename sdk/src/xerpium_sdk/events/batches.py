"""Batches for a batch handler: when one is handed over, and how one that fails is taken apart. Pure.

A batch that fails is split in halves until those that fail are alone. Only alone does a failure count as an attempt:
before that nobody knows whose it is.
"""

from collections import deque
from typing import TypeVar

from xerpium_sdk.events.lanes import Delivery, Run, Unit
from xerpium_sdk.events.subscriptions import Subscription

__all__ = ["Collector", "halves"]

Item = TypeVar("Item")


def halves(batch: list[Item]) -> tuple[list[Item], list[Item]]:
    """Return the two parts in which a batch that failed is tried again, in this order."""
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


class Collector:
    """Collects the deliveries of one batch handler in the order in which lanes hand them out."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._size, self._seconds = subscription.batching.size, subscription.batching.seconds  # type: ignore[union-attr]
        self._collected: deque[Delivery] = deque()
        self._pieces: deque[list[Delivery]] = deque()
        self._busy: set[object] = set()
        """The lanes of what is in flight: nothing else of them may be, whoever cut a run of them into batches."""
        self._since: float | None = None
        self.in_flight = 0

    @property
    def due(self) -> float | None:
        """When what is collected has waited long enough; None when nothing is, or when it cannot be handed over yet."""
        if self.in_flight >= self.subscription.concurrency or self._since is None or self._must_wait:
            return None
        return self._since if self._first_is_alone else self._since + self._seconds

    @property
    def _must_wait(self) -> bool:
        """Whether what comes next is of a lane that is in flight."""
        if self._pieces:
            return not self._busy.isdisjoint(one.lane for one in self._pieces[0])
        return bool(self._collected) and self._collected[0].lane in self._busy

    @property
    def _first_is_alone(self) -> bool:
        """Whether the next one gets a batch of its own: it has nobody to wait for."""
        return bool(self._collected) and (self._collected[0].alone or self._collected[0].suspect)

    def __len__(self) -> int:
        return len(self._collected) + sum(map(len, self._pieces))

    def add(self, unit: Unit, now: float) -> None:
        """Take in what a lane handed out."""
        if self._since is None:
            self._since = now
        if isinstance(unit, Run):
            self._collected += unit.items
        else:
            self._collected.append(unit)

    def take(self, now: float, *, at_once: bool) -> Run | None:
        """Return the next batch when one is full or has waited long enough (``at_once``: or has anything in it)."""
        if self.in_flight >= self.subscription.concurrency or self._must_wait:
            return None
        if self._pieces:
            return self._hand_over(self._pieces.popleft())
        if self._since is None or not (
            at_once or self._first_is_alone or len(self._collected) >= self._size or now >= self._since + self._seconds
        ):
            return None
        batch: list[Delivery] = []
        collected, busy, size = self._collected, self._busy, self._size
        while collected and len(batch) < size:
            first = collected[0]
            alone = first.alone or first.suspect
            if (alone and batch) or first.lane in busy:
                break
            batch.append(collected.popleft())
            if alone:
                break
        # What is left came no later than now, and waits its own time.
        self._since = now if collected else None
        return self._hand_over(batch) if batch else None

    def answered(self, batch: list[Delivery]) -> None:
        """``batch`` has come back."""
        self.in_flight -= 1
        self._busy.difference_update(one.lane for one in batch)

    def split(self, batch: list[Delivery]) -> None:
        """Hand over the halves of a batch that failed, before anything else."""
        self._pieces.extendleft(reversed(halves(batch)))

    def put_back(self, batch: list[Delivery]) -> None:
        """Hand over a batch again as it was, before anything else."""
        self._pieces.appendleft(batch)

    def withdraw(self, failed: Delivery) -> list[Delivery]:
        """Take back, in order, what is of the lane of ``failed`` and has not been handed over."""
        lane = failed.lane
        if lane is None:
            return []
        found = [one for piece in self._pieces for one in piece if one.lane is lane]
        found += [one for one in self._collected if one.lane is lane]
        if found:
            pieces = ([one for one in piece if one.lane is not lane] for piece in self._pieces)
            self._pieces = deque(piece for piece in pieces if piece)
            self._collected = deque(one for one in self._collected if one.lane is not lane)
            if not self._collected:
                self._since = None
        return found

    def clear(self) -> list[Delivery]:
        """Take back everything."""
        found = [one for piece in self._pieces for one in piece] + list(self._collected)
        self._pieces.clear()
        self._collected.clear()
        self._since = None
        return found

    def _hand_over(self, batch: list[Delivery]) -> Run:
        self.in_flight += 1
        self._busy.update(one.lane for one in batch if one.lane is not None)
        return Run(self.subscription, deque(batch))
