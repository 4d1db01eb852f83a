"""Consumers on a real Redis, and handlers that remember."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from redis import Redis

from tests.support.wait import wait_until
from xerpium_sdk.events import EventConsumer
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS_DEAD

GROUP = "shop-group"
IDLE_SECONDS = 20.0


def make_event(number: int = 0, event_type: str = "product_created", **fields: Any) -> Envelope:
    """Return an event of entity ``number``, which is also in its data."""
    defaults: dict[str, Any] = {"entity_id": number, "data": {"number": number}, "event_id": str(uuid4())}
    return Envelope.create(event_type, "product", service_name="catalogue", **{**defaults, **fields})


class Calls:
    """A handler that remembers, and fails as often as told."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.done: list[int] = []
        self.failures: Counter[int] = Counter()
        self.error: Exception = RuntimeError("the shelf is full")
        self.gate = threading.Event()
        """Events whose number is in ``held`` wait for it."""
        self.held: set[int] = set()
        self.__qualname__ = "Calls"

    def __call__(self, event: Envelope) -> None:
        number = event.data["number"]
        self.numbers.append(number)
        if number in self.held:
            self.gate.wait(30)
        if self.failures[number] > 0:
            self.failures[number] -= 1
            # Without those of the times before, which Python would add it to.
            raise self.error.with_traceback(None)
        self.done.append(number)

    def has_begun(self, number: int) -> bool:
        return number in self.numbers


@pytest.fixture
def calls() -> Iterator[Calls]:
    calls = Calls()
    yield calls
    calls.gate.set()


@pytest.fixture
def bus() -> Iterator[Any]:
    client: Any = Redis.from_url(settings.REDIS_URL)
    yield client
    client.close()


@pytest.fixture
def make_consumer(bus: Redis, calls: Calls) -> Iterator[Callable[..., EventConsumer]]:
    """A function that makes consumers of the group ``shop-group``; they are closed after the test."""
    made: list[EventConsumer] = []

    def make(handler: Callable[..., Any] | None = calls, **options: Any) -> EventConsumer:
        defaults: dict[str, Any] = {"client": bus, "retry_seconds": (0.01, 0.05), "grace_seconds": 5.0}
        consumer = EventConsumer("shop", **{**defaults, **options})
        if handler is not None:
            consumer.register_handler("product_created", handler)
        made.append(consumer)
        return consumer

    yield make
    calls.gate.set()
    for consumer in made:
        consumer.close()


def append(bus: Any, *entries: dict[Any, Any], stream: str = STREAM_EVENTS) -> list[str]:
    pipeline = bus.pipeline(transaction=False)
    for fields in entries:
        pipeline.xadd(stream, fields)
    return [entry_id.decode() for entry_id in pipeline.execute()]


def publish(
    bus: Any, *numbers: int, stream: str = STREAM_EVENTS, event_type: str = "product_created", **fields: Any
) -> list[str]:
    """Publish one event for each number; ``fields`` replace fields of the entries."""
    return append(bus, *({**make_event(number, event_type).encode(), **fields} for number in numbers), stream=stream)


def pending(bus: Any, group: str = GROUP) -> int:
    """Return how many entries are delivered and not acknowledged."""
    found = 0
    for stream in (STREAM_EVENTS, STREAM_EVENTS_CUSTOM):
        if bus.exists(stream) and any(one["name"] == group.encode() for one in bus.xinfo_groups(stream)):
            found += int(bus.xpending(stream, group)["pending"])
    return found


def dead_letters(bus: Any) -> list[dict[str, str]]:
    return [
        {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in fields.items()}
        for _, fields in bus.xrange(STREAM_EVENTS_DEAD)
    ]


def settle(consumer: EventConsumer, bus: Any) -> None:
    """Let ``consumer`` handle everything there is."""
    report = consumer.run_until_idle(IDLE_SECONDS)
    assert (report.handed_back, report.unfinished, report.finished) == (0, 0, True)
    assert pending(bus) == 0


def until(predicate: Callable[[], Any], description: str, timeout: float = IDLE_SECONDS) -> None:
    wait_until(predicate, timeout, description)
