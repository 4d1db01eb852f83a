"""Several consumers of one group: who reads, who takes over, and in which order."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from redis import Redis
from redis.exceptions import ConnectionError

from apps.core.engines import free_port
from tests.chaos_events.proxy import Proxy
from tests.sdk.events.conftest import GROUP, Calls, dead_letters, pending, publish, settle, until
from xerpium_sdk.events import EventConsumer
from xerpium_sdk.events.connection import dedicated
from xerpium_sdk.events.group import RedisGroup
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, events_active, events_members

Make = Callable[..., EventConsumer]
SEEN = "test:seen"


def members(bus: Any) -> dict[str, dict[str, Any]]:
    return {name.decode(): json.loads(text) for name, text in bus.hgetall(events_members(GROUP)).items()}


def read_as(bus: Redis, name: str, count: int = 10) -> int:
    """Let somebody who is no consumer of ours read, and never answer."""
    client = dedicated(bus, timeout=5)
    group = RedisGroup(client, group=GROUP, streams=[STREAM_EVENTS])
    group.create(STREAM_EVENTS, "0")
    found = len(group.read(name, count, None))
    group.hang_up()
    client.close()
    return found


def test_one_reads_while_others_stand_by_and_take_over_at_once(bus: Any, calls: Calls, make_consumer: Make) -> None:
    first, second = make_consumer(), make_consumer()
    first.start()
    until(lambda: first.metrics.active, "the first to read")
    second.start()
    publish(bus, *range(20), entity_id="7")
    until(lambda: calls.done == list(range(20)), "the events")
    until(lambda: len(members(bus)) == 2, "both to be members")
    until(lambda: first.metrics.snapshot().handled == 20, "the first to have handled them")
    assert not second.metrics.active
    begun = time.monotonic()
    first.close()
    publish(bus, *range(20, 40), entity_id="7")
    until(lambda: calls.done == list(range(40)), "the second to take over")
    assert time.monotonic() - begun < 2
    until(lambda: second.metrics.snapshot().handled == 20, "the second to have handled them")
    (name,) = members(bus)
    assert name.endswith("-1")


def test_members_say_what_they_do(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1, 2)
    with make_consumer():
        until(lambda: any(member.get("handled") == 2 for member in members(bus).values()), "the sign of life")
        ((name, member),) = members(bus).items()
    assert name.startswith("shop-")
    assert set(member) >= {"token", "host", "pid", "seen_ms", "active", "since", "failed", "recovered", "in_hand"}
    (handler,) = member["handlers"].values()
    assert handler["handled"] == 2
    assert handler["seconds_p50"] > 0
    assert abs(member["seen_ms"] / 1000 - time.time()) < 5


def test_who_loses_the_right_to_read_begins_nothing_more(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.held.add(0)
    consumer = make_consumer(concurrency=1, lease_seconds=3.0)
    consumer.start()
    publish(bus, *range(10), entity_id="7")
    until(lambda: calls.numbers == [0], "the first to be begun")
    bus.set(events_active(GROUP), "somebody else", px=60_000)
    until(lambda: not consumer.metrics.active, "the consumer to notice")
    calls.gate.set()
    until(lambda: pending(bus) == 9, "what was done to be acknowledged")
    assert calls.numbers == [0]
    bus.delete(events_active(GROUP))
    until(lambda: calls.done == list(range(10)), "the rest, in order")
    assert calls.numbers == list(range(10))


def test_unordered_groups_share_the_work(bus: Any, calls: Calls, make_consumer: Make) -> None:
    consumers = [make_consumer(ordered=False, batch=1, max_in_hand=1) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    until(lambda: all(one.metrics.active for one in consumers), "both to read")
    publish(bus, *range(200))
    until(lambda: len(calls.done) == 200, "the events")
    until(lambda: sum(one.metrics.snapshot().handled for one in consumers) == 200, "the counts")
    assert all(one.metrics.snapshot().handled for one in consumers)


def test_a_restarted_consumer_takes_up_what_it_had_before_anything_new(
    bus: Any, calls: Calls, make_consumer: Make
) -> None:
    publish(bus, 1, 2, 3, entity_id="7")
    assert read_as(bus, "shop-one", 2) == 2
    consumer = make_consumer(consumer_name="shop-one", max_in_hand=1, batch=1)
    settle(consumer, bus)
    assert calls.done == [1, 2, 3]
    assert consumer.metrics.snapshot().recovered == 2


def test_entries_of_strangers_are_taken_over_when_they_lie_idle(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1, 2)
    assert read_as(bus, "a stranger") == 2
    consumer = make_consumer(claim_idle_ms=400)
    publish(bus, 3)
    consumer.start()
    until(lambda: 3 in calls.done, "what is new")
    until(lambda: sorted(calls.done) == [1, 2, 3], "what the stranger left")
    until(lambda: pending(bus) == 0, "everything to be acknowledged")


def test_consumers_that_are_gone_are_forgotten_but_not_with_entries(bus: Any, make_consumer: Make) -> None:
    publish(bus, 1)
    assert read_as(bus, "holds something") == 1
    bus.xgroup_createconsumer(STREAM_EVENTS, GROUP, "long gone")
    bus.hset(events_members(GROUP), "long gone", json.dumps({"token": "x", "seen_ms": 1}))

    def names() -> set[str]:
        return {one["name"].decode() for one in bus.xinfo_consumers(STREAM_EVENTS, GROUP)}

    with make_consumer(claim_idle_ms=60_000) as consumer:
        until(lambda: "long gone" not in names(), "the one that is gone to be deleted")
        until(lambda: "long gone" not in members(bus), "it to be forgotten")
        assert "holds something" in names()
        assert consumer.running


def test_what_is_in_hand_is_kept_from_others(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.held.add(1)
    publish(bus, 1)
    holder = make_consumer(ordered=False, claim_idle_ms=400)
    holder.start()
    until(lambda: calls.numbers == [1], "the event to be begun")
    other = make_consumer(ordered=False, claim_idle_ms=400)
    other.start()

    def idle() -> int:
        return int(bus.xpending_range(STREAM_EVENTS, GROUP, "-", "+", 1)[0]["time_since_delivered"])

    until(lambda: idle() > 80, "some time to go by")
    until(lambda: idle() < 50, "the entry to be renewed")
    until(lambda: other.metrics.active, "the other to have looked around")
    assert calls.numbers == [1]


def test_entries_of_an_answer_that_never_came_are_found_before_anything_new(
    bus: Any, calls: Calls, make_consumer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = RedisGroup.read
    lost: list[Any] = []

    def read_and_lose(group: RedisGroup, consumer: str, count: int, block_ms: int | None) -> Any:
        found = read(group, consumer, count, block_ms)
        if found and not lost:
            lost.extend(found)
            publish(bus, 3, entity_id="7")
            group.hang_up()
            raise ConnectionError("connection reset")
        return found

    monkeypatch.setattr(RedisGroup, "read", read_and_lose)
    consumer = make_consumer(max_attempts=1)
    publish(bus, 1, 2, entity_id="7")
    settle(consumer, bus)
    assert len(lost) == 2
    assert calls.done == [1, 2, 3]


def test_a_read_that_only_redis_believes_in_gets_nothing_more(bus: Any) -> None:
    """Its client is gone, and Redis has not noticed: what it is given would be overtaken by everything after it."""
    port = urlsplit(settings.REDIS_URL).port
    assert port is not None
    with Proxy(free_port(), port) as proxy:
        parts = urlsplit(settings.REDIS_URL)
        client = Redis.from_url(urlunsplit(parts._replace(netloc=f":{parts.password or ''}@127.0.0.1:{proxy.port}")))
        group = RedisGroup(dedicated(client, timeout=10), group=GROUP, streams=[STREAM_EVENTS])
        group.create(STREAM_EVENTS, "0")
        lost: list[BaseException] = []

        def read() -> None:
            try:
                group.read("shop-one", 10, 5000)
            except ConnectionError as error:
                lost.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        until(lambda: "xreadgroup" in str(bus.client_list()), "the read to wait")
        proxy.desert(random.Random(1), 1.0, 30.0)
        thread.join()
        assert len(lost) == 1
        assert group.pending(STREAM_EVENTS, "0-0", 10) == []
        publish(bus, 1, 2)
        assert len(group.read("shop-one", 10, None)) == 2
        group.hang_up()
        group.client.close()
        client.close()


def test_what_was_asked_for_before_older_entries_were_handed_back_does_not_overtake_them(
    bus: Any, calls: Calls, make_consumer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right to read is renewed too late while an answer is on its way: the consumer begins anew, in order."""
    read = RedisGroup.read
    calls.held.add(0)
    publish(bus, 0)
    publish(bus, 1, entity_id="7")
    consumer = make_consumer(concurrency=1)
    late: list[Any] = []

    def read_and_be_late(group: RedisGroup, *arguments: Any) -> Any:
        found = read(group, *arguments)
        engine = consumer._engine
        if any(b"2" in one.fields for one in found) and not late and engine is not None:
            engine.standing.epoch += 1
            until(lambda: engine._coordinator.handed_back > 0, "the first of the entity to be handed back")
            late.extend(found)
        return found

    monkeypatch.setattr(RedisGroup, "read", read_and_be_late)
    consumer.start()
    until(lambda: calls.numbers == [0] and consumer.metrics.snapshot().in_hand == 2, "the first two to be in hand")
    publish(bus, 2, entity_id="7", user_id="2")
    until(lambda: late, "the last to be on its way")
    calls.gate.set()
    until(lambda: len(calls.done) == 3, "all to be handled")
    assert calls.done == [0, 1, 2]
    assert consumer.metrics.snapshot().handled == 3


