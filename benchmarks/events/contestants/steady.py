"""A service that publishes at a pace and one that consumes it, for as long as the soak takes."""

import threading
import time

from benchmarks.events.payload import ENTITIES, TYPE, envelope_of
from benchmarks.events.player import Task
from xerpium_sdk.events import EventConsumer, EventPublisher
from xerpium_sdk.wire.envelope import Envelope

SERVICE = "soak"
GROUP = f"{SERVICE}-group"
MANY = 50
STUMBLE = 997
"""One event in so many fails at first."""
FATAL = 100_003
"""One event in so many always fails, and goes to the dead letters."""


def publish(task: Task) -> dict[str, float]:
    """Publish ``task.rate`` events a second, fifty in a round trip; tell how far it fell behind."""
    behind = 0.0
    with EventPublisher(SERVICE, redis_url=task.url) as publisher:
        task.watch.start()
        begun = time.monotonic()
        for first in range(0, task.count, MANY):
            if (pause := begun + first / task.rate - time.monotonic()) > 0:
                time.sleep(pause)
            behind = max(behind, -pause)
            publisher.publish_many([envelope_of(number) for number in range(first, min(first + MANY, task.count))])
        task.watch.stop()
    return {"behind_seconds": behind}


def consume(task: Task) -> dict[str, int]:
    """Handle everything; tell what was handled, how often, and whether in order."""
    ledger = Ledger()
    finished = threading.Event()
    due = expected(task.count)

    def handle(event: Envelope) -> None:
        ledger.note(int(event.data["number"]))
        if ledger.handled >= due:
            finished.set()

    with EventConsumer(SERVICE, redis_url=task.url, retry_seconds=(0.2, 1.0)) as consumer:
        consumer.register_handler(TYPE, handle)
        task.watch.start()
        consumer.start()
        task.ready()
        finished.wait()
        found = consumer.metrics.snapshot()
        task.watch.stop()
    return {
        "handled": ledger.handled,
        "total": ledger.total,
        "out_of_order": ledger.out_of_order,
        "retried": found.retried,
    }


class Ledger:
    """Counts events by their numbers in memory that does not grow: it is what is measured."""

    def __init__(self) -> None:
        self.handled = self.total = self.out_of_order = 0
        self._last = [-1] * ENTITIES
        self._stumbled: set[int] = set()

    def note(self, number: int) -> None:
        """Count event ``number``, or fail as it is meant to.

        Raises:
            RuntimeError: it is one that fails, the first time or always.
        """
        if is_fatal(number):
            raise RuntimeError("This one always fails.")
        if number % STUMBLE == STUMBLE - 1 and number not in self._stumbled:
            self._stumbled.add(number)
            raise RuntimeError("This one fails at first.")
        self._stumbled.discard(number)
        entity = number % ENTITIES
        self.out_of_order += number < self._last[entity]
        self._last[entity] = number
        self.handled += 1
        self.total += number


def is_fatal(number: int) -> bool:
    """Whether event ``number`` always fails."""
    return number % FATAL == FATAL - 1


def fatal(count: int) -> int:
    """Return how many of the first ``count`` events always fail."""
    return count // FATAL


def expected(count: int) -> int:
    """Return how many of the first ``count`` events are handled in the end."""
    return count - fatal(count)


def expected_total(count: int) -> int:
    """Return the sum of the numbers of those that are handled in the end."""
    return count * (count - 1) // 2 - sum(range(FATAL - 1, count, FATAL))
