"""Effects once per event, whatever is delivered twice."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.sdk.events.conftest import Calls, dead_letters, pending, publish, settle, until
from xerpium_sdk.events import Claim, EventConsumer, RedisIdempotencyStore
from xerpium_sdk.wire.keys import events_handled

Make = Callable[..., EventConsumer]


def key(event_id: str) -> str:
    return events_handled("shop-group", "tests.sdk.events.conftest.Calls", event_id)


def test_an_event_published_twice_is_handled_once(bus: Any, calls: Calls, make_consumer: Make) -> None:
    store = RedisIdempotencyStore(bus, ttl_seconds=60)
    publish(bus, 1, 1, 2, event_id="twice")
    publish(bus, 3)
    consumer = make_consumer(idempotency=store)
    settle(consumer, bus)
    assert sorted(calls.done) == [1, 3]
    counts = consumer.metrics.snapshot()
    assert (counts.handled, counts.repeated) == (2, 2)
    assert bus.get(key("twice")) == b"done"
    assert 0 < bus.pttl(key("twice")) <= 60_000
    publish(bus, 1, event_id="twice")
    settle(consumer, bus)
    assert calls.numbers.count(1) == 1


def test_a_failure_gives_the_claim_up(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.failures[1] = 2
    calls.failures[2] = 9
    publish(bus, 1, event_id="fails")
    publish(bus, 2, event_id="dies")
    settle(make_consumer(idempotency=RedisIdempotencyStore(bus, ttl_seconds=60), max_attempts=3), bus)
    assert calls.done == [1]
    assert len(dead_letters(bus)) == 1
    assert bus.get(key("fails")) == b"done"
    assert not bus.exists(key("dies"))


def test_what_another_is_at_is_asked_for_again(bus: Any, calls: Calls, make_consumer: Make) -> None:
    other = RedisIdempotencyStore(bus, claim_seconds=0.5)
    assert other.claim([("shop-group", "tests.sdk.events.conftest.Calls", "shared")]) == [Claim.OURS]
    publish(bus, 1, event_id="shared", entity_id="7")
    publish(bus, 2, entity_id="7")
    publish(bus, 3)
    begun = time.monotonic()
    settle(make_consumer(idempotency=RedisIdempotencyStore(bus, ttl_seconds=60)), bus)
    assert calls.done == [3, 1, 2]
    assert time.monotonic() - begun > 0.4


def test_a_claim_is_held_while_its_handler_is_at_work(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.held.add(1)
    publish(bus, 1, event_id="long")
    store = RedisIdempotencyStore(bus, ttl_seconds=60, claim_seconds=0.3)
    make_consumer(idempotency=store).start()
    until(lambda: calls.numbers, "the handler to be at work")
    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > 0.6, "the claim to have run out, were it not renewed")
    assert bus.get(key("long")) not in (None, b"done")
    calls.gate.set()
    until(lambda: bus.get(key("long")) == b"done", "it to be marked")
    assert pending(bus) == 0


def test_a_consumer_does_not_wait_for_claims_of_its_own(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.failures[1] = 2
    publish(bus, 1, 2, 3, entity_id="7")
    begun = time.monotonic()
    settle(make_consumer(idempotency=RedisIdempotencyStore(bus, claim_seconds=60)), bus)
    assert calls.done == [1, 2, 3]
    assert time.monotonic() - begun < 5


def test_a_claim_of_which_only_the_answer_was_lost_does_no_harm(bus: Any, calls: Calls, make_consumer: Make) -> None:
    class Cut(RedisIdempotencyStore):
        cuts = 2

        def claim(self, keys: Sequence[Any]) -> list[Claim]:
            found = super().claim(keys)
            if self.cuts:
                self.cuts -= 1
                raise ConnectionError("cut")
            return found

    publish(bus, 1, 2, 3, entity_id="7")
    begun = time.monotonic()
    settle(make_consumer(idempotency=Cut(bus, claim_seconds=60)), bus)
    assert calls.done == [1, 2, 3]
    assert time.monotonic() - begun < 5


def test_who_stops_gives_up_the_claims_of_what_it_had_not_begun(bus: Any, calls: Calls, make_consumer: Make) -> None:
    calls.held.add(1)
    publish(bus, 1, entity_id="7", event_id="begun")
    publish(bus, 2, entity_id="7", event_id="behind")
    store = RedisIdempotencyStore(bus, claim_seconds=60)
    consumer = make_consumer(idempotency=store, grace_seconds=5)
    consumer.start()
    until(lambda: calls.numbers, "the first to be begun")
    consumer.stop()
    calls.gate.set()
    consumer.close()
    assert bus.get(key("begun")) == b"done"
    assert not bus.exists(key("behind"))
    settle(make_consumer(idempotency=RedisIdempotencyStore(bus, claim_seconds=60)), bus)
    assert calls.done == [1, 2]


def test_claims_are_kept_apart_and_given_up_only_by_who_has_them(bus: Any) -> None:
    first, second = RedisIdempotencyStore(bus), RedisIdempotencyStore(bus)
    keys = [("group", "handler", "1"), ("group", "other", "1"), ("group", "handler", "2")]
    assert first.claim(keys[:2]) == [Claim.OURS, Claim.OURS]
    assert second.claim(keys) == [Claim.BUSY, Claim.BUSY, Claim.OURS]
    second.release(keys[:2])
    assert second.claim(keys[:1]) == [Claim.BUSY]
    first.release(keys[:1])
    assert second.claim(keys[:1]) == [Claim.OURS]
    pipeline = bus.pipeline()
    second.mark(pipeline, keys[:1])
    pipeline.execute()
    assert first.claim(keys[:1]) == [Claim.DONE]


class Ledger:
    """A `WrappingStore` as a table would be one: marks are kept only when the handler succeeds."""

    def __init__(self) -> None:
        self.marks: set[tuple[str, str, str]] = set()
        self.entered: list[list[str]] = []

    @contextmanager
    def once(self, group: str, handler: str, event_ids: Sequence[str]) -> Iterator[Collection[str]]:
        self.entered.append(list(event_ids))
        fresh = {one for one in event_ids if (group, handler, one) not in self.marks}
        yield fresh
        self.marks |= {(group, handler, one) for one in fresh}


def test_a_store_may_surround_the_handler(bus: Any, calls: Calls, make_consumer: Make) -> None:
    ledger = Ledger()
    calls.failures[2] = 1
    publish(bus, 1, 1, event_id="twice", entity_id="7")
    publish(bus, 2)
    consumer = make_consumer(idempotency=ledger)
    settle(consumer, bus)
    assert sorted(calls.numbers) == [1, 2, 2]
    assert consumer.metrics.snapshot().repeated == 1
    assert len(ledger.marks) == 2


def test_a_store_may_surround_a_batch(bus: Any, make_consumer: Make) -> None:
    ledger, batches = Ledger(), []
    consumer = make_consumer(None, idempotency=ledger)
    consumer.on_batch("*", size=10, seconds=0.05)(lambda events: batches.append([one.data["number"] for one in events]))
    publish(bus, 1, 1, event_id="twice")
    publish(bus, 2, 3)
    settle(consumer, bus)
    publish(bus, 1, event_id="twice")
    settle(consumer, bus)
    assert batches == [[1, 2, 3]]


def test_a_store_that_surrounds_takes_no_coroutines(make_consumer: Make) -> None:
    with pytest.raises(ValueError, match="coroutine function"):
        make_consumer(lambda event: None, idempotency=Ledger()).on("user_login")(asyncio.sleep)


def test_what_was_delivered_too_often_is_given_up_with_a_store_too(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 1)
    settle(make_consumer(), bus)
    (entry_id,) = publish(bus, 2)
    bus.xreadgroup("shop-group", "gone", {"xerpium:events": ">"})
    bus.xclaim("xerpium:events", "shop-group", "shop-one", 0, [entry_id], retrycount=3)
    consumer = make_consumer(idempotency=RedisIdempotencyStore(bus), max_attempts=3, consumer_name="shop-one")
    settle(consumer, bus)
    assert calls.numbers == [1]
    assert [one["dead_attempts"] for one in dead_letters(bus)] == ["3"]


def test_suspects_that_turn_out_to_be_done_keep_nobody_waiting(bus: Any, calls: Calls, make_consumer: Make) -> None:
    publish(bus, 0)
    settle(make_consumer(), bus)
    store = RedisIdempotencyStore(bus, claim_seconds=60)
    entry_ids = [publish(bus, number, event_id=f"event-{number}")[0] for number in range(1, 7)]
    bus.xreadgroup("shop-group", "gone", {"xerpium:events": ">"})
    bus.xclaim("xerpium:events", "shop-group", "shop-one", 0, entry_ids, retrycount=2)
    for number in range(1, 5):
        bus.set(key(f"event-{number}"), b"done", px=60_000)
    settle(make_consumer(idempotency=store, concurrency=2, consumer_name="shop-one"), bus)
    assert calls.numbers == [0, 5, 6]
