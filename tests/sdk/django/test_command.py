"""``manage.py relay_outbox`` as a service runs it: in a process of its own, beside those that publish."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections, transaction
from redis import Redis

from tests.sdk.django.conftest import LITE, events_in, numbers_in
from tests.support.tampering import TamperingProxy
from tests.support.wait import wait_until
from xerpium_sdk.django import publish_event
from xerpium_sdk.django.management.commands import relay_outbox
from xerpium_sdk.django.models import OutboxEvent
from xerpium_sdk.django.relay import OutboxRelay
from xerpium_sdk.events.patience import Undelivered

ROOT = Path(__file__).resolve().parents[3]
Start = Callable[[], "subprocess.Popen[str]"]


def publish(using: str, *numbers: int) -> list[str]:
    sent = []
    for number in numbers:
        with transaction.atomic(using=using):
            sent.append(publish_event("order_created", "Order", number, using=using))
    return sent


@pytest.fixture
def start(using: str) -> Iterator[Start]:
    """A function that starts a relay of the test's database and waits until it runs."""
    settings = connections[using].settings_dict
    if using != LITE:
        names = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
        database = json.dumps({"ENGINE": "django.db.backends.postgresql", **{name: settings[name] for name in names}})
    else:
        database = str(settings["NAME"])
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.sdk.django.service_settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "sdk/src")]),
        "SERVICE_DATABASE": database,
    }
    started: list[subprocess.Popen[str]] = []

    def start_relay() -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "django", "relay_outbox"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "relay_outbox is now running\n"
        return process

    yield start_relay
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_it_relays_until_it_is_told_to_stop(using: str, start: Start, redis_server: Redis) -> None:
    publish(using, 1)
    process = start()
    publish(using, 2)
    wait_until(lambda: numbers_in(redis_server) == [1, 2], 10, "both events")
    assert events_in(redis_server)[0].service_name == "test-service"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=10)
    assert said == "relay_outbox stopped. 2 events sent, 0 parked.\n"
    assert process.returncode == 0


@pytest.mark.slow
def test_relays_that_are_killed_lose_nothing_and_keep_the_order(
    transactional_db: None, start: Start, using: str, redis_server: Redis
) -> None:
    if using == LITE:
        pytest.skip("the lease of one that was killed takes its seconds to end")
    sent = []
    for round_ in range(3):
        process, standby = start(), start()
        sent += publish(using, *range(round_ * 100, round_ * 100 + 100))
        process.kill()
        wait_until(lambda: not OutboxEvent.objects.filter(sent_at=None).exists(), 10, "the standby to have sent all")
        standby.kill()
    arrived = [event.event_id for event in events_in(redis_server)]
    assert list(dict.fromkeys(arrived)) == sent


def test_once_sends_what_there_is(using: str, redis_server: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    publish(using, *range(5))
    call_command("relay_outbox", once=True, database=using)
    assert capsys.readouterr().out.splitlines() == [
        "relay_outbox is now running",
        "relay_outbox stopped. 5 events sent, 0 parked.",
    ]
    assert numbers_in(redis_server) == list(range(5))


def test_an_outage_is_an_error_with_once_and_waited_out_without(
    using: str, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(using, 1)
    command = relay_outbox.Command()
    outages: list[Exception] = [Undelivered("Redis is away", may_be_done=False), OperationalError("PostgreSQL is away")]
    step = OutboxRelay.step

    def step_or_fail(relay: OutboxRelay) -> bool:
        if outages:
            raise outages.pop()
        more = step(relay)
        command.stopping = not more
        return more

    monkeypatch.setattr(OutboxRelay, "step", step_or_fail)
    options: Any = {"database": using, "keep_hours": 1.0, "max_length": 1000}
    with pytest.raises(OperationalError):
        command.handle(once=True, **options)
    assert len(outages) == 1
    command.handle(once=False, **options)
    assert numbers_in(redis_server) == [1]


def test_the_address_of_redis_may_stand_in_the_settings(using: str, settings: Any, redis_server: Redis) -> None:
    publish(using, 1)
    with TamperingProxy(os.environ["REDIS_URL"]) as proxy:
        settings.XERPIUM_REDIS_URL = proxy.url
        call_command("relay_outbox", once=True, database=using)
        assert proxy.publishes == 1
    assert numbers_in(redis_server) == [1]


def test_the_lock_ends_with_the_batch(transactional_db: None) -> None:
    relay = OutboxRelay(os.environ["REDIS_URL"])
    publish("default", 1)
    relay.step()
    relay.step()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert cursor.fetchone() == (0,)
    relay.close()
