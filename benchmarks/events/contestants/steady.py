"""A service that publishes at a pace and one that consumes it, for as long as the soak takes."""

import threading
import time

from benchmarks.events.ledger import SERVICE, Ledger, expected
from benchmarks.events.payload import TYPE, envelope_of
from benchmarks.events.player import Task
from xerpium_sdk.events import EventConsumer, EventPublisher
from xerpium_sdk.wire.envelope import Envelope

MANY = 50


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

    consumer = EventConsumer(SERVICE, redis_url=task.url, retry_seconds=(0.2, 1.0))
    consumer.register_handler(TYPE, handle)
    task.watch.start()
    with consumer:
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
