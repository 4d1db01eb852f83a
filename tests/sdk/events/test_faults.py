"""A Redis that dies, stands still, or drops connections: nothing is lost, and the order of an entity holds."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from apps.core.engines import Redis as RedisEngine
from apps.core.engines import free_port
from tests.sdk.events.conftest import Calls, pending, publish, until
from tests.support.wait import wait_until
from xerpium_sdk.events import EventConsumer
from xerpium_sdk.wire.keys import STREAM_EVENTS

Make = Callable[..., EventConsumer]


class Server:
    """A Redis of the test's own, which writes every command to its log before it answers."""

    def __init__(self, directory: Path) -> None:
        self._engine = RedisEngine(directory / "redis", free_port(), "tests", databases=1, durable=True)
        self.url = self._engine.url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._engine.prepare()
        command = [*self._engine.command(), "--appendfsync", "always"]
        with open(self._engine.directory / "log", "ab") as log:
            self._process = subprocess.Popen(command, cwd=self._engine.directory, stdout=log, stderr=log)
        wait_until(self._engine.answers, 20, "Redis to answer")

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_bus(server: Server) -> Iterator[Any]:
    client: Any = Redis.from_url(server.url, socket_timeout=5)
    yield client
    client.close()


@pytest.fixture
def consumer(own_bus: Any, make_consumer: Make) -> Iterator[EventConsumer]:
    consumer = make_consumer(client=own_bus, lease_seconds=2.0, grace_seconds=1.0)
    yield consumer
    consumer.close()


def heard(action: Callable[[], Any]) -> bool:
    try:
        action()
    except RedisError:
        return False
    return True


def test_a_redis_that_is_killed_and_comes_back(
    server: Server, own_bus: Any, calls: Calls, consumer: EventConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    consumer.start()
    for number in range(3):
        first = number * 100
        publish(own_bus, *range(first, first + 100), entity_id="7")
        until(partial(calls.has_begun, first), "some to be handled")
        server.kill()
        server.start()
    publish(own_bus, *range(300, 310), entity_id="7")
    until(lambda: len(set(calls.done)) == 310, "everything to be handled")
    until(lambda: heard(own_bus.ping) and pending(own_bus) == 0, "everything to be acknowledged")
    assert list(dict.fromkeys(calls.done)) == list(range(310))
    about = [one for one in caplog.messages if one.startswith("Redis is away")]
    assert 1 <= len(about) <= 8, about


def test_a_redis_that_stands_still(
    server: Server, own_bus: Any, calls: Calls, consumer: EventConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    consumer.start()
    publish(own_bus, *range(100), entity_id="7")
    until(lambda: calls.done, "some to be handled")
    server.send(signal.SIGSTOP)
    until(lambda: any(one.startswith("Redis is away") for one in caplog.messages), "the consumer to notice")
    server.send(signal.SIGCONT)
    publish(own_bus, *range(100, 110), entity_id="7")
    until(lambda: len(set(calls.done)) == 110, "everything to be handled")
    until(lambda: pending(own_bus) == 0, "everything to be acknowledged")
    assert list(dict.fromkeys(calls.done)) == list(range(110))


def test_connections_that_are_cut(own_bus: Any, calls: Calls, consumer: EventConsumer) -> None:
    consumer.start()
    for first in range(0, 1000, 50):
        publish(own_bus, *range(first, first + 50), entity_id="7")
        until(partial(calls.has_begun, first), "some to be handled")
        own_bus.client_kill_filter(_type="normal", skipme=True)
    until(lambda: len(set(calls.done)) == 1000, "everything to be handled")
    until(lambda: pending(own_bus) == 0, "everything to be acknowledged")
    assert list(dict.fromkeys(calls.done)) == list(range(1000))


def test_a_consumer_that_starts_before_its_redis(
    server: Server, own_bus: Any, calls: Calls, consumer: EventConsumer
) -> None:
    publish(own_bus, 1)
    server.kill()
    consumer.start()
    server.start()
    until(lambda: calls.done == [1], "the event")


def test_a_consumer_ends_without_its_redis(server: Server, own_bus: Any, calls: Calls, consumer: EventConsumer) -> None:
    consumer.start()
    publish(own_bus, 1)
    until(lambda: calls.done == [1] and own_bus.xpending(STREAM_EVENTS, "shop-group")["pending"] == 0, "the event")
    calls.held.add(2)
    publish(own_bus, 2)
    until(lambda: 2 in calls.numbers, "the second to be begun")
    server.kill()
    calls.gate.set()
    until(lambda: 2 in calls.done, "the second to be done")
    report = consumer.close()
    assert not report.finished