def test_entries_trimmed_away_do_not_haunt_the_group(bus: Any, calls: Calls, make_consumer: Make) -> None:
    ids = publish(bus, 1, 2, 3)
    assert read_as(bus, "shop-one") == 3
    bus.xdel(STREAM_EVENTS, ids[0], ids[1])
    settle(make_consumer(consumer_name="shop-one"), bus)
    assert calls.done == [3]


# --- consumers in processes of their own, which can be killed

SCRIPT = """
import os, sys, time
from redis import Redis
from xerpium_sdk.events import EventConsumer

bus = Redis.from_url(sys.argv[1])
consumer = EventConsumer("shop", client=bus, lease_seconds=1.5, max_attempts=ATTEMPTS, concurrency=4)

@consumer.on("product_created")
def handle(event):
    number = event.data["number"]
    if number in POISON:
        os._exit(9)
    bus.rpush("test:seen", f"{event.entity_id}:{number}")
    bus.expire("test:seen", 60)
    time.sleep(SECONDS)

consumer.run()
"""


class Process:
    """A consumer in a process."""

    def __init__(self, poison: tuple[int, ...] = (), seconds: float = 0.0, attempts: int = 5) -> None:
        values = {"POISON": poison, "SECONDS": seconds, "ATTEMPTS": attempts}
        source = textwrap.dedent(SCRIPT)
        for name, value in values.items():
            source = source.replace(name, repr(value))
        self._process = subprocess.Popen([sys.executable, "-c", source, settings.REDIS_URL], stderr=subprocess.DEVNULL)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.kill()
        return self._process.wait(10)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def begin(**options: Any) -> Process:
        running.append(Process(**options))
        return running[-1]

    yield begin
    for one in running:
        one.end()


