"""A seed decides what is done."""

from itertools import islice

from tests.chaos_events.cast import COPIES, PACES, ROLES
from tests.chaos_events.plan import CONSUMERS, PUBLISHERS, faults, pauses, share_of_kills


def test_the_same_seed_does_the_same() -> None:
    assert list(islice(faults(7), 200)) == list(islice(faults(7), 200))
    assert list(islice(faults(7), 200)) != list(islice(faults(8), 200))
    assert list(islice(pauses(7, 2.0), 50)) == list(islice(pauses(7, 2.0), 50))


def test_everything_is_done_to_everybody() -> None:
    drawn = list(islice(faults(1), 20_000))
    assert {fault.target for fault in drawn if fault.deed == "kill"} == {*ROLES, "redis", "postgres"}
    assert {fault.deed for fault in drawn if fault.target == "wire"} == {
        *("cut", "cut-within", "stall", "half-close", "swallow", "desert", "refuse"),
    }
    assert set(CONSUMERS) <= {fault.target for fault in drawn if fault.deed == "freeze"}
    kills = sum(fault.kills for fault in drawn) / len(drawn)
    assert abs(kills - share_of_kills()) < 0.02
    assert 0.5 < kills < 0.7


def test_pauses_have_the_mean_that_was_asked_for() -> None:
    drawn = list(islice(pauses(3, 2.0), 5000))
    assert 1.8 < sum(drawn) / len(drawn) < 2.1
    assert max(drawn) <= 8.0


def test_every_role_has_its_share() -> None:
    assert set(PACES) == set(PUBLISHERS)
    assert abs(sum(share for share, _ in PACES.values()) - 1) < 0.05
    assert set(CONSUMERS) <= set(COPIES)
