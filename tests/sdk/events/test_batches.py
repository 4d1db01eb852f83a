"""Batch handlers: by size or time, in stream order, and taken apart when they fail."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.sdk.events.conftest import append, dead_letters, make_event, pending, publish, settle, until
from xerpium_sdk.events import Envelope, EventConsumer, Received
from xerpium_sdk.wire.keys import STREAM_EVENTS

Make = Callable[..., EventConsumer]


class Batches:
    """A batch handler that remembers, and fails while any of ``bad`` is in the batch."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.done: list[int] = []
        self.bad: set[int] = set()
        self.error: Exception = RuntimeError("no room")
        self.__qualname__ = "Batches"

    def __call__(self, events: list[Envelope]) -> None:
        numbers = [event.data["number"] for event in events]
        self.calls.append(numbers)
        if self.bad & set(numbers):
            raise self.error
        self.done += numbers


@pytest.fixture
def batches() -> Batches:
    return Batches()


def test_batches_are_full_and_in_stream_order(bus: Any, batches: Batches, make_consumer: Make) -> None:
    consumer = make_consumer(None)
    consumer.on_batch("product_created", "user_login", size=100, seconds=0.1)(batches)
    publish(bus, *range(250), entity_id="7")
    publish(bus, *range(250, 300), event_type="user_login")
    settle(consumer, bus)
    assert [len(one) for one in batches.calls] == [100, 100, 100]
    assert batches.done == list(range(300))
    counts = consumer.metrics.snapshot()
    assert (counts.handled, next(iter(counts.handlers.values())).handled) == (300, 300)


def test_time_hands_over_what_there_is_though_nothing_more_comes(
    bus: Any, batches: Batches, make_consumer: Make
) -> None:
    consumer = make_consumer(None)
    consumer.on_batch("*", size=100, seconds=0.2)(batches)
    with consumer:
        until(lambda: consumer.metrics.active, "the consumer to read")
        begun = time.monotonic()
        publish(bus, 1, 2, 3)
        until(lambda: batches.done == [1, 2, 3], "the batch")
        assert 0.15 < time.monotonic() - begun < 2
        until(lambda: pending(bus) == 0, "it to be acknowledged")


def test_nothing_is_acknowledged_before_it_is_handled(bus: Any, make_consumer: Make) -> None:
    gate = threading.Event()
    consumer = make_consumer(None)
    consumer.on_batch("*", size=5, seconds=0.05)(lambda events: gate.wait(20))
    with consumer:
        publish(bus, *range(5))
        until(lambda: pending(bus) == 5, "the batch to be in hand")
        gate.set()
        until(lambda: pending(bus) == 0, "it to be acknowledged")


