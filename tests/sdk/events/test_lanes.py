"""What a consumer has in hand: the order in which it may be handled."""

import random
from collections import defaultdict, deque
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.events.conftest import make_event
from xerpium_sdk.events.batches import Collector
from xerpium_sdk.events.entry import id_before, id_key
from xerpium_sdk.events.lanes import Delivery, Lanes, Run, Unit, rest_of
from xerpium_sdk.events.subscriptions import Batching, Subscription
from xerpium_sdk.events.suspects import Suspects, unclear_deaths


def subscription(
    name: str = "handler", *, batch: int | None = None, concurrency: int | None = None, attempts: int = 5
) -> Subscription:
    batching = Batching(batch, 1.0) if batch else None
    width = concurrency or (1 if batch else 8)
    return Subscription(name, print, width, 1.0, attempts, (1.0, 1.0), batching)


HANDLER = subscription()


def delivery(number: int, entity: int | None = None, of: Subscription = HANDLER) -> Delivery:
    one = Delivery("stream", f"{number}-0".encode(), [])
    one.envelope, one.subscription = make_event(entity_id=entity), of
    return one


def number_of(one: Delivery) -> int:
    return id_key(one.entry_id)[0]


def filled(*deliveries: Delivery) -> Lanes:
    lanes = Lanes()
    for one in deliveries:
        lanes.add(one)
    return lanes


def taken(units: Iterable[Unit]) -> list[list[int]]:
    return [[number_of(one) for one in (unit.items if isinstance(unit, Run) else [unit])] for unit in units]


def flat(units: Iterable[Unit]) -> list[Delivery]:
    return [one for unit in units for one in (unit.items if isinstance(unit, Run) else [unit])]


def test_entities_go_side_by_side_and_the_events_of_one_in_a_run() -> None:
    lanes = filled(delivery(1, 7), delivery(2, 8), delivery(3, 7), delivery(4), delivery(5))
    assert taken(lanes.take(0)) == [[1, 3], [2], [4], [5]]
    assert lanes.out == 5


def test_a_run_ends_where_another_handler_begins() -> None:
    other = subscription("other")
    first, second, third = delivery(1, 7), delivery(2, 7, other), delivery(3, 7)
    lanes = filled(first, second, third)
    assert taken(lanes.take(0)) == [[1]]
    assert lanes.take(0) == []
    lanes.settle([first])
    assert taken(lanes.take(0)) == [[2]]
    lanes.settle([second])
    assert taken(lanes.take(0)) == [[3]]


def test_what_came_later_waits_for_what_is_out() -> None:
    first, second = delivery(1, 7), delivery(2, 7)
    lanes = filled(first)
    lanes.take(0)
    lanes.add(second)
    assert lanes.take(0) == []
    lanes.settle([first])
    assert taken(lanes.take(0)) == [[2]]
    lanes.settle([second])
    assert (lanes.out, lanes.has_work(0), lanes.drop()) == (0, False, [])


def test_a_retry_holds_back_its_own_entity_and_nothing_else() -> None:
    lanes = filled(delivery(1, 7), delivery(2, 7), delivery(3, 8))
    run, other = lanes.take(0)
    assert isinstance(run, Run)
    failed = run.items.popleft()
    lanes.give_back(rest_of(run))
    lanes.postpone(failed, 10.0)
    lanes.settle(flat([other]))
    assert (lanes.take(9.9), lanes.next_due) == ([], 10.0)
    lanes.add(delivery(4, 7))
    assert taken(lanes.take(10.0)) == [[1, 2, 4]]


def test_at_most_as_many_are_handed_out_as_are_asked_for() -> None:
    lanes = filled(*(delivery(number) for number in range(5)))
    assert taken(lanes.take(0, limit=2)) == [[0], [1]]
    assert taken(lanes.take(0)) == [[2], [3], [4]]


def test_a_handler_whose_batches_come_one_by_one_gets_the_next_before_the_last_is_answered() -> None:
    of = subscription(batch=10)
    lanes = filled(delivery(1, 7, of))
    assert taken(lanes.take(0)) == [[1]]
    lanes.add(delivery(2, 7, of))
    assert taken(lanes.take(0)) == [[2]]
    lanes.add(delivery(3, 7))
    assert lanes.take(0) == []


def test_what_is_dropped_is_everything_that_is_not_out() -> None:
    lanes = filled(delivery(1, 7), delivery(2, 7), delivery(3), delivery(4, 8))
    first, *_ = lanes.take(0, limit=1)
    waiting, *_ = flat(lanes.take(0, limit=1))
    lanes.postpone(waiting, 5.0)
    lanes.add(delivery(5, 7))
    assert sorted(map(number_of, lanes.drop())) == [3, 4, 5]
    assert (lanes.has_work(99), lanes.out) == (False, 2)
    lanes.settle(flat([first]))
    lanes.add(delivery(6, 7))
    assert taken(lanes.take(0)) == [[6]]


