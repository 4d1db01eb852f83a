"""The bus in memory: the same engine, without Redis and without waiting."""

import time

import pytest

from tests.sdk.events.conftest import make_event
from xerpium_sdk.events import (
    AsyncEventPublisher,
    Envelope,
    EventConsumer,
    EventPublisher,
    EventType,
    Received,
    RedisIdempotencyStore,
)
from xerpium_sdk.testing import TestBroker
from xerpium_sdk.trace import current_correlation_id


def test_handlers_are_called_in_order_and_retried_at_once() -> None:
    consumer, seen, left = EventConsumer("shop"), [], {2: 3}

    @consumer.on("product_created")
    def handle(event: Envelope) -> None:
        number = event.data["number"]
        seen.append(number)
        if left.get(number, 0):
            left[number] -= 1
            raise RuntimeError("not yet")

    broker = TestBroker(consumer)
    for number in (1, 2, 3):
        broker.publish(make_event(number, entity_id=7))
    assert broker.pending == 3
    begun = time.monotonic()
    broker.run()
    assert seen == [1, 2, 2, 2, 2, 3]
    assert time.monotonic() - begun < 1
    assert (broker.pending, broker.dead_letters) == (0, [])
    assert len(broker.published) == 3
    assert consumer.metrics.snapshot().retried == 3


def test_what_always_fails_and_what_is_no_event_are_dead_letters() -> None:
    consumer = EventConsumer("shop", max_attempts=3)
    consumer.on("*")(lambda event: 1 / 0)
    broker = TestBroker(consumer)
    event_id = broker.publish(event_type="shelf_built", entity_type="shelf", entity_id="A-1")
    broker.publish_entry({"not": "an event"})
    broker.run()
    unreadable, failed = broker.dead_letters
    assert (unreadable.reason, unreadable.handler) == ("undecodable", "")
    assert (failed.reason, failed.attempts, failed.fields["event_id"]) == ("max_attempts", 3, event_id)
    assert failed.error.endswith("ZeroDivisionError: division by zero")
    assert "lambda" in failed.handler


def test_handlers_may_publish_and_what_they_publish_is_handled() -> None:
    consumer, seen = EventConsumer("shop"), []

    @consumer.on("order_created")
    def order(event: Envelope) -> None:
        broker.publish(event_type="order_confirmed", correlation_id=current_correlation_id())

    @consumer.on("order_confirmed")
    async def confirmed(event: Envelope) -> None:
        seen.append(event.correlation_id)

    broker = TestBroker(consumer)
    broker.publish(event_type="order_created", correlation_id="c-1")
    broker.run()
    assert seen == ["c-1"]
    assert current_correlation_id() is None


@pytest.mark.anyio
async def test_it_works_within_a_coroutine() -> None:
    consumer, seen = EventConsumer("shop"), []

    @consumer.on("order_created")
    async def order(event: Envelope) -> None:
        seen.append(event.entity_id)

    broker = TestBroker(consumer)
    broker.publish(event_type="order_created", entity_id=5)
    broker.run()
    assert seen == [5]


def test_batches_outages_and_repeats() -> None:
    away, batches = [True], []
    consumer = EventConsumer(
        "shop",
        is_outage=lambda error: isinstance(error, OSError),
        idempotency=RedisIdempotencyStore(None),  # type: ignore[arg-type]
    )

    @consumer.on_batch("*", size=2, seconds=60, raw=True)
    def store(received: list[Received]) -> None:
        if away:
            away.clear()
            raise OSError
        batches.append([one.envelope.entity_id for one in received if one.envelope])

    broker = TestBroker(consumer)
    for number in (1, 2, 3):
        broker.publish(make_event(number, event_id=f"event-{number}"))
    broker.run()
    broker.publish(make_event(1, event_id="event-1"))
    broker.run()
    assert batches == [[1, 2], [3]]
    assert consumer.metrics.snapshot().repeated == 1
    assert consumer.metrics.snapshot().failed == 0


def test_publishers_of_the_service_publish_here_too() -> None:
    consumer, seen = EventConsumer("shop"), []
    publisher, other = EventPublisher("shop"), AsyncEventPublisher("shop")

    @consumer.on(EventType.ORDER_CREATED)
    def order(event: Envelope) -> None:
        publisher.publish_event("parcel_packed", "parcel", "P-1", data={"of": event.entity_id})

    @consumer.on("parcel_packed")
    async def parcel(event: Envelope) -> None:
        await other.publish_event("shelf_empty", "shelf")
        seen.append((event.entity_id, event.data, event.correlation_id))

    broker = TestBroker(consumer)
    broker.take_over(publisher, other)
    publisher.publish_many(
        [Envelope.create("order_created", "order", number, service_name="shop") for number in (1, 2)]
    )
    broker.run()
    assert [(entity_id, data) for entity_id, data, _ in seen] == [("P-1", {"of": 1}), ("P-1", {"of": 2})]
    assert [correlation_id for _, _, correlation_id in seen] == [one.event_id for one in broker.published[:2]]
    assert len(broker.published) == 6
    assert broker.pending == 0
