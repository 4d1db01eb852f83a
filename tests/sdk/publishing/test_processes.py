"""Publishers and processes: forks, pickled errors, addresses."""

import os
import pickle
import subprocess
import sys

import pytest
from django.conf import settings
from redis import Redis

from xerpium_sdk.events import EventPublisher, InvalidEvent, PublishFailed
from xerpium_sdk.events.errors import EventFault
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS

FORKING = """
import os, sys
from xerpium_sdk.events import EventPublisher

publisher = EventPublisher("orders")
publisher.publish_event("order_created", "Order", 0)
children = []
for child in range(1, 4):
    children.append(os.fork())
    if not children[-1]:
        for number in range(100):
            publisher.publish_event("order_created", "Order", child * 1000 + number)
        publisher.close()
        os._exit(0)
for number in range(100):
    publisher.publish_event("order_created", "Order", 9000 + number)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_a_publisher_survives_a_fork(redis_server: Redis) -> None:
    environment = {**os.environ, "REDIS_URL": settings.REDIS_URL}
    subprocess.run([sys.executable, "-c", FORKING], env=environment, check=True, timeout=30)
    numbers = [Envelope.decode(fields).entity_id for _, fields in redis_server.xrange(STREAM_EVENTS)]  # type: ignore[union-attr]  # it does not wait
    expected = [0, *(start + number for start in (1000, 2000, 3000, 9000) for number in range(100))]
    assert sorted(numbers) == expected  # type: ignore[type-var]  # they are all integers
    for start in (1000, 2000, 3000, 9000):
        mine = [number for number in numbers if isinstance(number, int) and start <= number < start + 1000]
        assert mine == sorted(mine)


def test_what_an_address_says_to_a_pool_does_no_harm(redis_server: Redis) -> None:
    url = f"{settings.REDIS_URL}?max_connections=5&socket_timeout=1&decode_responses=true&retry_on_timeout=true"
    with EventPublisher("orders", redis_url=url) as publisher:
        publisher.publish_event("order_created", "Order", 1)
    assert redis_server.xlen(STREAM_EVENTS) == 1


def test_nobody_has_given_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setattr("xerpium_sdk.events.connection.default_url", lambda: "redis://127.0.0.1:1/0")
    with (
        EventPublisher("orders", attempts=1) as publisher,
        pytest.raises(PublishFailed, match=r"127\.0\.0\.1:1 \(REDIS_URL is not set\) did not answer"),
    ):
        publisher.publish_event("order_created", "Order", 1)


def test_errors_cross_between_processes() -> None:
    failed = pickle.loads(pickle.dumps(PublishFailed("not confirmed", ["a", "b"], may_be_written=True)))
    assert (str(failed), failed.event_ids, failed.may_be_written) == ("not confirmed", ("a", "b"), True)
    invalid = pickle.loads(pickle.dumps(InvalidEvent([EventFault("data.a", "nan")])))
    assert (str(invalid), invalid.faults) == ("data.a: nan", (EventFault("data.a", "nan"),))