def test_a_suspect_is_handed_out_alone() -> None:
    suspect = delivery(2, 7)
    suspect.suspect = True
    lanes = filled(delivery(1, 7), suspect, delivery(3, 7))
    for expected in ([[1]], [[2]], [[3]]):
        units = lanes.take(0)
        assert taken(units) == expected
        lanes.settle(flat(units))


def test_a_suspect_that_is_out_holds_back_what_comes_for_the_same_batches() -> None:
    batches = subscription("batch", batch=3)
    suspect = delivery(1, 7, batches)
    suspect.suspect = True
    lanes = filled(suspect)
    first = lanes.take(0)
    assert taken(first) == [[1]]
    lanes.add(delivery(2, 7, batches))
    assert taken(lanes.take(0)) == []
    lanes.settle(flat(first))
    assert taken(lanes.take(0)) == [[2]]


@given(
    st.lists(st.tuples(st.sampled_from([None, 1, 2, 3]), st.sampled_from(["a", "b", "batch"])), max_size=40),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 3]),
)
def test_nothing_is_lost_and_entities_keep_their_order_whatever_happens(
    events: list[tuple[int | None, str]], chance: random.Random, width: int
) -> None:
    handlers = {
        "a": subscription("a"),
        "b": subscription("b"),
        "batch": subscription("batch", batch=3, concurrency=width),
    }
    collector = Collector(handlers["batch"])
    coming = deque(delivery(number, entity, handlers[of]) for number, (entity, of) in enumerate(events))
    for one in coming:
        one.suspect = chance.random() < 0.1
    entity_of = {number: entity for number, (entity, _) in enumerate(events)}
    lanes, out, now = Lanes(), deque[Unit](), 0.0
    first_tries: defaultdict[int | None, list[int]] = defaultdict(list)
    done: list[int] = []

    def attempt(one: Delivery) -> bool:
        number = number_of(one)
        if number not in first_tries[entity_of[number]]:
            first_tries[entity_of[number]].append(number)
        return chance.random() < 0.7

    def work(unit: Unit) -> None:
        if unit.subscription is handlers["batch"]:
            assert isinstance(unit, Run)
            batch = list(unit.items)
            collector.answered(batch)
            if sum(attempt(one) for one in batch) == len(batch):
                lanes.settle(batch)
                done.extend(map(number_of, batch))
            elif len(batch) > 1:
                collector.split(batch)
            else:
                batch[0].alone = True
                lanes.give_back(collector.withdraw(batch[0]))
                lanes.postpone(batch[0], now + chance.randint(1, 3))
            return
        items = unit.items if isinstance(unit, Run) else deque([unit])
        while items:
            if chance.random() < 0.2:
                lanes.give_back(rest_of(unit) if isinstance(unit, Run) else [unit])
                return
            one = items.popleft()
            if not attempt(one):
                lanes.give_back(rest_of(unit))
                lanes.postpone(one, now + chance.randint(1, 3))
                return
            lanes.settle([one])
            done.append(number_of(one))

    while coming or lanes.out or lanes.has_work(1e9):
        now += 1
        for _ in range(min(len(coming), chance.randint(0, 4))):
            lanes.add(coming.popleft())
        for unit in lanes.take(now):
            collector.add(unit, now) if unit.subscription is handlers["batch"] else out.append(unit)
        while (batch := collector.take(now, at_once=chance.random() < 0.5)) is not None:
            out.append(batch)
        while out and chance.random() < 0.8:
            out.rotate(-chance.randrange(len(out)))
            work(out.popleft())
    assert sorted(done) == list(range(len(events)))
    for entity, tries in first_tries.items():
        assert entity is None or tries == sorted(tries)


def test_suspects_are_begun_few_at_a_time_and_one_with_a_last_chance_alone() -> None:
    of = subscription(concurrency=2, attempts=4)
    waiting = Suspects(of)
    some = [delivery(number, of=of) for number in range(5)]
    for one, attempts in zip(some, (2, 2, 3, 2, 2), strict=True):
        one.attempts, one.is_out = attempts, True
        waiting.add(one)
    assert waiting.choose(all_told=False) == some[:2]
    assert waiting.choose(all_told=True) == []
    some[0].turn += 1
    assert waiting.choose(all_told=True) == []
    some[1].is_out = False
    assert waiting.choose(all_told=False) == []
    assert waiting.choose(all_told=True) == [some[2]]
    assert waiting.choose(all_told=True) == []
    some[2].turn += 1
    assert waiting.choose(all_told=True) == some[3:]
    assert (len(waiting), waiting.clear()) == (0, [])


@pytest.mark.parametrize(("attempts", "deaths"), [(1, 1), (2, 1), (3, 2), (5, 2), (50, 2)])
def test_how_many_deaths_are_held_against_an_entry(attempts: int, deaths: int) -> None:
    assert unclear_deaths([subscription(attempts=attempts), subscription(attempts=99)]) == deaths


@pytest.mark.parametrize(("entry_id", "before"), [("5-3", "5-2"), (b"5-0", f"4-{2**64 - 1}"), ("0-0", "0-0")])
def test_the_id_before(entry_id: str | bytes, before: str) -> None:
    assert id_before(entry_id) == before
