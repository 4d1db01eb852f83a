"""What the soak counts, and what it makes of its samples."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.events.ledger import FATAL, STUMBLE, Ledger, expected, expected_total, fatal, is_fatal
from benchmarks.events.payload import ENTITIES
from benchmarks.events.soak import MAX_LENGTH, Outcome, Samples


def handle_all(ledger: Ledger, count: int) -> int:
    """Note the first ``count`` events, each again until it is handled; return how many attempts failed."""
    failed = 0
    for number in range(count):
        if is_fatal(number):
            continue
        try:
            ledger.note(number)
        except RuntimeError:
            failed += 1
            ledger.note(number)
    return failed


def test_everything_but_what_always_fails_is_handled_in_the_end() -> None:
    ledger, count = Ledger(), 2 * FATAL + 7
    failed = handle_all(ledger, count)
    assert (ledger.handled, ledger.total) == (expected(count), expected_total(count))
    assert (fatal(count), ledger.out_of_order) == (2, 0)
    assert failed == sum(not is_fatal(number) for number in range(STUMBLE - 1, count, STUMBLE))


def test_what_always_fails_does_so_every_time() -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError, match="always"):
            Ledger().note(FATAL - 1)


def test_an_event_before_an_earlier_one_of_its_entity_is_seen() -> None:
    ledger = Ledger()
    for number in (0, ENTITIES, 1, 3 * ENTITIES, 2 * ENTITIES, ENTITIES + 1):
        ledger.note(number)
    assert ledger.out_of_order == 1


def samples(values: list[float], name: str = "consumer") -> Samples:
    found = Samples()
    for moment, value in enumerate(values):
        found.add(float(moment), {name: value})
    return found


def test_growth_compares_the_last_quarter_with_the_second() -> None:
    assert samples([10, 20, 50, 50, 50, 51, 52, 52]).growth("consumer") == 2
    assert samples([7.0]).growth("consumer") == 0
    assert [value for _, value in samples([1, 2, 3, 4]).after_warming("consumer")] == [2, 3, 4]


SOUND = Outcome(
    events=1000,
    rate=100,
    seconds=10,
    samples=samples([50, 50, 50, 50]),
    handled=1000,
    complete=True,
    out_of_order=0,
    retried=1,
    dead=0,
    journalled=1000,
    longest=MAX_LENGTH,
    last_length=MAX_LENGTH,
    pending=0,
    behind_seconds=0,
)


def test_a_sound_soak_holds() -> None:
    assert all(check.holds for check in SOUND.checks())


@pytest.mark.parametrize(
    "changes",
    [
        {"complete": False},
        {"dead": 1},
        {"out_of_order": 1},
        {"journalled": 999},
        {"pending": 1},
        {"longest": 10 * MAX_LENGTH},
        {"last_length": 2 * MAX_LENGTH},
        {"samples": samples([50, 50, 60, 70])},
    ],
)
def test_each_fault_of_a_soak_is_told(changes: dict[str, Any]) -> None:
    broken = replace(SOUND, **changes)
    told = [check.row().note for check in broken.checks() if not check.holds]
    assert len(told) == 1
    assert told[0].startswith("DOES NOT HOLD")
