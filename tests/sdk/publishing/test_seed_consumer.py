"""The consumer that services have today, run as it stands, beside publishers of ours."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from tests.support.seed_bus import seed_bus
from tests.support.wait import wait_until
from xerpium_sdk.events import Envelope, EventPublisher
from xerpium_sdk.wire import examples
from xerpium_sdk.wire.keys import STREAM_EVENTS

GROUP = "stock-service-group"


def test_it_reads_everything_that_we_publish_where_it_reads(redis_server: Redis) -> None:
    events = [Envelope(**example["means"]) for example in examples.load("events")]
    got: list[Any] = []
    with seed_bus(lambda: redis_server) as seed, EventPublisher("any-service") as publisher:
        consumer = seed.consumer.EventConsumer("stock-service")
        consumer.register_handlers(dict.fromkeys(seed.publisher.EventType, got.append))
        publisher.publish_many(events)
        publisher.publish_event("parcel_scanned", "Parcel", "JJD0003")  # it cannot read such, and never sees it
        thread = threading.Thread(target=lambda: asyncio.run(consumer.start_consuming()))
        thread.start()
        try:
            publisher.publish_business_event("product_created", SimpleNamespace(id=1, name="Chair"))
            wait_until(lambda: len(got) == len(events) + 1, description="every event")
        finally:
            consumer.stop()
            thread.join()
    assert [payload.event_id for payload in got[:-1]] == [event.event_id for event in events]
    assert [payload.data for payload in got[:-1]] == [event.data for event in events]
    assert got[-1].data["name"] == "Chair"
    pending: Any = redis_server.xpending(STREAM_EVENTS, GROUP)
    assert pending["pending"] == 0


@pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning")
def test_both_publish_to_one_stream(redis_server: Redis) -> None:
    with seed_bus(lambda: redis_server) as seed, EventPublisher("ours") as publisher:
        theirs = seed.publisher.EventPublisher("theirs")
        for number in range(5):
            publisher.publish_event("stock_low", "Product", number)
            theirs.publish_event(seed.publisher.EventType.STOCK_LOW, "Product", number)
    entries: Any = redis_server.xrange(STREAM_EVENTS)
    assert [(one.service_name, one.entity_id) for one in (Envelope.decode(fields) for _, fields in entries)] == [
        (service, number) for number in range(5) for service in ("ours", "theirs")
    ]
