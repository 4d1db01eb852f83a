"""The consumer engine on a real Redis: nothing lost, nothing stuck."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from redis import Redis
from redis.exceptions import ConnectionError

from tests.events.conftest import make_event
from tests.support.wait import wait_until
from xerpium_sdk.events import StreamConsumer, connect
from xerpium_sdk.events.serial import StreamGroup
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS_DEAD

GROUP = "shop"
BLOCK_MS = 50


@pytest.fixture
def bus() -> Iterator[Redis]:
    client = connect(settings.REDIS_URL, block_ms=BLOCK_MS)
    yield client
    client.close()


class Calls:
    """A handler that remembers, and fails as often as an event's data says."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.done: list[int] = []
        self.failures: dict[int, int] = {}
        self.error: Exception = RuntimeError("the shelf is full")

    def __call__(self, event: Envelope) -> None:
        number = event.data["number"]
        self.numbers.append(number)
        if self.failures.get(number, 0) > 0:
            self.failures[number] -= 1
            raise self.error
        self.done.append(number)


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def make_consumer(bus: Redis, calls: Calls) -> Callable[..., StreamConsumer]:
    def make(name: str = "one", **options: Any) -> StreamConsumer:
        defaults: dict[str, Any] = {
            "group": GROUP,
            "streams": (STREAM_EVENTS, STREAM_EVENTS_CUSTOM),
            "handlers": {"product_created": calls},
            "block_ms": BLOCK_MS,
            "retry_seconds": (0.01, 0.05),
        }
        return StreamConsumer(bus, consumer_name=name, **{**defaults, **options})

    return make


def append(bus: Any, *entries: dict[Any, Any], stream: str = STREAM_EVENTS) -> list[str]:
    return [bus.xadd(stream, fields).decode() for fields in entries]


def event(number: int, event_type: str = "product_created", **fields: Any) -> dict[Any, Any]:
    return {**make_event(number, event_type).encode(), **fields}


def publish(bus: Redis, *numbers: int, stream: str = STREAM_EVENTS, **fields: Any) -> list[str]:
    return append(bus, *(event(number, **fields) for number in numbers), stream=stream)


def unacknowledged(bus: Any, stream: str = STREAM_EVENTS) -> int:
    return int(bus.xpending(stream, GROUP)["pending"])


def dead_letters(bus: Redis) -> list[dict[str, str]]:
    found: Any = bus.xrange(STREAM_EVENTS_DEAD)
    return [
        {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in fields.items()}
        for _, fields in found
    ]


def settle(consumer: StreamConsumer, bus: Redis) -> None:
    """Step until nothing is pending in Redis."""
    wait_until(
        lambda: not consumer.step() and not unacknowledged(bus) and not unacknowledged(bus, STREAM_EVENTS_CUSTOM),
        description="everything to be acknowledged",
    )


