"""One handler that always fails, one that hangs, and a thousand entries that are no events: the others do not wait.

What fails waits half a minute and more for its next attempt here, and what hangs does so for a minute. The others are
done long before, also on a machine that is busy with something else.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import redis
from django.conf import settings

from tests.chaos_events.events import junk
from tests.support.wait import wait_until
from xerpium_sdk.events import Envelope, EventConsumer
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_DEAD

GOOD, BAD, HANGING, JUNK = 1500, 30, 6, 1000
RETRY_SECONDS = (60.0, 120.0)
HANG_SECONDS = 60.0
BOUND_SECONDS = 20.0
"""Whoever waited for one failing event's next attempt, or for one call that hangs, would take longer."""
DELAY_SECONDS = 3.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def bus() -> Iterator[Any]:
    """The tests' Redis, in bytes."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client


def event(event_type: str, number: int) -> dict[Any, Any]:
    """Return the entry of an event of entity ``number``."""
    return {**Envelope.create(event_type, f"of-{event_type}", number, service_name="test", data={"n": number}).encode()}


def troubles() -> list[dict[Any, Any]]:
    """Return what nobody can handle."""
    rng = random.Random(3)
    failing = [event("order_created", number) for number in range(BAD)]
    hanging = [event("quote_sent", number) for number in range(HANGING)]
    return [*failing, *hanging, *(dict(junk(rng)[1]) for _ in range(JUNK))]


def published(bus: Any, extra: Sequence[dict[Any, Any]]) -> None:
    """Put the good events on the stream, with ``extra`` strewn among them."""
    entries = [(place / GOOD, event("stock_low", place % 100)) for place in range(GOOD)]
    entries += [(place / max(len(extra), 1), fields) for place, fields in enumerate(extra)]
    pipeline = bus.pipeline(transaction=False)
    for _, fields in sorted(entries, key=lambda one: one[0]):
        pipeline.xadd(STREAM_EVENTS, fields)
    pipeline.execute()


class Handlers:
    """One that works, one that always fails, one that hangs."""

    def __init__(self) -> None:
        self.good: list[float] = []
        self.failed = 0
        self.release = threading.Event()

    def register(self, consumer: EventConsumer) -> None:
        """Let ``consumer`` call them."""
        consumer.on("stock_low")(self.works)
        consumer.on("order_created")(self.fails)
        consumer.on("quote_sent", timeout=HANG_SECONDS, concurrency=2)(self.hangs)

    def works(self, event: Envelope) -> None:
        self.good.append(time.monotonic())

    def has_done_more_than(self, count: int) -> bool:
        """Return whether more good events than ``count`` are handled."""
        return len(self.good) > count

    def fails(self, event: Envelope) -> None:
        self.failed += 1
        raise ValueError("never")

    def hangs(self, event: Envelope) -> None:
        self.release.wait(60)


@contextmanager
def consuming(bus: Any, group: str, handlers: Handlers) -> Iterator[EventConsumer]:
    """Let a new group handle what is on the stream while the block runs."""
    consumer = EventConsumer("test", group, client=bus, retry_seconds=RETRY_SECONDS, grace_seconds=5.0)
    handlers.register(consumer)
    with consumer:
        try:
            yield consumer
        finally:
            handlers.release.set()


def test_nobody_waits_for_the_troubles_of_others(bus: Any) -> None:
    handlers = Handlers()
    published(bus, troubles())
    with consuming(bus, "among", handlers) as consumer:
        wait_until(lambda: len(handlers.good) == GOOD, BOUND_SECONDS, "the good events")
        wait_until(lambda: consumer.metrics.snapshot().dead == JUNK, BOUND_SECONDS, "what is no event to be buried")
        wait_until(lambda: handlers.failed == BAD, BOUND_SECONDS, "each bad event to have been tried")
    assert len(handlers.good) == GOOD
    assert Counter(fields[b"dead_reason"] for _, fields in bus.xrange(STREAM_EVENTS_DEAD)) == {b"undecodable": JUNK}
    assert bus.xpending(STREAM_EVENTS, "among")["pending"] >= BAD, "they wait for whoever reads next"


def test_what_comes_while_others_hang_is_handled_at_once(bus: Any) -> None:
    handlers = Handlers()
    pipeline = bus.pipeline(transaction=False)
    for fields in troubles():
        pipeline.xadd(STREAM_EVENTS, fields)
    pipeline.execute()
    delays = []
    with consuming(bus, "late", handlers):
        wait_until(lambda: handlers.failed > 0, BOUND_SECONDS, "the troubles to have begun")
        for number in range(20):
            sent, before = time.monotonic(), len(handlers.good)
            bus.xadd(STREAM_EVENTS, event("stock_low", number))
            wait_until(partial(handlers.has_done_more_than, before), BOUND_SECONDS, "it")
            delays.append(handlers.good[-1] - sent)
    assert max(delays) < DELAY_SECONDS
