"""When a member speaks to the hub: the pauses, and the states of a lease. No clock, no network."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xerpium_sdk.registry import Backoff, HubUnavailable, NotFound, Refused, UnreadableAnswer
from xerpium_sdk.registry._lease import Lease, Step
from xerpium_sdk.wire import Problem

AWAY = HubUnavailable("away")
NOT_FOUND = NotFound(Problem(status=404, title="Not found"))
REFUSED = Refused(Problem(status=409, title="Taken"))


def lease(random: float = 0.5) -> Lease:
    return Lease(90, Backoff(base=1, cap=30), lambda: random)


def joined(random: float = 0.5) -> Lease:
    state = lease(random)
    state.registered(0)
    state.renewed(0, 90)
    return state


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 100))
def test_a_pause_is_never_longer_than_its_cap_and_what_the_hub_asked_for(
    failures: int, random: float, wish: float
) -> None:
    pause = Backoff(base=0.5, cap=30).delay(failures, lambda: random, retry_after=wish)
    assert wish <= pause <= wish + 30


def test_pauses_double_up_to_the_cap() -> None:
    backoff = Backoff(base=1, cap=10)
    assert [backoff.delay(n, lambda: 1.0) for n in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]


def test_the_first_registration_is_due_at_once_and_the_first_report_right_after_it() -> None:
    state = lease()
    assert (state.step, state.delay(1000.0), state.is_held(1000.0)) == (Step.REGISTER, 0, False)
    state.registered(1000.0)
    assert (state.step, state.delay(1000.0), state.is_held(1000.0)) == (Step.REPORT, 0, True)


@pytest.mark.parametrize(("random", "delay"), [(0.0, 30.0), (0.5, 26.25), (0.999, 22.5)])
def test_reports_come_every_third_of_the_lease_less_some_jitter(random: float, delay: float) -> None:
    assert joined(random).delay(0) == pytest.approx(delay, abs=0.01)


def test_the_hub_decides_how_long_the_lease_is() -> None:
    state = joined(0)
    state.renewed(10, 15)
    assert state.delay(10) == 5
    assert state.is_held(24.9)
    assert not state.is_held(25)


def test_a_forgotten_member_registers_at_once() -> None:
    state = joined()
    state.missed(20, NOT_FOUND)
    assert (state.step, state.delay(20), state.is_held(20)) == (Step.REGISTER, 0, False)


def test_a_hub_that_keeps_denying_a_member_is_not_asked_in_a_tight_loop() -> None:
    state, waited = joined(), []
    for _ in range(6):
        state.missed(0, NOT_FOUND)
        waited.append(state.delay(0))
        state.registered(0)
        waited.append(state.delay(0))
    assert waited[0] == 0
    assert waited[1::2] == [0.5, 1, 2, 4, 8, 15]
    assert not state.calm
    state.renewed(0, 90)
    assert state.calm


def test_silence_keeps_the_step_and_lengthens_the_pause() -> None:
    state, waited = joined(), []
    for error in (AWAY, UnreadableAnswer("a proxy"), AWAY):
        state.missed(0, error)
        waited.append(state.delay(0))
    assert state.step is Step.REPORT
    assert waited == [0.5, 1, 2]
    assert state.is_held(89)


def test_what_the_hub_asks_for_is_waited_for_and_spread() -> None:
    state = lease(0.5)
    state.missed(100, HubUnavailable("busy", retry_after=5))
    assert state.delay(100) == 5.5


def test_a_refusal_is_not_hurried_and_leads_to_a_registration() -> None:
    state = joined(0.5)
    state.missed(0, REFUSED)
    assert (state.step, state.delay(0)) == (Step.REGISTER, 22.5)
    state = lease(0.0)
    state.missed(0, NOT_FOUND)
    assert (state.step, state.delay(0)) == (Step.REGISTER, 15), "404 to a registration is the wrong address, not a loss"


@given(st.lists(st.sampled_from(["fine", "away", "not found", "refused"])), st.integers())
def test_no_history_makes_a_member_silent_or_hectic(history: list[str], seed: int) -> None:
    state, now = Lease(90, Backoff(base=0.5, cap=30), Random(seed).random), 0.0
    at_once = 0
    for happening in history:
        delay = state.delay(now)
        assert 0 <= delay <= 30
        at_once = at_once + 1 if delay == 0 else 0
        assert at_once <= 3, "a registration, its report, and after a 404 one registration more"
        now += delay
        if happening == "fine" and state.step is Step.REGISTER:
            state.registered(now)
        elif happening == "fine":
            state.renewed(now, 90)
        else:
            state.missed(now, {"away": AWAY, "not found": NOT_FOUND, "refused": REFUSED}[happening])
