"""Effects once per event, by a row in the handler's transaction."""

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone
from redis import Redis

from tests.support.wait import wait_until
from xerpium_sdk.django import DjangoIdempotencyStore, django_worker, is_database_outage
from xerpium_sdk.django.models import HandledEvent, OutboxEvent
from xerpium_sdk.django.outbox import publish_event
from xerpium_sdk.events import EventConsumer, EventPublisher, WrappingStore
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS


@pytest.fixture
def store(using: str) -> DjangoIdempotencyStore:
    """A store in the database of the test."""
    return DjangoIdempotencyStore(using=using)


def effects(using: str) -> int:
    return OutboxEvent.objects.using(using).count()


def test_it_is_a_store_that_surrounds_handlers(store: DjangoIdempotencyStore) -> None:
    assert isinstance(store, WrappingStore)


def test_an_event_is_fresh_once_for_each_handler_of_each_group(store: DjangoIdempotencyStore) -> None:
    for group, handler in (("g", "h"), ("g", "other"), ("other", "h"), ("g", "h" * 300), ("g", "h" * 301)):
        with store.once(group, handler, ["a", "b", "a"]) as fresh:
            assert fresh == {"a", "b"}
        with store.once(group, handler, ["b", "c"]) as fresh:
            assert fresh == {"c"}
        with store.once(group, handler, ["a", "b", "c"]) as fresh:
            assert fresh == set()


def test_what_fails_is_fresh_again(using: str, store: DjangoIdempotencyStore) -> None:
    def handle() -> None:
        with store.once("g", "h", ["a"]):
            publish_event("order_created", "Order", 1, using=using)
            raise RuntimeError("the shelf is full")

    with pytest.raises(RuntimeError):
        handle()
    assert (effects(using), HandledEvent.objects.using(using).count()) == (0, 0)
    with store.once("g", "h", ["a"]) as fresh:
        assert fresh == {"a"}


def test_of_two_at_the_same_time_one_waits_and_passes_over(using: str, store: DjangoIdempotencyStore) -> None:
    counted: list[int] = []
    at_once = threading.Barrier(4)

    def handle() -> None:
        at_once.wait(20)
        try:
            with store.once("g", "h", ["a"]) as fresh:
                counted.append(len(fresh))
                if fresh:
                    publish_event("order_created", "Order", 1, using=using)
        finally:
            connections[using].close()

    threads = [threading.Thread(target=handle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == [0, 0, 0, 1]
    assert effects(using) == 1


@pytest.fixture
def consumer(using: str, store: DjangoIdempotencyStore) -> Iterator[EventConsumer]:
    """A consumer of a Django service."""
    consumer = EventConsumer(
        "stock", idempotency=store, around=django_worker, is_outage=is_database_outage, retry_seconds=(0.01, 0.05)
    )
    yield consumer
    consumer.close()


def test_a_consumer_has_each_effect_once(using: str, consumer: EventConsumer, redis_server: Redis) -> None:
    failures = [RuntimeError("not now")]

    @consumer.on("order_created")
    def reserve(event: Envelope) -> None:
        with transaction.atomic(using=using):
            publish_event("stock_movement", "StockMovement", event.entity_id, using=using)
        if event.entity_id == 3 and failures:
            raise failures.pop()

    with EventPublisher("orders") as publisher:
        for number in range(5):
            event_id = publisher.publish_event("order_created", "Order", number)
            publisher.publish_event("order_created", "Order", number, event_id=event_id)
    report = consumer.run_until_idle(20)
    assert report.finished
    rows = OutboxEvent.objects.using(using)
    assert sorted(int(row.fields["entity_id"]) for row in rows) == [0, 1, 2, 3, 4]
    assert {row.fields["correlation_id"] for row in rows} == {row.event_id for row in HandledEvent.objects.using(using)}
    pending: Any = redis_server.xpending(STREAM_EVENTS, "stock-group")
    assert pending["pending"] == 0


def test_batches_are_given_what_is_fresh(using: str, consumer: EventConsumer) -> None:
    seen: list[Any] = []

    @consumer.on_batch("order_created", size=10, seconds=0.05)
    def reserve(events: list[Envelope]) -> None:
        seen.extend(event.entity_id for event in events)

    with EventPublisher("orders") as publisher:
        ids = [publisher.publish_event("order_created", "Order", number) for number in range(4)]
        for number, event_id in enumerate(ids):
            publisher.publish_event("order_created", "Order", number, event_id=event_id)
    consumer.run_until_idle(20)
    assert seen == [0, 1, 2, 3]
    wait_until(lambda: HandledEvent.objects.using(using).count() == 4, description="the marks")


def test_old_marks_are_forgotten(using: str, store: DjangoIdempotencyStore, capsys: pytest.CaptureFixture[str]) -> None:
    with store.once("g", "h", ["old", "fresh"]):
        pass
    marks = HandledEvent.objects.using(using)
    marks.filter(event_id="old").update(handled_at=timezone.now() - dt.timedelta(days=31))
    call_command("prune_handled_events", database=using)
    assert "1 handled events forgotten" in capsys.readouterr().out
    assert [mark.event_id for mark in marks] == ["fresh"]