def test_what_was_published_before_the_group_existed_is_handled(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    publish(bus, *range(250))
    consumer = make_consumer()
    settle(consumer, bus)
    assert calls.done == list(range(250))
    assert consumer.tally.handled == 250


def test_both_streams_are_read_and_unknown_types_passed_over(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    publish(bus, 1, stream=STREAM_EVENTS_CUSTOM)
    append(bus, event(2, "user_login"))
    consumer = make_consumer()
    settle(consumer, bus)
    assert calls.done == [1]
    assert consumer.tally.ignored == 1
    assert dead_letters(bus) == []


def test_a_failure_is_tried_again_and_holds_back_only_its_own_entity(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    calls.failures[1] = 2
    publish(bus, 1, 2, entity_id="7")
    publish(bus, 3)
    settle(make_consumer(), bus)
    assert calls.done == [3, 1, 2]
    assert calls.numbers.count(1) == 3


def test_what_always_fails_ends_in_the_dead_letters(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    calls.failures[1] = 99
    first, _ = publish(bus, 1, 2)
    original = make_event(1).encode().keys()
    settle(make_consumer(max_attempts=3), bus)
    assert (calls.numbers.count(1), calls.done) == (3, [2])
    (dead,) = dead_letters(bus)
    assert dead["event_type"] == "product_created"
    assert set(dead) == set(original) | {
        *("dead_group", "dead_handler", "dead_reason", "dead_error", "dead_attempts"),
        *("dead_stream", "dead_stream_id", "dead_at"),
    }
    assert (dead["dead_group"], dead["dead_reason"], dead["dead_attempts"]) == (GROUP, "max_attempts", "3")
    assert (dead["dead_stream"], dead["dead_stream_id"]) == (STREAM_EVENTS, first)
    assert dead["dead_error"].endswith("RuntimeError: the shelf is full")
    assert dead["dead_handler"].endswith("Calls")


@pytest.mark.parametrize(
    "broken",
    [
        {"data": "{"},
        {"data": b"\xff\xfe"},
        {"entity_id": "seven"},
        {"event_type": ""},
    ],
)
def test_what_cannot_be_read_ends_in_the_dead_letters_at_once(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer], broken: dict[str, Any]
) -> None:
    publish(bus, 1)
    append(bus, event(2, **broken), {b"\xff": b"\xfe"})
    publish(bus, 3)
    consumer = make_consumer()
    settle(consumer, bus)
    assert calls.done == [1, 3]
    assert [dead["dead_reason"] for dead in dead_letters(bus)] == ["undecodable"] * 2
    assert consumer.tally.dead == 2
    raw: Any = bus.xrange(STREAM_EVENTS_DEAD)
    assert raw[1][1][b"\xff"] == b"\xfe"


def test_text_is_an_id_where_services_declare_types(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    publish(bus, 1, stream=STREAM_EVENTS_CUSTOM, entity_id="SKU-1")
    settle(make_consumer(), bus)
    assert calls.done == [1]


def test_a_restarted_consumer_takes_up_what_it_had_before_anything_new(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    publish(bus, 1, 2, 3)
    make_consumer().step(wait=False)
    assert calls.done == [1, 2, 3]
    calls.done.clear()
    publish(bus, 4, 5)
    StreamGroup(bus, group=GROUP, consumer="one", streams=[STREAM_EVENTS]).read(1, None)
    publish(bus, 6)
    consumer = make_consumer()
    settle(consumer, bus)
    assert calls.done == [4, 5, 6]
    assert consumer.tally.recovered == 1


def test_a_dead_consumers_entries_are_taken_over(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    consumer = make_consumer("two", claim_idle_ms=100)
    consumer.step(wait=False)
    publish(bus, 1, 2)
    StreamGroup(bus, group=GROUP, consumer="one", streams=[STREAM_EVENTS]).read(10, None)
    wait_until(lambda: consumer.step() or calls.done, description="the entries to be taken over")
    assert calls.done == [1, 2]
    assert unacknowledged(bus) == 0


def test_what_is_in_hand_is_kept_from_others(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    calls.failures[1] = 1
    publish(bus, 1, 2, entity_id="7")
    clock = Clock()
    holder = make_consumer(claim_idle_ms=400, retry_seconds=(1000, 1000), clock=clock)
    assert holder.step()
    wait_until(lambda: min(idle for _, idle in holders(bus)) > 400, description="the entries to look abandoned")
    clock.now += 0.1
    holder.step(wait=False)
    assert max(idle for _, idle in holders(bus)) < 400
    other = make_consumer("two", claim_idle_ms=400)
    other.step(wait=False)
    assert calls.numbers == [1]


def test_what_another_has_taken_over_stays_there(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    calls.failures[1] = 1
    ids = publish(bus, 1)
    clock = Clock()
    holder = make_consumer(claim_idle_ms=60_000, retry_seconds=(1000, 1000), clock=clock)
    assert holder.step()
    StreamGroup(bus, group=GROUP, consumer="two", streams=[STREAM_EVENTS]).claim(STREAM_EVENTS, ids, idle_ms=0)
    clock.now += 60
    holder.step(wait=False)
    assert [name for name, _ in holders(bus)] == ["two"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def holders(bus: Any) -> list[tuple[str, int]]:
    """Return who holds each pending entry, and for how many milliseconds nobody has touched it."""
    found = bus.xpending_range(STREAM_EVENTS, GROUP, min="-", max="+", count=100)
    return [(row["consumer"].decode(), row["time_since_delivered"]) for row in found]


def test_a_message_that_kills_its_consumer_cannot_do_so_for_ever(
    bus: Redis, make_consumer: Callable[..., StreamConsumer]
) -> None:
    publish(bus, 1)

    def die(event: Envelope) -> None:
        raise KeyboardInterrupt

    deaths = 0
    for _ in range(5):
        consumer = make_consumer(handlers={"product_created": die}, max_attempts=3)
        try:
            consumer.step(wait=False)
        except KeyboardInterrupt:
            deaths += 1
    assert deaths == 3
    (dead,) = dead_letters(bus)
    assert (dead["dead_reason"], dead["dead_attempts"]) == ("max_attempts", "3")


def test_attempts_are_counted_across_restarts(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    calls.failures[1] = 99
    publish(bus, 1)
    first = make_consumer(should_stop=lambda: len(calls.numbers) == 3)
    wait_until(lambda: first.step() and len(calls.numbers) == 3, description="three attempts")
    settle(make_consumer(), bus)
    assert len(calls.numbers) == 5
    assert len(dead_letters(bus)) == 1


def test_entries_trimmed_away_do_not_haunt_the_group(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    make_consumer().step(wait=False)
    ids = publish(bus, 1, 2, 3)
    StreamGroup(bus, group=GROUP, consumer="one", streams=[STREAM_EVENTS]).read(10, None)
    bus.xdel(STREAM_EVENTS, ids[0], ids[1])
    settle(make_consumer(), bus)
    assert calls.done == [3]


@pytest.mark.parametrize("survives", ["nothing", "the stream"])
def test_a_lost_group_is_made_again_without_a_gap(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer], survives: str
) -> None:
    publish(bus, 1, 2)
    consumer = make_consumer()
    settle(consumer, bus)
    if survives == "nothing":
        bus.flushdb()
    else:
        for stream in (STREAM_EVENTS, STREAM_EVENTS_CUSTOM):
            bus.xgroup_destroy(stream, GROUP)
    publish(bus, 3, 4)
    wait_until(lambda: consumer.step() and calls.done[-1] == 4, description="the new events")
    assert calls.done == [1, 2, 3, 4]
    assert unacknowledged(bus) == 0


def test_ids_that_begin_again_are_not_taken_for_old_ones(
    bus: Any, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    publish(bus, 1)
    consumer = make_consumer()
    settle(consumer, bus)
    bus.flushdb()
    bus.xadd(STREAM_EVENTS, event(2), id="1-1")
    wait_until(lambda: consumer.step() and calls.done[-1] == 2, description="the new event")


def test_a_group_lost_with_events_in_hand_starts_before_them(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    calls.failures[1] = 1
    first, *_ = publish(bus, 1, 2)
    consumer = make_consumer(retry_seconds=(30, 30))
    consumer.step()
    assert calls.done == [2]
    bus.xgroup_destroy(STREAM_EVENTS, GROUP)
    consumer.step()
    consumer.step()
    settle(make_consumer("two", claim_idle_ms=50), bus)
    assert 1 in calls.done, f"{first} was lost with the group"


def test_an_outage_counts_as_no_attempt_and_keeps_the_order(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    calls.failures[2] = 20
    calls.error = OSError("no database")
    publish(bus, 1, 2, 3)
    consumer = make_consumer(is_outage=lambda error: isinstance(error, OSError))
    for _ in range(20):
        with pytest.raises(OSError, match="no database"):
            consumer.step(wait=False)
    assert unacknowledged(bus) == 2
    settle(consumer, bus)
    assert calls.done == [1, 2, 3]
    assert dead_letters(bus) == []


def test_entries_of_an_answer_that_never_came_are_found(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer], monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = make_consumer()
    settle(consumer, bus)
    publish(bus, 1, 2)
    read = StreamGroup.read

    def read_and_lose(group: StreamGroup, count: int, block_ms: int | None) -> Any:
        read(group, count, block_ms)
        raise ConnectionError("connection reset")

    with monkeypatch.context() as cut:
        cut.setattr(StreamGroup, "read", read_and_lose)
        with pytest.raises(ConnectionError):
            consumer.step()
    publish(bus, 3)
    settle(consumer, bus)
    assert calls.done == [1, 2, 3]


def test_an_event_is_not_forgotten_when_its_burial_fails(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer], monkeypatch: pytest.MonkeyPatch
) -> None:
    append(bus, {"not": "an event"})
    consumer = make_consumer()

    def cut_off(*args: Any) -> None:
        raise ConnectionError("connection reset")

    with monkeypatch.context() as cut:
        cut.setattr(StreamGroup, "bury", cut_off)
        for _ in range(2):
            with pytest.raises(ConnectionError):
                consumer.step()
    settle(consumer, bus)
    assert len(dead_letters(bus)) == 1


def test_stopping_leaves_the_rest_to_the_next_process(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    publish(bus, 1, 2, 3)
    consumer = make_consumer(should_stop=lambda: len(calls.done) == 2)
    consumer.step()
    consumer.step()
    consumer.close()
    assert calls.done == [1, 2]
    assert unacknowledged(bus) == 1
    settle(make_consumer(), bus)
    assert calls.done == [1, 2, 3]


def test_a_thousand_unreadable_entries_block_nothing(
    bus: Redis, calls: Calls, make_consumer: Callable[..., StreamConsumer]
) -> None:
    append(bus, *[{"rubbish": "yes"}] * 1000)
    publish(bus, 1)
    consumer = make_consumer()
    wait_until(lambda: consumer.step() and calls.done == [1], 20, "the event behind the rubbish")
    assert consumer.tally.dead == 1000


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"socket_timeout": 60}, "retry"), ({"retry": "off", "socket_timeout": 0.05}, "socket_timeout")],
)
def test_a_client_that_could_lose_messages_is_refused(
    bus: Redis, options: dict[str, Any], complaint: str, make_consumer: Callable[..., StreamConsumer]
) -> None:
    if "retry" in options:
        options = {**options, "retry": bus.connection_pool.connection_kwargs["retry"]}
    unsafe = Redis.from_url(settings.REDIS_URL, **options)
    with pytest.raises(ValueError, match=complaint):
        StreamConsumer(unsafe, group=GROUP, streams=[STREAM_EVENTS], handlers={}, consumer_name="one", block_ms=50)
    unsafe.close()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decoded", [False, True])
def test_any_protocol_and_either_decoding_will_do(calls: Calls, bus: Redis, protocol: int, decoded: bool) -> None:
    retry = bus.connection_pool.connection_kwargs["retry"]
    client = Redis.from_url(
        settings.REDIS_URL, protocol=protocol, decode_responses=decoded, retry=retry, socket_timeout=5
    )
    publish(bus, 1)
    append(bus, {b"\xff": b"\xff"})
    consumer = StreamConsumer(
        client,
        group=GROUP,
        streams=[STREAM_EVENTS],
        handlers={"product_created": calls},
        consumer_name="one",
        block_ms=BLOCK_MS,
    )
    wait_until(lambda: consumer.step() and calls.done, description="the event")
    assert consumer.tally.dead == 1
    client.close()
