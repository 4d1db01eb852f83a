"""The commands as processes: killed, stopped, and two at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Sum

from apps.core import redis
from apps.events import services
from apps.events.models import EventTypeHour, JournalEntry, OutboxEntry
from apps.events.relay import BATCH
from apps.serviceauth.selectors import company_names
from tests.events.conftest import make_event
from tests.support.database import application_url, database_away
from tests.support.wait import wait_until
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS_DEAD, STREAM_HUB

pytestmark = pytest.mark.slow

MANAGE = Path(__file__).parents[2] / "manage.py"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(transactional_db: None) -> Iterator[Start]:
    """A function that starts a management command on the test database and returns its process once it is ready."""
    started: list[subprocess.Popen[str]] = []

    def start_command(command: str, *arguments: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "DATABASE_URL": application_url()}
        process = subprocess.Popen(
            [sys.executable, str(MANAGE), command, *arguments], env=environment, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == f"{command} is now running\n"
        return process

    yield start_command
    for process in started:
        process.kill()
        process.communicate()


def stop(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return output


def publish(numbers: range) -> list[str]:
    """Write entries without and with an id in turns, in one transaction: several batches that wait all at once."""
    sent = []
    with transaction.atomic():
        for start in numbers[::100]:
            events = [make_event(number) for number in range(start, start + 100)]
            services.publish_many(events)
            services.append_many((STREAM_EVENTS_CUSTOM, {"n": str(n)}, f"{n + 1}-0") for n in range(start, start + 100))
            sent += [event.event_id for event in events]
    return sent


def publish_and_kill(relay: "subprocess.Popen[str]", numbers: range) -> list[str]:
    """Kill ``relay`` as soon as something of what it has to send has arrived."""
    before = redis.client().xlen(STREAM_EVENTS_CUSTOM)
    sent = publish(numbers)
    wait_until(lambda: redis.client().xlen(STREAM_EVENTS_CUSTOM) > before, 10, "the first batch")
    relay.kill()
    relay.wait()
    return sent


def test_killing_one_relay_after_the_other_loses_nothing(start: Start) -> None:
    first, standby = start("relay_events"), start("relay_events")
    sent = publish_and_kill(first, range(1500))
    sent += publish_and_kill(standby, range(1500, 3000))
    last = start("relay_events")
    wait_until(lambda: not OutboxEntry.objects.filter(relayed_as=None).exists(), 10, "the outbox to be empty")
    assert "entries relayed" in stop(last)
    received = [fields["event_id"] for fields in bodies(STREAM_HUB)]
    assert list(dict.fromkeys(received)) == sent
    assert len(received) - len(sent) <= 2 * BATCH
    assert [fields["n"] for fields in bodies(STREAM_EVENTS_CUSTOM)] == [str(n) for n in range(3000)]


def bodies(stream: str) -> list[dict[str, str]]:
    entries: Any = redis.client().xrange(stream)
    return [fields for _, fields in entries]


def test_a_killed_consumer_loses_nothing_and_stores_nothing_twice(start: Start) -> None:
    sent: list[str] = []
    for round_ in range(2):
        consumer = start("consume_events", "--group", "hub-journal")
        before = JournalEntry.objects.count()
        sent += add(range(1000 * round_, 1000 * (round_ + 1)))
        wait_until(partial(has_grown, before), 20, "the first batch in the journal")
        consumer.kill()  # between a commit and its acknowledgement as well as anywhere else
        consumer.wait()
    last = start("consume_events")
    wait_until(lambda: JournalEntry.objects.count() >= len(sent), 20, "everything in the journal")
    wait_until(lambda: not unacknowledged(), 20, "everything to be acknowledged")
    stop(last)
    stored = JournalEntry.objects.order_by("id").values_list("event_id", flat=True)
    assert sorted(stored) == sorted(sent)
    assert EventTypeHour.objects.aggregate(total=Sum("count"))["total"] == len(sent)


def test_a_database_that_is_away_is_waited_for_and_nothing_is_given_up(start: Start) -> None:
    consumer = start("consume_events")
    sent = add(range(500))
    wait_until(lambda: JournalEntry.objects.count() == 500, 20, "the first events in the journal")
    with database_away():
        sent += add(range(500, 1000))
        company: dict[Any, Any] = {**make_event(7, "company_created").encode(), "data": '{"name": "Acme"}'}
        redis.client().xadd(STREAM_EVENTS, company)
        wait_until(lambda: unacknowledged() >= 500, 20, "the consumer to have them in hand")
    wait_until(journal_has(1001), 20, "everything in the journal")
    wait_until(lambda: company_names([7]) == {7: "Acme"}, 20, "the company to be known")
    assert redis.client().xlen(STREAM_EVENTS_DEAD) == 0
    assert "0 given up" in stop(consumer)


def journal_has(count: int) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return JournalEntry.objects.count() == count
        except OperationalError:  # of this process, which has lost its connection as well
            connection.close()
            return False

    return ask


def has_grown(before: int) -> bool:
    return JournalEntry.objects.count() > before


def unacknowledged() -> int:
    pending: Any = redis.client().xpending(STREAM_EVENTS, "hub-journal")
    return int(pending["pending"])


def add(numbers: range) -> list[str]:
    """Append events as services do; return their ids."""
    events = [make_event(number, "product_created") for number in numbers]
    pipeline = redis.client().pipeline(transaction=False)
    for event in events:
        body: dict[Any, Any] = event.encode()
        pipeline.xadd(STREAM_EVENTS, body)
    pipeline.execute()
    return [event.event_id for event in events]


def test_an_event_is_in_the_journal_within_two_seconds(start: Start) -> None:
    consumer = start("consume_events")
    for number in range(3):
        add(range(number, number + 1))
        published = time.monotonic()
        wait_until(partial(has_grown, number), 5, "the event in the journal")
        assert time.monotonic() - published < 2
    assert "hub-journal: 3 events handled" in stop(consumer)


def test_consume_events_handles_what_the_apps_declare(start: Start) -> None:
    consumer = start("consume_events")
    event: dict[Any, Any] = {**make_event(7, "company_created").encode(), "data": '{"name": "Acme"}'}
    redis.client().xadd(STREAM_EVENTS, event)
    wait_until(lambda: company_names([7]) == {7: "Acme"}, description="the company to be known")
    assert "1 events handled" in stop(consumer)
