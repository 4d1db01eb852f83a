"""What a consumer has in hand: the order in which it may be handled."""

import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.conftest import make_event
from xerpium_sdk.events.serial import Backlog, Delivery
from xerpium_sdk.events.serial import Entry, id_before, id_key


def delivery(number: int, entity: int | None = None) -> Delivery:
    event = make_event(number if entity is None else entity)
    return Delivery(Entry("stream", f"{number}-0", {}), envelope=event)


def numbers(backlog: Backlog, now: float = 0) -> list[int]:
    """Take and settle all that may be handled at ``now``."""
    found = []
    while taken := backlog.take(now):
        backlog.settle(taken)
        found.append(id_key(taken.entry.entry_id)[0])
    return found


def filled(*deliveries: Delivery) -> Backlog:
    backlog = Backlog()
    for one in deliveries:
        backlog.add(one)
    return backlog


def test_first_in_first_out() -> None:
    assert numbers(filled(*map(delivery, (1, 2, 3)))) == [1, 2, 3]


def test_what_is_in_hand_is_not_taken_in_twice() -> None:
    backlog = filled(delivery(1), delivery(2))
    backlog.add(delivery(1))
    assert len(backlog) == 2
    assert numbers(backlog) == [1, 2]


def test_a_retry_holds_back_its_own_entity_and_nothing_else() -> None:
    backlog = filled(delivery(1, entity=7), delivery(2, entity=7), delivery(3, entity=8), delivery(4, entity=7))
    failed = backlog.take(0)
    assert failed
    backlog.postpone(failed, 10.0)
    assert numbers(backlog) == [3]
    backlog.add(delivery(5, entity=7))
    assert numbers(backlog, now=9.9) == []
    assert backlog.next_due == 10.0
    assert numbers(backlog, now=10.0) == [1, 2, 4, 5]
    assert len(backlog) == 0


def test_a_second_failure_keeps_its_entity_waiting() -> None:
    backlog = filled(delivery(1, entity=7), delivery(2, entity=7))
    for due in (1.0, 2.0):
        failed = backlog.take(due - 1)
        assert failed
        backlog.postpone(failed, due)
    assert backlog.take(1.5) is None
    assert numbers(backlog, now=2.0) == [1, 2]


def test_events_of_no_entity_do_not_wait_for_each_other() -> None:
    nameless = [Delivery(Entry("stream", f"{number}-0", {})) for number in (1, 2)]
    backlog = filled(*nameless)
    failed = backlog.take(0)
    assert failed
    backlog.postpone(failed, 10.0)
    assert numbers(backlog) == [2]


@pytest.mark.parametrize("retried", [False, True])
def test_what_is_put_back_is_the_next_one(retried: bool) -> None:
    backlog = filled(delivery(1), delivery(2))
    taken = backlog.take(0)
    assert taken
    if retried:
        backlog.postpone(taken, 0)
        taken = backlog.take(0)
        assert taken
    backlog.put_back(taken, 0)
    assert numbers(backlog) == [1, 2]


@given(st.lists(st.integers(0, 3), max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_an_entity_holds_whatever_fails(entities: list[int], chance: random.Random) -> None:
    backlog = filled(*(delivery(number, entity) for number, entity in enumerate(entities, 1)))
    done, now = defaultdict(list), 0.0
    while len(backlog):
        now += 1
        while taken := backlog.take(now):
            action = chance.choice(["settle", "postpone", "put back"])
            if action == "settle":
                backlog.settle(taken)
                done[entities[id_key(taken.entry.entry_id)[0] - 1]].append(id_key(taken.entry.entry_id)[0])
            elif action == "postpone":
                backlog.postpone(taken, now + chance.randint(1, 3))
            else:
                backlog.put_back(taken, now)
    assert sum(map(len, done.values())) == len(entities)
    assert all(order == sorted(order) for order in done.values())


@pytest.mark.parametrize(
    ("entry_id", "before"),
    [("5-3", "5-2"), ("5-0", f"4-{2**64 - 1}"), ("0-0", "0-0")],
)
def test_the_id_before(entry_id: str, before: str) -> None:
    assert id_before(entry_id) == before
