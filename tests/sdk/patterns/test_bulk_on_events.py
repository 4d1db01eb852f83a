"""A bulk pattern attached to a consumer: nothing is acknowledged before it is processed."""

import asyncio
import threading
from typing import Any

import pytest
from django.conf import settings

from tests.support.wait import wait_until
from xerpium_sdk.events import BulkProcessingPattern, Envelope, EventConsumer, EventType
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_DEAD

GROUP = "stock-group"


def publish(bus: Any, *numbers: int) -> None:
    for number in numbers:
        event = Envelope.create("product_created", "product", number, data={"number": number}, service_name="catalogue")
        bus.xadd(STREAM_EVENTS, event.encode())


def pending(bus: Any) -> int:
    return int(bus.xpending(STREAM_EVENTS, GROUP)["pending"])


def numbers_of(events: list[Envelope]) -> list[int]:
    return [event.data["number"] for event in events]


def make_consumer() -> EventConsumer:
    return EventConsumer("stock", redis_url=settings.REDIS_URL, retry_seconds=(0.0, 0.0))


def test_nothing_is_acknowledged_before_it_is_processed(bus: Any) -> None:
    begun, gate, seen = threading.Event(), threading.Event(), list[int]()

    def store(events: list[Envelope]) -> None:
        begun.set()
        gate.wait(20)
        seen.extend(numbers_of(events))

    publish(bus, 1, 2, 3)
    consumer, bulk = make_consumer(), BulkProcessingPattern(10, 0.05, store)
    bulk.attach(consumer, EventType.PRODUCT_CREATED)
    with consumer:
        assert begun.wait(10)
        assert pending(bus) == 3
        gate.set()
        wait_until(lambda: not pending(bus), 10, "everything to be acknowledged")
    assert seen == [1, 2, 3]
    counts = bulk.metrics.snapshot()
    assert (counts.processed, counts.batches, counts.pending) == (3, 1, 0)


@pytest.mark.parametrize("coroutine", [False, True])
def test_what_fails_alone_goes_to_the_dead_letters(bus: Any, coroutine: bool) -> None:
    seen: list[int] = []

    def store(events: list[Envelope]) -> None:
        if 5 in numbers_of(events):
            raise LookupError("no room")
        seen.extend(numbers_of(events))

    async def store_on_loop(events: list[Envelope]) -> None:
        await asyncio.sleep(0)
        store(events)

    publish(bus, *range(12))
    consumer = make_consumer()
    processor = store_on_loop if coroutine else store
    bulk = BulkProcessingPattern(8, 0.05, processor, attempts=2, retry_seconds=(0.0, 0.0))
    bulk.attach(consumer, EventType.PRODUCT_CREATED)
    consumer.run_until_idle(20)
    consumer.close()
    assert sorted(seen) == [number for number in range(12) if number != 5]
    ((_, dead),) = bus.xrange(STREAM_EVENTS_DEAD)
    assert (dead[b"entity_id"], dead[b"dead_attempts"]) == (b"5", b"2")
    assert dead[b"dead_handler"].decode().endswith(processor.__qualname__)
    assert not pending(bus)
