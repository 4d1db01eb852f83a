"""Events of which consumers may have died: begun few at a time, and marked in Redis before they are.

A process that dies leaves everything that it had in hand, thousands of entries, of which one may be to blame. Two such
deaths are held against all of them; from then on only those that had really been begun are blamed, because that is
written down first. What has one attempt left is begun alone.
"""

from collections import deque
from collections.abc import Sequence

from xerpium_sdk.events.lanes import Delivery
from xerpium_sdk.events.subscriptions import Subscription

__all__ = ["Suspects", "unclear_deaths"]


def unclear_deaths(subscriptions: Sequence[Subscription]) -> int:
    """Return how many deaths of its consumer, for reasons unknown, are held against an entry before it is suspect."""
    fewest = min((one.max_attempts for one in subscriptions), default=2)
    return max(1, min(2, fewest - 1))


class Suspects:
    """The suspects of one subscription. Pure."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._waiting: deque[Delivery] = deque()
        self._begun: list[tuple[Delivery, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, delivery: Delivery) -> None:
        """Let it wait for its turn."""
        self._waiting.append(delivery)

    def choose(self, *, all_told: bool) -> list[Delivery]:
        """Return which may be begun now. ``all_told``: Redis has heard of everything that is done."""
        self._begun = [(one, turn) for one, turn in self._begun if one.is_out and one.turn == turn]
        chosen: list[Delivery] = []
        while self._waiting and len(self._begun) < self._subscription.concurrency:
            first = self._waiting[0]
            if self._is_last_chance(first) and (self._begun or not all_told):
                break
            if any(self._is_last_chance(one) for one, _ in self._begun):
                break
            chosen.append(self._waiting.popleft())
            self._begun.append((first, first.turn))
        return chosen

    def clear(self) -> list[Delivery]:
        """Take back those that wait."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def _is_last_chance(self, delivery: Delivery) -> bool:
        return delivery.attempts >= self._subscription.max_attempts - 1
