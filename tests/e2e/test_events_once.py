"""`manage.py consume_events --once` as cron or an operator runs it: a process that does what is there, and ends."""

import os
import random
import subprocess
import sys
from typing import Any

import pytest
import redis

from apps.events.models import DeadLetter, JournalEntry, Verdict
from tests.chaos_events.events import CUSTOM, junk
from tests.support.database import application_url, transactional_db
from tests.support.running_hub import ROOT
from xerpium_sdk.events import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM

__all__ = ["transactional_db"]

KNOWN, DECLARED, UNREADABLE = 700, 150, 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.usefixtures("transactional_db")]


def prepare(bus: Any) -> None:
    """Put events of both streams, and entries that are none, before the hub."""
    rng = random.Random(11)
    pipeline = bus.pipeline(transaction=False)
    for number in range(KNOWN):
        event = Envelope.create("stock_low", "Product", number, service_name="stock", data={"left": number})
        pipeline.xadd(STREAM_EVENTS, event.encode())
    for number in range(DECLARED):
        pipeline.xadd(
            STREAM_EVENTS_CUSTOM, Envelope.create(CUSTOM, "Pallet", f"P-{number}", service_name="stock").encode()
        )
    for _ in range(UNREADABLE):
        pipeline.xadd(STREAM_EVENTS, junk(rng)[1])
    pipeline.execute()


def consume_once() -> str:
    """Run the command in a process of its own and return what it said at its end."""
    environment = os.environ | {"DATABASE_URL": application_url(), "DEBUG": "1"}
    command = [sys.executable, "manage.py", "consume_events", "--once"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_prepared_stream_is_handled_to_its_end(redis_server: "redis.Redis") -> None:
    prepare(redis_server)
    said = consume_once()
    assert f"hub-journal: {KNOWN + DECLARED + UNREADABLE:,} events handled" in said
    assert (
        f"hub-core: 0 events handled, {KNOWN + DECLARED:,} of no interest, 0 attempts failed, {UNREADABLE} given up"
        in said
    )
    assert JournalEntry.objects.count() == KNOWN + DECLARED + UNREADABLE
    assert JournalEntry.objects.filter(verdict=Verdict.UNDECODABLE).count() == UNREADABLE
    assert DeadLetter.objects.filter(group="hub-core", reason="undecodable").count() == UNREADABLE
    groups: Any = redis_server.xinfo_groups(STREAM_EVENTS)
    assert [(group["name"], group["pending"]) for group in groups] == [("hub-core", 0), ("hub-journal", 0)]
    again = consume_once()
    assert "hub-journal: 0 events handled" in again
    assert JournalEntry.objects.count() == KNOWN + DECLARED + UNREADABLE
