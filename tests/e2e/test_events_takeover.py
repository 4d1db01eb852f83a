"""Consumers in processes of their own that are killed, on a Redis that is killed: another takes over, order is kept.

What they did is in ledgers, which the judge of `make chaos-events` compares with what was published.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import RedisError

from apps.core.engines import Redis as RedisEngine
from apps.core.engines import free_port
from tests.chaos_events.actors import Actor, EngineActor, Role
from tests.chaos_events.events import Source
from tests.chaos_events.judge import Evidence, Group, judge
from tests.chaos_events.ledger import Ledger, now, read_acknowledged, read_attempts, read_handlings
from tests.support.wait import wait_until
from xerpium_sdk.events import EventPublisher
from xerpium_sdk.wire.keys import (
    STREAM_EVENTS,
    STREAM_EVENTS_CUSTOM,
    STREAM_EVENTS_DEAD,
    events_active,
    events_members,
)

SECONDS = 40.0
IS_RUNNING = "is now running"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Stage:
    """A Redis of the test's own, consumers of one ordered group, and a publisher."""

    def __init__(self, directory: Path) -> None:
        self.ledger = directory / "ledger"
        self.ledger.mkdir()
        engine = RedisEngine(directory / "redis", free_port(), "tests")
        self.redis = EngineActor(engine, directory / "redis-log")
        self.consumers: list[Actor] = []
        self.faults: list[tuple[int, int]] = []
        self._directory, self._url = directory, engine.url
        self._source = Source(int(time.time()), random.Random(5))
        self.bus: Any = redis.Redis.from_url(engine.url, socket_timeout=5)

    def add_consumer(self) -> None:
        """Start one more process, and wait until it says that it works."""
        environment = {**os.environ, "REDIS_URL": self._url}
        command = (sys.executable, "-m", "tests.chaos_events.consumer", "ordered", "--directory", str(self.ledger))
        name = f"consumer-{len(self.consumers)}"
        actor = Actor(Role(name, command, environment, IS_RUNNING), name, self._directory / name)
        actor.start()
        self.consumers.append(actor)
        wait_until(actor.answers, SECONDS, f"{name} to run")

    def publish(self, count: int) -> None:
        """Publish as a program does that cares for the order: each event again until it is safe."""
        with (
            EventPublisher("test", redis_url=self._url, deadline=SECONDS, attempts=500) as publisher,
            Ledger(self.ledger / f"attempts-{now()}") as attempts,
            Ledger(self.ledger / f"acknowledged-{now()}") as acknowledged,
        ):
            for _ in range(count):
                attempt, envelope = self._source.next()
                attempts.write([attempt])
                publisher.publish_many([envelope])
                acknowledged.write([(now(), attempt.event_id)])

    def reader(self) -> Actor | None:
        """Return the one consumer that reads, if there is one."""
        members = [json.loads(text) for text in self.bus.hgetall(events_members("ordered")).values()]
        token = (self.bus.get(events_active("ordered")) or b"").decode()
        pids = [member["pid"] for member in members if member["token"] == token]
        return next((actor for actor in self.consumers if actor.pid in pids), None)

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Note that something is done while the block runs."""
        begin = now()
        yield
        self.faults.append((begin, now() + 10**9))

    def is_done(self) -> bool:
        """Return whether nothing waits for the group any more."""
        try:
            return all(self._is_done_on(stream) for stream in (STREAM_EVENTS, STREAM_EVENTS_CUSTOM))
        except RedisError:
            return False

    def _is_done_on(self, stream: str) -> bool:
        last = self.bus.xinfo_stream(stream)["last-generated-id"]
        groups: Mapping[bytes, Any] = {group["name"]: group for group in self.bus.xinfo_groups(stream)}
        group = groups[b"ordered"]
        return bool(group["last-delivered-id"] == last and not group["pending"])

    def evidence(self) -> Evidence:
        """Return what was written down."""
        letters = [
            fields[b"event_id"].decode() for _, fields in self.bus.xrange(STREAM_EVENTS_DEAD) if b"event_id" in fields
        ]
        handled = read_handlings(self.ledger, "ordered")
        group = Group("ordered", True, handled, {one: letters.count(one) for one in letters})
        return Evidence(read_attempts(self.ledger), read_acknowledged(self.ledger), [group], self.faults)

    def close(self) -> None:
        """End everything."""
        for actor in [*self.consumers, self.redis]:
            if actor.runs:
                os.kill(actor.pid, signal.SIGKILL)
                actor.wait(10)
        self.bus.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    try:
        stage.redis.start()
        wait_until(stage.redis.answers, SECONDS, "Redis")
        yield stage
    finally:
        stage.close()


def test_a_standby_takes_over_from_a_reader_that_is_killed_and_order_is_kept(stage: Stage) -> None:
    stage.add_consumer()
    stage.add_consumer()
    for _ in range(2):
        stage.publish(200)
        reader = wait_until(stage.reader, SECONDS, "somebody to read")
        assert reader is not None
        with stage.fault():
            reader.kill(random.Random())
            stage.publish(200)
            wait_until(stage.is_done, SECONDS, "the standby to have taken over and caught up")
        stage.consumers.remove(reader)
        stage.add_consumer()
    evidence = stage.evidence()
    assert judge(evidence).findings == []
    assert len(evidence.acknowledged) == 800
    assert len({one.process for one in evidence.groups[0].handled}) >= 2


def test_a_redis_that_is_killed_and_comes_back_loses_nothing_that_it_acknowledged(stage: Stage) -> None:
    stage.add_consumer()
    for _ in range(2):
        stage.publish(200)
        with stage.fault():
            stage.redis.kill(random.Random())
            stage.redis.start()
            stage.publish(200)
            wait_until(stage.is_done, SECONDS, "everything to be handled")
    evidence = stage.evidence()
    assert judge(evidence).findings == []
    assert len(evidence.acknowledged) == 800
