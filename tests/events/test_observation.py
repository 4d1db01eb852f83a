"""What monitoring hears about the outbox, the relay and the bus."""

from typing import Any

import pytest
from django.utils import timezone

from apps.core import health, metrics, redis
from apps.events import observation, partitions, selectors, services, tasks
from apps.events.models import OutboxEntry
from tests.events.conftest import make_event
from xerpium_sdk.wire.keys import RELAY_ALIVE, STREAM_EVENTS, STREAM_EVENTS_DEAD

pytestmark = pytest.mark.django_db


def test_the_backlog_is_measured() -> None:
    services.publish_many([make_event(n) for n in range(3)])
    OutboxEntry.objects.filter(pk=OutboxEntry.objects.earliest("pk").pk).update(parked_at=timezone.now())
    text = metrics.exposition().decode()
    assert "xerpium_outbox_pending 2.0" in text
    assert "xerpium_outbox_parked 1.0" in text
    assert "xerpium_outbox_oldest_seconds" in text


def test_health_tells_of_a_backlog_and_of_the_relay() -> None:
    services.publish(make_event())
    assert observation.check_database().details["outbox_pending"] == 1
    assert observation.check_redis() == health.CheckResult(True, {"relay": "away"})
    redis.client().set(RELAY_ALIVE, 1, px=3000)
    assert observation.check_redis().details == {"relay": "running"}


def test_the_bus_is_measured() -> None:
    client: Any = redis.client()
    for number in range(10):
        client.xadd(STREAM_EVENTS, make_event(number, "user_login").encode())
    client.xgroup_create(STREAM_EVENTS, "hub-journal", id="0")
    client.xgroup_create(STREAM_EVENTS, "shop-group", id="0")
    client.xreadgroup("shop-group", "one", {STREAM_EVENTS: ">"}, count=4)
    text = metrics.exposition().decode()
    of_shop = '{group="shop-group",stream="xerpium:events"}'
    for line in (
        'xerpium_stream_length{stream="xerpium:events"} 10.0',
        'xerpium_stream_max_length{stream="xerpium:events"} 5e+06',
        'xerpium_stream_alarm{stream="xerpium:events"} 0.0',
        'xerpium_stream_trimmed_total{stream="xerpium:events"} 0.0',
        f"xerpium_group_lag{of_shop} 6.0",
        f"xerpium_group_pending{of_shop} 4.0",
        f"xerpium_group_consumers{of_shop} 1.0",
        "xerpium_dead_letters_waiting 0.0",
        "xerpium_journal_entries_total",
    ):
        assert line in text
    assert f"xerpium_group_lag_seconds{of_shop}" in text


def test_health_tells_how_the_bus_is_doing() -> None:
    redis.client().xadd(STREAM_EVENTS, {"a": "b"}, id="1-0")
    redis.client().xgroup_create(STREAM_EVENTS, "hub-journal", id="0")
    tasks.look()
    details = observation.check_database().details
    assert float(str(details["journal_lag_seconds"])) > 10**9  # an entry that says it is of 1970
    assert details["hub_lag_seconds"] == details["journal_lag_seconds"]
    assert (details["streams_near_cap"], details["dead_letters_waiting"]) == (0, 0)


def test_a_hub_whose_consumer_never_ran_says_what_waits() -> None:
    assert selectors.bus_state().lag_seconds == {}
    redis.client().xadd(STREAM_EVENTS, {"a": "b"}, id="1000-0")
    redis.client().xadd(STREAM_EVENTS_DEAD, {"a": "b"}, id="1000-0")
    lag = selectors.bus_state().lag_seconds
    assert min(lag["hub-journal"], lag["hub-dead"]) > 10**9


def test_the_tasks_do_their_work() -> None:
    tasks.prepare_journal()
    tasks.prune()
    tasks.trim()
    assert len(partitions.days()) >= 8


def test_the_task_forgets_what_was_relayed_long_ago() -> None:
    services.publish(make_event())
    OutboxEntry.objects.update(relayed_as="1-0", relayed_at=timezone.now() - 2 * services.KEEP_RELAYED)
    assert tasks.prune_outbox() == 1
