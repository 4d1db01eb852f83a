"""The relay of a service's outbox: everything committed arrives, in order, whatever breaks in between."""

import datetime as dt
import os
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone
from redis import Redis

from tests.sdk.django.conftest import events_in, numbers_in
from tests.support.database import database_url
from tests.support.tampering import LOSE_ANSWER, LOSE_REQUEST, TamperingProxy
from tests.support.wait import wait_until
from xerpium_sdk.django import publish_event, publish_many
from xerpium_sdk.django import relay as relay_module
from xerpium_sdk.django.models import OutboxEvent
from xerpium_sdk.django.relay import OutboxRelay
from xerpium_sdk.events.patience import Undelivered
from xerpium_sdk.wire.envelope import FIELDS, Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM

Make = Callable[..., OutboxRelay]


def publish(using: str, *numbers: int, event_type: str = "order_created") -> list[str]:
    events = [Envelope.create(event_type, "Order", number, service_name="orders") for number in numbers]
    with transaction.atomic(using=using):
        return publish_many(events, using=using)


def insert(using: str, fields: Any, stream: str = STREAM_EVENTS) -> int:
    row = OutboxEvent(stream=stream, event_id="raw", event_type="raw", fields=fields)
    row.save(using=using)
    return row.pk


def drain(relay: OutboxRelay) -> None:
    while relay.step():
        pass


def pending(using: str) -> int:
    return OutboxEvent.objects.using(using).filter(sent_at=None, parked_at=None).count()


def test_events_arrive_in_order_as_they_were_written(using: str, relay: OutboxRelay, redis_server: Redis) -> None:
    sent = publish(using, *range(1200))
    assert relay.step()
    drain(relay)
    assert numbers_in(redis_server) == list(range(1200))
    assert [event.event_id for event in events_in(redis_server)] == sent
    entries: Any = redis_server.xrange(STREAM_EVENTS, count=1)
    assert tuple(entries[0][1]) == FIELDS
    assert (relay.sent, relay.parked, pending(using)) == (1200, 0, 0)


def test_a_lower_id_that_commits_later_is_not_passed_over(transactional_db: None, redis_server: Redis) -> None:
    begun, go_on = Event(), Event()

    def publish_slowly() -> None:
        with transaction.atomic():
            publish_event("order_created", "Order", 1)
            begun.set()
            go_on.wait(20)
        connections.close_all()

    thread = Thread(target=publish_slowly)
    thread.start()
    begun.wait(20)
    relay = OutboxRelay(os.environ["REDIS_URL"])
    publish("default", 2)
    drain(relay)
    assert numbers_in(redis_server) == [2]
    go_on.set()
    thread.join()
    drain(relay)
    assert numbers_in(redis_server) == [2, 1]
    relay.close()