def test_batches_side_by_side_keep_the_order_of_each_entity(bus: Any, make_consumer: Make) -> None:
    seen: dict[int, list[int]] = {}
    failed: set[int] = set()

    def handle(events: list[Envelope]) -> None:
        if new := [event.data["number"] for event in events if event.data["number"] % 7 == 0 and not _done(event)]:
            failed.update(new)
            raise RuntimeError("not yet")
        time.sleep(0.002)
        for event in events:
            seen.setdefault(int(event.entity_id or 0), []).append(event.data["number"])

    def _done(event: Envelope) -> bool:
        return event.data["number"] in failed

    consumer = make_consumer(None)
    consumer.on_batch("*", size=10, seconds=0.01, concurrency=4)(handle)
    for number in range(600):
        publish(bus, number, entity_id=str(number // 20 % 3 + 1))
    settle(consumer, bus)
    assert seen == {lane + 1: [n for n in range(600) if n // 20 % 3 == lane] for lane in range(3)}


def test_a_bad_event_does_not_take_the_others_with_it(bus: Any, batches: Batches, make_consumer: Make) -> None:
    batches.bad = {13, 77}
    consumer = make_consumer(None, max_attempts=3)
    consumer.on_batch("*", size=100, seconds=0.1)(batches)
    publish(bus, *range(100))
    settle(consumer, bus)
    assert sorted(batches.done) == sorted(set(range(100)) - {13, 77})
    assert sorted(int(one["entity_id"]) for one in dead_letters(bus)) == [13, 77]
    assert [one["dead_attempts"] for one in dead_letters(bus)] == ["3", "3"]
    assert len(batches.calls) < 40


def test_a_bad_event_holds_back_its_entity_and_nothing_else(bus: Any, batches: Batches, make_consumer: Make) -> None:
    batches.bad = {2}
    consumer = make_consumer(None, retry_seconds=(0.3, 0.3))
    consumer.on_batch("*", size=10, seconds=0.05)(batches)
    consumer.start()
    publish(bus, 1)
    publish(bus, 2, 3, 4, entity_id="7")
    publish(bus, 5)
    until(lambda: batches.done == [1, 5], "the others to be done")
    publish(bus, 6, entity_id="7")
    batches.bad = set()
    until(lambda: len(batches.done) == 6, "the entity to go on")
    assert batches.done[2:] == [2, 3, 4, 6]


def test_an_outage_keeps_the_batch_together(bus: Any, batches: Batches, make_consumer: Make) -> None:
    batches.bad, batches.error = {1}, OSError("no database")
    consumer = make_consumer(None, is_outage=lambda error: isinstance(error, OSError))
    consumer.on_batch("*", size=10, seconds=0.05)(batches)
    consumer.start()
    publish(bus, *range(10))
    until(lambda: len(batches.calls) >= 2, "it to be tried again")
    batches.bad = set()
    until(lambda: batches.done == list(range(10)), "the outage to be over")
    assert all(one == list(range(10)) for one in batches.calls)
    assert consumer.metrics.snapshot().failed == 0


def test_raw_batches_hold_everything_also_what_cannot_be_read(bus: Any, make_consumer: Make) -> None:
    seen: list[Received] = []
    consumer = make_consumer(None)
    consumer.on_batch("*", raw=True, seconds=0.05)(seen.extend)
    ids = publish(bus, 1)
    ids += append(bus, {"not": "an event"})
    settle(consumer, bus)
    assert [one.entry_id for one in seen] == ids
    assert [one.stream for one in seen] == [STREAM_EVENTS] * 2
    assert seen[0].envelope is not None
    assert seen[0].envelope.data == {"number": 1}
    assert seen[0].fields[b"event_type"] == b"product_created"
    assert (seen[1].envelope, dict(seen[1].fields)) == (None, {b"not": b"an event"})
    assert "missing" in seen[1].fault
    assert dead_letters(bus) == []


def test_coroutines_take_batches_too_and_are_cancelled_when_they_hang(bus: Any, make_consumer: Make) -> None:
    done: list[int] = []
    hang = True

    async def handler(events: list[Envelope]) -> None:
        if hang:
            await asyncio.sleep(30)
        done.extend(event.data["number"] for event in events)

    consumer = make_consumer(None, timeout=0.2)
    consumer.on_batch("*", size=4, seconds=0.05)(handler)
    consumer.start()
    publish(bus, *range(4))
    until(lambda: consumer.metrics.snapshot().failed > 0, "it to hang")
    hang = False
    until(lambda: sorted(done) == [0, 1, 2, 3], "the batch")


def test_several_batches_at_once_keep_entities_in_order(bus: Any, make_consumer: Make) -> None:
    order: list[tuple[int, int]] = []

    def handler(events: list[Envelope]) -> None:
        order.extend((int(event.entity_id or 0), event.data["number"]) for event in events)

    consumer = make_consumer(None)
    consumer.on_batch("*", size=7, seconds=0.01, concurrency=4)(handler)
    append(bus, *(make_event(number, entity_id=number % 5).encode() for number in range(500)))
    settle(consumer, bus)
    assert len(order) == 500
    for entity in range(5):
        numbers = [number for of, number in order if of == entity]
        assert numbers == sorted(numbers)