def seen(bus: Any) -> list[tuple[int, int]]:
    pairs = (text.split(b":") for text in bus.lrange(SEEN, 0, -1))
    return [(int(entity), int(number)) for entity, number in pairs]


def firsts(bus: Any) -> list[int]:
    """Return the numbers in the order in which they were first handled."""
    return list(dict.fromkeys(number for _, number in seen(bus)))


def has_begun(bus: Any, number: int) -> bool:
    return len(firsts(bus)) >= number


def ended_or_dead(one: Process, bus: Any) -> bool:
    return one.ended or bool(dead_letters(bus))


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_standby_takes_over_from_one_that_dies_or_stands_still(
    bus: Any, process: Callable[..., Process], fault: signal.Signals
) -> None:
    first = process(seconds=0.01)
    publish(bus, *range(100), entity_id="7")
    until(lambda: seen(bus), "the first to be at work")
    second = process(seconds=0.01)
    until(lambda: len(members(bus)) == 2, "the second to stand by")
    first.send(fault)
    publish(bus, *range(100, 150), entity_id="7")
    until(lambda: len(firsts(bus)) == 150, "the second to take over")
    if fault is signal.SIGSTOP:
        first.send(signal.SIGCONT)
        publish(bus, *range(150, 160), entity_id="7")
        until(lambda: len(firsts(bus)) == 160, "work to go on")
    assert firsts(bus) == sorted(firsts(bus))
    # What was done in the last milliseconds was not acknowledged yet.
    assert len(seen(bus)) - len(firsts(bus)) <= 3
    until(lambda: pending(bus) == 0, "everything to be acknowledged")
    assert not second.ended


def test_an_event_that_kills_its_consumer_ends_in_the_dead_letters_and_alone(
    bus: Any, process: Callable[..., Process]
) -> None:
    publish(bus, *range(300))
    deaths = 0
    while not dead_letters(bus):
        one = process(poison=(150,), attempts=3)
        until(partial(ended_or_dead, one, bus), "the consumer to die of it, or to give it up")
        deaths += one.ended
        assert deaths <= 4
    until(lambda: len(firsts(bus)) == 299, "all the others to be handled")
    (dead,) = dead_letters(bus)
    assert (json.loads(dead["data"])["number"], dead["dead_attempts"], deaths) == (150, "3", 3)
    assert "never answered" in dead["dead_error"]


def test_both_streams_keep_their_order_through_many_deaths(bus: Any, process: Callable[..., Process]) -> None:
    for stream in (STREAM_EVENTS, STREAM_EVENTS_CUSTOM):
        publish(bus, *range(40), stream=stream, entity_id="1" if stream == STREAM_EVENTS else "2")
    for deaths in range(1, 4):
        one = process(seconds=0.01)
        until(partial(has_begun, bus, deaths * 5), "some progress")
        one.send(signal.SIGKILL)
        one.end()
    process()
    until(lambda: len(set(seen(bus))) == 80, "the last to finish", 30.0)
    for entity in (1, 2):
        order = list(dict.fromkeys(number for of, number in seen(bus) if of == entity))
        assert order == list(range(40))
    assert dead_letters(bus) == []


def test_groups_of_others_may_have_names_that_are_no_text(bus: Any, make_consumer: Make) -> None:
    publish(bus, 1)
    bus.xgroup_create(STREAM_EVENTS, b"\xff", id="0")
    with Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        assert make_consumer(client=client).lag()[STREAM_EVENTS].lag == 1
