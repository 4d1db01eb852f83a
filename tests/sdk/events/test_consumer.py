"""The consumer engine on a real Redis: nothing lost, nothing stuck."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from tests.sdk.events.conftest import GROUP, Calls, append, dead_letters, make_event, pending, publish, settle, until
from xerpium_sdk.events import Envelope, EventConsumer, EventType
from xerpium_sdk.wire.keys import (
    STREAM_EVENTS,
    STREAM_EVENTS_CUSTOM,
    STREAM_EVENTS_DEAD,
    events_active,
    events_members,
    stream_of_replays,
)

Make = Callable[..., EventConsumer]


def test_what_was_published_before_the_group_existed_is_handled_in_order(
    bus: Any, calls: Calls, make_consumer: Make
) -> None:
    publish(bus, *range(1200), entity_id="7")
    consumer = make_consumer()
    settle(consumer, bus)
    assert calls.done == list(range(1200))
    counts = consumer.metrics.snapshot()
    assert (counts.handled, counts.failed, counts.in_hand) == (1200, 0, 0)


def test_all_streams_are_read_and_types_without_a_handler_passed_over(
    bus: Any, calls: Calls, make_consumer: Make
) -> None:
    publish(bus, 1, stream=STREAM_EVENTS_CUSTOM)
    publish(bus, 2, event_type="user_login")
    publish(bus, 3, stream=stream_of_replays("shop-group"), replay_of="12", replay_stream=STREAM_EVENTS)
    consumer = make_consumer()
    settle(consumer, bus)
    assert sorted(calls.done) == [1, 3]
    assert consumer.metrics.snapshot().ignored == 1
    assert dead_letters(bus) == []


def test_handlers_are_found_by_type(bus: Any, make_consumer: Make) -> None:
    seen: list[tuple[str, int]] = []
    consumer = make_consumer(None)

    @consumer.on(EventType.PRODUCT_CREATED, "shelf_built")
    def created(event: Envelope) -> None:
        seen.append(("created", event.data["number"]))

    @consumer.on("*")
    def rest(event: Envelope) -> None:
        seen.append(("rest", event.data["number"]))

    async def updated(event: Envelope) -> None:
        await asyncio.sleep(0)
        seen.append(("updated", event.data["number"]))

    consumer.register_handlers({EventType.PRODUCT_UPDATED: updated})
    publish(bus, 1)
    publish(bus, 2, event_type="shelf_built", stream=STREAM_EVENTS_CUSTOM)
    publish(bus, 3, event_type="product_updated")
    publish(bus, 4, event_type="user_login")
    settle(consumer, bus)
    assert sorted(seen) == [("created", 1), ("created", 2), ("rest", 4), ("updated", 3)]
    with pytest.raises(ValueError, match="has a handler already"):
        consumer.register_handler("product_created", print)


def test_a_failure_is_tried_again_and_holds_back_only_its_own_entity(
    bus: Any, calls: Calls, make_consumer: Make
) -> None:
    calls.failures[1] = 2
    publish(bus, 1, 2, entity_id="7")
    publish(bus, 3)
    consumer = make_consumer(retry_seconds=(0.1, 0.1))
    settle(consumer, bus)
    assert calls.done == [3, 1, 2]
    assert calls.numbers.count(1) == 3
    counts = consumer.metrics.snapshot()
    assert (counts.handled, counts.failed, counts.retried, counts.dead) == (3, 2, 2, 0)


def test_what_always_fails_ends_in_the_dead_letters(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.failures[1] = 99
    first, _ = publish(bus, 1, 2)
    settle(make_consumer(max_attempts=3), bus)
    assert (calls.numbers.count(1), calls.done) == (3, [2])
    (dead,) = dead_letters(bus)
    assert set(dead) == set(make_event().encode()) | {
        *("dead_group", "dead_handler", "dead_reason", "dead_error", "dead_attempts"),
        *("dead_stream", "dead_stream_id", "dead_at"),
    }
    assert (dead["event_type"], dead["dead_group"]) == ("product_created", "shop-group")
    assert (dead["dead_reason"], dead["dead_attempts"]) == ("max_attempts", "3")
    assert (dead["dead_stream"], dead["dead_stream_id"]) == (STREAM_EVENTS, first)
    assert dead["dead_error"].endswith("RuntimeError: the shelf is full")
    assert dead["dead_handler"].endswith("Calls")


@pytest.mark.parametrize("broken", [{"data": "{"}, {"data": b"\xff\xfe"}, {"entity_id": "seven"}, {"event_type": ""}])
def test_what_cannot_be_read_ends_in_the_dead_letters_at_once(
    bus: Any, calls: Calls, make_consumer: Make, broken: dict[str, Any]
) -> None:
    publish(bus, 1)
    append(bus, {**make_event(2).encode(), **broken}, {b"\xff": b"\xfe"})
    publish(bus, 3)
    consumer = make_consumer()
    settle(consumer, bus)
    assert sorted(calls.done) == [1, 3]
    assert [dead["dead_reason"] for dead in dead_letters(bus)] == ["undecodable"] * 2
    assert consumer.metrics.snapshot().dead == 2
    assert bus.xrange(STREAM_EVENTS_DEAD)[1][1][b"\xff"] == b"\xfe"


def test_a_dead_letter_that_cannot_be_written_is_not_acknowledged(bus: Any, make_consumer: Make) -> None:
    bus.set(STREAM_EVENTS_DEAD, "not a stream", ex=60)
    append(bus, {"not": "an event"})
    consumer = make_consumer()
    consumer.start()
    until(lambda: consumer.metrics.snapshot().dead, "the entry to be given up")
    until(lambda: pending(bus) == 1, "the entry to be pending")
    bus.delete(STREAM_EVENTS_DEAD)
    until(lambda: pending(bus) == 0, "the entry to be buried")
    assert len(dead_letters(bus)) == 1


def test_an_entry_of_thousands_of_fields_can_be_buried(bus: Any, make_consumer: Make) -> None:
    append(bus, {f"field{number}": "x" for number in range(5000)})
    settle(make_consumer(), bus)
    assert len(dead_letters(bus)) == 1


def test_text_is_an_id_where_services_declare_types(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1, stream=STREAM_EVENTS_CUSTOM, entity_id="SKU-1")
    settle(make_consumer(), bus)
    assert calls.done == [1]


def test_many_unreadable_entries_delay_nobody(bus: Any, calls: Calls, make_consumer: Make) -> None:
    append(bus, *[{"rubbish": "yes"}] * 1000)
    publish(bus, 1)
    consumer = make_consumer()
    consumer.start()
    until(lambda: calls.done == [1], "the event behind the rubbish", 3.0)
    until(lambda: pending(bus) == 0, "everything to be acknowledged")
    assert consumer.metrics.snapshot().dead == len(dead_letters(bus)) == 1000


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_handlers_of_other_entities_run_at_the_same_time_and_those_of_one_in_order(
    bus: Any, make_consumer: Make, kind: str
) -> None:
    order: list[int] = []
    together = threading.Barrier(4)
    arrived = asyncio.Barrier(4)

    def meet(event: Envelope) -> None:
        if event.data["number"] < 4:
            together.wait(10)
        order.append(event.data["number"])

    async def meet_async(event: Envelope) -> None:
        if event.data["number"] < 4:
            await arrived.wait()
        order.append(event.data["number"])

    consumer = make_consumer(meet if kind == "sync" else meet_async, concurrency=4)
    publish(bus, 0, 1, 2, 3)
    publish(bus, *range(10, 60), entity_id="1")
    settle(consumer, bus)
    assert sorted(order[:4]) != order[:0]
    assert [number for number in order if number >= 10] == list(range(10, 60))
    assert order.index(10) > order.index(1)


@pytest.mark.parametrize("kind", ["sync", "async", "stubborn"])
def test_a_handler_that_hangs_fails_and_delays_nobody(
    bus: Any, calls: Calls, make_consumer: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xerpium_sdk.events.tasks.STUBBORN_SECONDS", 0.2)
    calls.held.add(1)

    async def hang(event: Envelope) -> None:
        if event.data["number"] == 1:
            for _ in range(2 if kind == "stubborn" else 1):
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    if kind == "async":
                        raise
        calls.done.append(event.data["number"])

    handler: Any = calls if kind == "sync" else hang
    consumer = make_consumer(handler, timeout=0.2, max_attempts=2, concurrency=2, grace_seconds=0.2)
    publish(bus, 1)
    publish(bus, *range(10, 40))
    consumer.start()
    until(lambda: sorted(calls.done)[-30:] == list(range(10, 40)), "the others", 3.0)
    until(lambda: dead_letters(bus), "the one that hangs to be given up")
    (dead,) = dead_letters(bus)
    assert "TimeoutError: The handler took longer than 0.2 s" in dead["dead_error"]
    until(lambda: pending(bus) == 0, "everything to be acknowledged")
    calls.gate.set()


def test_calls_that_hang_are_bounded_and_fail_what_cannot_begin(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.held |= set(range(100))
    before = threading.active_count()
    consumer = make_consumer(timeout=0.05, max_attempts=1, concurrency=2, grace_seconds=0.1)
    publish(bus, *range(10))
    consumer.start()
    until(lambda: len(dead_letters(bus)) == 10, "all to be given up")
    # Two threads of the engine, and twice two of the handler.
    assert threading.active_count() - before <= 6
    calls.gate.set()
    calls.held.clear()
    until(lambda: threading.active_count() - before <= 4, "the threads that hung to end")
    publish(bus, 50)
    until(lambda: 50 in calls.done, "work to go on")


def test_an_outage_counts_as_no_attempt_and_keeps_the_order(
    bus: Any, calls: Calls, make_consumer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    calls.failures[2] = 4
    calls.error = OSError("no database")
    publish(bus, 1, 2, 3, entity_id="7")
    consumer = make_consumer(is_outage=lambda error: isinstance(error, OSError))
    settle(consumer, bus)
    assert calls.done == [1, 2, 3]
    assert calls.numbers.count(2) == 5
    assert consumer.metrics.snapshot().failed == 0
    assert dead_letters(bus) == []
    about = [one for one in caplog.messages if "What handlers stand on" in one]
    assert len(about) == 2, about
    assert "is away" in about[0]
    assert "is back" in about[1]


def test_a_stop_hands_back_what_was_not_begun(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, *range(50))
    calls.held.add(0)
    consumer = make_consumer(concurrency=1)
    consumer.start()
    until(lambda: calls.numbers == [0], "the first to be begun")
    consumer.stop()
    calls.gate.set()
    report = consumer.close()
    assert calls.done == [0]
    assert (report.handed_back, report.unfinished, report.finished) == (49, 0, True)
    assert pending(bus) == 49
    settle(make_consumer(), bus)
    assert sorted(calls.done) == list(range(50))


def test_a_stop_does_not_wait_longer_than_the_grace_period(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1)
    calls.held.add(1)
    consumer = make_consumer(grace_seconds=0.2)
    consumer.start()
    until(lambda: calls.numbers == [1], "the handler to be at work")
    report = consumer.close()
    assert (report.unfinished, report.finished) == (1, True)
    assert pending(bus) == 1


def test_a_handler_may_stop_its_consumer(bus: Any, make_consumer: Make) -> None:
    publish(bus, 1)
    consumer = make_consumer(None)
    consumer.on("product_created")(lambda event: consumer.stop())
    consumer.run()
    assert not consumer.running
    assert pending(bus) == 0


@pytest.mark.anyio
async def test_coroutines_run_on_the_callers_loop(bus: Any, make_consumer: Make) -> None:
    loops = []

    async def handler(event: Envelope) -> None:
        loops.append(asyncio.get_running_loop())
        consumer.stop()

    consumer = make_consumer(handler)
    publish(bus, 1)
    await asyncio.wait_for(consumer.start_consuming(), 10)
    assert loops == [asyncio.get_running_loop()]


@pytest.mark.anyio
async def test_a_consumer_that_is_cancelled_ends_in_order(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1)
    consumer = make_consumer()
    task = asyncio.create_task(consumer.start_consuming())
    await asyncio.to_thread(until, lambda: calls.done, "the event")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not consumer.running
    assert pending(bus) == 0


def test_what_waiting_cannot_heal_is_raised_at_the_start(bus: Any, make_consumer: Make) -> None:
    bus.set(STREAM_EVENTS, "not a stream", ex=60)
    with pytest.raises(RedisError, match="WRONGTYPE"):
        make_consumer().run()
    with pytest.raises(RedisError, match=r"(?i)password|auth"):
        EventConsumer("shop", redis_url=settings.REDIS_URL.replace(":tests@", ":wrong@")).run()


def test_a_consumer_leaves_nothing_behind(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1)
    before = threading.active_count()
    consumer = make_consumer()
    with consumer:
        until(lambda: calls.done == [1], "the event")
        assert threading.active_count() > before
        assert bus.exists(events_active("shop-group"), events_members("shop-group")) == 2
    assert bus.exists(events_active("shop-group"), events_members("shop-group")) == 0
    assert bus.xinfo_consumers(STREAM_EVENTS, "shop-group") == []
    until(lambda: threading.active_count() <= before, "its threads to end")


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decoded", [False, True])
def test_any_client_will_do(calls: Calls, bus: Any, make_consumer: Make, protocol: int, decoded: bool) -> None:
    client = Redis.from_url(settings.REDIS_URL, protocol=protocol, decode_responses=decoded)
    publish(bus, 1)
    append(bus, {b"\xff": b"\xff"})
    settle(make_consumer(client=client), bus)
    assert calls.done == [1]
    assert len(dead_letters(bus)) == 1
    client.close()


@pytest.mark.parametrize("survives", ["nothing", "the stream"])
def test_a_lost_group_is_made_again_without_a_gap(bus: Any, calls: Calls, make_consumer: Make, survives: str) -> None:
    publish(bus, 1, 2)
    consumer = make_consumer()
    consumer.start()
    until(lambda: calls.done == [1, 2] and pending(bus) == 0, "the first events")
    if survives == "nothing":
        bus.flushdb()
    else:
        for stream in (STREAM_EVENTS, STREAM_EVENTS_CUSTOM):
            bus.xgroup_destroy(stream, "shop-group")
    publish(bus, 3, 4)
    until(lambda: sorted(calls.done)[-1] == 4, "the new events")
    assert sorted(calls.done) == [1, 2, 3, 4]
    until(lambda: pending(bus) == 0, "everything to be acknowledged")


def test_a_group_lost_with_events_in_hand_starts_before_them(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.held.add(1)
    publish(bus, 1, 2)
    consumer = make_consumer(grace_seconds=0.1)
    consumer.start()
    until(lambda: calls.done == [2], "the second to be done")
    bus.xgroup_destroy(STREAM_EVENTS, "shop-group")
    publish(bus, 3)
    until(lambda: 3 in calls.done, "the group to be made again")
    until(lambda: pending(bus) == 1, "what is in hand to be pending in the new group")
    calls.gate.set()
    until(lambda: pending(bus) == 0, "everything to be acknowledged")
    assert calls.numbers.count(1) == 1


def test_a_group_can_begin_at_what_comes_from_now_on(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1)
    consumer = make_consumer(start_at="$")
    settle(consumer, bus)
    publish(bus, 2)
    settle(consumer, bus)
    assert calls.done == [2]


def test_lag_counts_what_was_not_read(bus: Any, make_consumer: Make) -> None:
    consumer = make_consumer()
    publish(bus, 1, 2)
    assert consumer.lag()[STREAM_EVENTS].lag == 2
    settle(consumer, bus)
    publish(bus, 3)
    assert consumer.lag()[STREAM_EVENTS].lag == 1
    assert consumer.lag()[STREAM_EVENTS].pending == 0


def test_failures_and_letters_by_the_hundred_are_not_all_logged(
    bus: Any, calls: Calls, make_consumer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(200):
        calls.failures[number] = 9
    publish(bus, *range(200))
    settle(make_consumer(max_attempts=2), bus)
    assert len(dead_letters(bus)) == 200
    assert len([one for one in caplog.messages if " failed on " in one]) <= 5
    assert any("more at once" in one for one in caplog.messages)


def test_an_outage_holds_up_no_suspects_and_is_not_held_against_them(
    bus: Any, calls: Calls, make_consumer: Make
) -> None:
    publish(bus, 0)
    settle(make_consumer(), bus)
    entry_ids = publish(bus, 1, 2, 3, 4, 5)
    bus.xreadgroup(GROUP, "gone", {STREAM_EVENTS: ">"})
    bus.xclaim(STREAM_EVENTS, GROUP, "shop-one", 0, entry_ids, retrycount=2)
    calls.failures.update({1: 3, 2: 3})
    calls.error = OSError("no database")
    options = {"is_outage": lambda error: isinstance(error, OSError), "consumer_name": "shop-one"}
    consumer = make_consumer(concurrency=1, max_attempts=4, **options)
    consumer.start()
    until(lambda: calls.numbers.count(1) >= 2, "the outage to have been met again")
    marks = [one["times_delivered"] for one in bus.xpending_range(STREAM_EVENTS, GROUP, "-", "+", 10)]
    assert max(marks) <= 3
    until(lambda: sorted(calls.done) == [0, 1, 2, 3, 4, 5], "all to be handled")
    until(lambda: pending(bus) == 0, "all to be acknowledged")
    assert dead_letters(bus) == []
