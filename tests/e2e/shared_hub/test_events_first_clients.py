"""The publisher and the consumer that services have today, on the bus of a whole hub, beside ours both ways."""

import asyncio
import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from tests.support.running_hub import RunningHub
from tests.support.seed_bus import seed_bus
from tests.support.wait import wait_until
from xerpium_sdk.events import Envelope, EventConsumer, EventPublisher, EventType
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_HUB

EACH = 20
SECONDS = 20.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning"),  # the document's clients are of before 3.12
]


@pytest.fixture
def bus(running_hub: RunningHub) -> Iterator[Any]:
    """The hub's Redis, as the clients of today connect to it."""
    with redis.Redis.from_url(running_hub.addresses["REDIS_URL"], decode_responses=True, socket_timeout=5) as client:
        yield client


@pytest.fixture
def seed(bus: Any) -> Iterator[SimpleNamespace]:
    """The document's modules ``publisher`` and ``consumer``."""
    with seed_bus(lambda: bus) as modules:
        yield modules


def ask(hub: RunningHub, method: str, path: str, body: object = None) -> Any:
    """Call the API and return the answer's content."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{hub.url}/api/v1/{path}", data, {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


@contextmanager
def consuming(consumer: Any) -> Iterator[None]:
    """Let the document's consumer run in a thread."""
    thread = threading.Thread(target=lambda: asyncio.run(consumer.start_consuming()))
    thread.start()
    try:
        yield
    finally:
        consumer.stop()
        thread.join()


def publish_in_every_way(hub: RunningHub, seed: SimpleNamespace) -> Counter[str]:
    """Publish with their code, with ours, over REST; return how many of each service every consumer has to see."""
    theirs = seed.publisher.EventPublisher("theirs")
    product = SimpleNamespace(id=7, company_id=1, name="Chair", code="C-7")
    with EventPublisher("ours", redis_url=hub.addresses["REDIS_URL"]) as ours:
        for number in range(EACH):
            theirs.publish_event(seed.publisher.EventType.STOCK_LOW, "Product", number, 1, None, {"left": 0, "ü": None})
            ours.publish_event(EventType.STOCK_LOW, "Product", number, 1, data={"left": 0})
            ours.publish_event("pallet_moved", "Pallet", f"P-{number}", data={"to": "B"})
        theirs.publish_business_event(seed.publisher.EventType.PRODUCT_CREATED, product)
        ours.publish_business_event(EventType.PRODUCT_CREATED, product)
        ours.publish_many([Envelope.create("order_created", "Order", 1, service_name="ours")] * 3)
    over_rest = [
        {"event_type": "order_shipped", "service_name": "rest", "entity_type": "Order", "entity_id": number}
        for number in range(EACH)
    ]
    ask(hub, "POST", "events/", over_rest)
    return Counter(theirs=EACH + 1, ours=EACH + 4, rest=EACH)


def test_both_read_what_both_write_and_the_hub_keeps_it(
    running_hub: RunningHub, bus: Any, seed: SimpleNamespace
) -> None:
    theirs: list[Any] = []
    ours: list[Envelope] = []
    consumer = seed.consumer.EventConsumer("old-service")
    consumer.register_handlers(dict.fromkeys(seed.publisher.EventType, theirs.append))
    mine = EventConsumer("new-service", redis_url=running_hub.addresses["REDIS_URL"])
    mine.on("*")(ours.append)
    running_hub.register("registered-beside-them")
    with consuming(consumer), mine:
        expected = publish_in_every_way(running_hub, seed)
        every = expected.total()
        wait_until(lambda: len(theirs) >= every, SECONDS, "their consumer to have read everything")
        wait_until(lambda: len(ours) >= every + EACH, SECONDS, "ours to have read that, and the declared types")
    assert Counter(payload.service_name for payload in theirs) == expected
    assert Counter(event.service_name for event in ours) == expected + Counter(ours=EACH)
    # Ours handles entities side by side: what stays in order are the events of each.
    standard = [event for event in ours if event.event_type != "pallet_moved"]
    assert by_entity(theirs) == by_entity(standard)
    assert {type(payload.entity_id) for payload in theirs} == {int}
    # Three of ours are one event, published three times.
    kept = {"theirs": EACH + 1, "ours": 2 * EACH + 2, "rest": EACH}
    wait_until(lambda: {name: journalled(running_hub, name) for name in kept} == kept, SECONDS, "the journal")


def by_entity(events: list[Any]) -> dict[Any, list[str]]:
    """Return the ids of the events of each entity, in their order."""
    found: dict[Any, list[str]] = {}
    for event in events:
        found.setdefault((event.company_id, event.entity_type, event.entity_id), []).append(event.event_id)
    return found


def journalled(hub: RunningHub, service: str) -> int:
    """Return how many events of a service the journal holds."""
    return len(ask(hub, "GET", f"events/?service_name={service}&limit=500")["results"])


class Shelf:
    """A handler that fails until it is repaired."""

    def __init__(self) -> None:
        self.broken = True
        self.done: list[str] = []

    def __call__(self, event: Envelope) -> None:
        if self.broken:
            raise ValueError("no shelf")
        self.done.append(event.event_id)


def test_what_the_hub_adds_is_nothing_that_they_cannot_read(
    running_hub: RunningHub, bus: Any, seed: SimpleNamespace
) -> None:
    """Registrations, declared types, dead letters and replays all travel where the consumers of today do not look."""
    read: list[Any] = []
    shelf = Shelf()
    consumer = seed.consumer.EventConsumer("audit-of-today")
    consumer.register_handlers(dict.fromkeys(seed.publisher.EventType, read.append))
    url = running_hub.addresses["REDIS_URL"]
    mine = EventConsumer("shelf", redis_url=url, start_at="$", max_attempts=2, retry_seconds=(0.01, 0.02))
    mine.register_handler(EventType.PRODUCT_CREATED, shelf)
    with consuming(consumer), mine, EventPublisher("maker", redis_url=url) as publisher:
        assert running_hub.register("one-more-service") == 201
        declared = {"event_type": "lathe_started", "service_name": "maker", "schema": {"type": "object"}}
        ask(running_hub, "POST", "events/types/", declared)
        publisher.publish_event("lathe_started", "Lathe", "L-1")
        given_up = publisher.publish_event(EventType.PRODUCT_CREATED, "Product", 1)
        (letter,) = wait_until(lambda: letters_of(running_hub, "shelf-group"), SECONDS, "the dead letter")
        shelf.broken = False
        ask(running_hub, "POST", f"events/dead-letters/{letter['id']}/replay", {})
        wait_until(lambda: shelf.done == [given_up], SECONDS, "the replay")
        last = publisher.publish_event(EventType.STOCK_LOW, "Product", 2)
        wait_until(lambda: last in [payload.event_id for payload in read], SECONDS, "their consumer to have read on")
    assert [payload.event_id for payload in read].count(given_up) == 1, "a replay is for the group that failed"
    assert bus.xpending(STREAM_EVENTS, "audit-of-today-group")["pending"] == 0
    assert bus.xlen(STREAM_HUB) > 0
    assert bus.xlen(STREAM_EVENTS_CUSTOM) > 0
    known = {kind.value for kind in seed.publisher.EventType}
    assert {fields["event_type"] for _, fields in bus.xrange(STREAM_EVENTS)} <= known


def letters_of(hub: RunningHub, group: str) -> list[dict[str, Any]]:
    """Return the dead letters of a group."""
    found: list[dict[str, Any]] = ask(hub, "GET", f"events/dead-letters/?group={group}")["results"]
    return found