def test_a_crash_between_sending_and_settling_sends_the_same_events_again(
    using: str, make_relay: Make, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = publish(using, 1, 2)
    with monkeypatch.context() as broken:
        broken.setattr(OutboxRelay, "_settle", _connection_lost)
        crashed = make_relay()
        with pytest.raises(OperationalError):
            crashed.step()
    crashed.close()
    drain(make_relay())
    assert [event.event_id for event in events_in(redis_server)] == sent * 2
    assert pending(using) == 0


def _connection_lost(*arguments: Any) -> None:
    raise OperationalError("connection lost")


def test_connections_that_break_lose_nothing(using: str, make_relay: Make, redis_server: Redis) -> None:
    with TamperingProxy(os.environ["REDIS_URL"]) as proxy:
        relay = make_relay(redis_url=proxy.url)
        proxy.plan.extend([LOSE_REQUEST, LOSE_ANSWER])
        publish(using, 1, 2)
        for _ in range(2):
            with pytest.raises(Undelivered):
                relay.step()
            assert pending(using) == 2
        drain(relay)
    assert numbers_in(redis_server) == [1, 2, 1, 2]


def test_rows_that_cannot_be_sent_are_set_aside(using: str, relay: OutboxRelay, redis_server: Redis) -> None:
    publish(using, 1)
    bad = [
        insert(using, {"number": 1}),
        insert(using, {}),
        insert(using, ["no", "object"]),
        insert(using, {"a": None}),
    ]
    publish(using, 2)
    drain(relay)
    assert numbers_in(redis_server) == [1, 2]
    parked = OutboxEvent.objects.using(using).filter(parked_at__isnull=False)
    assert set(parked.values_list("pk", flat=True)) == set(bad)
    assert all(parked.values_list("error", flat=True))
    assert relay.parked == 4


def test_a_key_of_another_type_stops_only_its_own_stream(using: str, relay: OutboxRelay, redis_server: Redis) -> None:
    redis_server.set(STREAM_EVENTS_CUSTOM, "no stream", ex=60)
    publish(using, 1)
    publish(using, 9, event_type="parcel_scanned")
    publish(using, 2)
    drain(relay)
    assert numbers_in(redis_server) == [1, 2]
    row = OutboxEvent.objects.using(using).get(parked_at__isnull=False)
    assert "WRONGTYPE" in row.error
    redis_server.delete(STREAM_EVENTS_CUSTOM)
    OutboxEvent.objects.using(using).filter(pk=row.pk).update(parked_at=None)
    drain(relay)
    assert [one.entity_id for one in events_in(redis_server, STREAM_EVENTS_CUSTOM)] == [9]
    assert OutboxEvent.objects.using(using).get(pk=row.pk).error == ""


def test_large_events_go_in_batches_of_a_bounded_size(
    using: str, relay: OutboxRelay, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH_BYTES", 1000)
    publish(using, *range(5))
    assert relay.step()
    assert 1 <= len(numbers_in(redis_server)) < 5
    drain(relay)
    assert numbers_in(redis_server) == list(range(5))


def test_a_second_relay_stands_by_until_the_first_is_gone(using: str, make_relay: Make, redis_server: Redis) -> None:
    first, second = make_relay(), make_relay()
    publish(using, 1)
    inside, go_on = Event(), Event()
    send = first._line.send

    def send_slowly(commands: Any) -> Any:
        inside.set()
        go_on.wait(20)
        return send(commands)

    first._line.send = send_slowly  # type: ignore[method-assign]  # it stands still before it sends

    def step() -> None:
        first.step()
        first.close()
        connections[using].close()

    thread = Thread(target=step)
    thread.start()
    inside.wait(20)
    assert second.step() is False
    go_on.set()
    thread.join()
    publish(using, 2)
    drain(second)
    assert numbers_in(redis_server) == [1, 2]
    assert (first.sent, second.sent) == (1, 1)


@pytest.mark.usefixtures("short_lease")
def test_a_lease_without_a_sign_of_life_is_taken_over(using: str, make_relay: Make, redis_server: Redis) -> None:
    if using == "default":
        pytest.skip("PostgreSQL ends the lock with the session")
    gone, next_one = make_relay(), make_relay()
    gone.step()
    assert next_one._seat._renew() is False  # type: ignore[attr-defined]  # the lease's own method
    publish(using, 1)
    wait_until(lambda: next_one.step() or next_one.sent, description="the lease to end")
    assert numbers_in(redis_server) == [1]
    assert not gone._seat.may_send()


def test_sent_events_are_kept_for_a_while(using: str, make_relay: Make) -> None:
    publish(using, 1, 2, 3)
    drain(make_relay())
    rows = OutboxEvent.objects.using(using)
    old, fresh, _ = rows.order_by("id")
    rows.filter(pk=old.pk).update(sent_at=timezone.now() - dt.timedelta(hours=25))
    publish(using, 4)
    make_relay().step()
    assert rows.filter(pk=fresh.pk).exists()
    assert not rows.filter(pk=old.pk).exists()
    assert rows.count() == 3


def test_a_commit_is_seen_at_once(transactional_db: None, redis_server: Redis) -> None:
    relay, stop = OutboxRelay(os.environ["REDIS_URL"]), Event()

    def run() -> None:
        while not stop.is_set():
            if not relay.step():
                relay.wait(5.0)
        relay.close()
        connections.close_all()

    thread = Thread(target=run)
    thread.start()
    delays = []
    for number in range(1, 8):
        publish("default", number)
        committed = time.monotonic()
        wait_until(lambda number=number: len(numbers_in(redis_server)) == number, description="the event")
        delays.append(time.monotonic() - committed)
    stop.set()
    publish("default", 99)
    thread.join()
    assert sorted(delays)[3] < 0.2


def test_a_session_that_ends_while_it_waits_is_an_outage_like_any_other(transactional_db: None) -> None:
    relay = OutboxRelay(os.environ["REDIS_URL"])
    relay.wait(0.01)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (session,) = cursor.fetchone()
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [session])
    with pytest.raises(OperationalError):
        relay.wait(10.0)
    relay.forget_connections()
    publish("default", 1)
    assert relay.step()
    relay.close()
