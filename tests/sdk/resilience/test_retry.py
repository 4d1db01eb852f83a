"""Trying again: how often, how long, and that it never becomes a load of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from xerpium_sdk.resilience.retry import (
    RetryBudget,
    RetryPolicy,
    call_again,
    call_again_async,
    retry_with_exponential_backoff,
)

AT_ONCE = RetryPolicy(attempts=4, base=0, jitter=0)


class Down(Exception):
    """What passes by itself."""


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, error: type[Exception] = Down) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "answer"

    async def later(self) -> str:
        await asyncio.sleep(0)
        return self()


def is_down(error: Exception) -> bool:
    return isinstance(error, Down)


@pytest.fixture
def pauses() -> Iterator[list[float]]:
    """The pauses that were made, in seconds."""
    made: list[float] = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: made.append(details.wait_for)])
    yield made
    stamina.instrumentation.set_on_retry_hooks(None)


@pytest.mark.anyio
async def test_what_passes_by_itself_is_tried_again_and_nothing_else() -> None:
    flaky = Flaky(3)
    assert call_again(flaky, AT_ONCE, is_down) == "answer"
    assert flaky.calls == 4
    later = Flaky(3)
    assert await call_again_async(later.later, AT_ONCE, is_down) == "answer"
    assert later.calls == 4
    for hopeless in (Flaky(4), Flaky(9, ValueError)):
        with pytest.raises(hopeless.error):
            call_again(hopeless, AT_ONCE, is_down)
    assert hopeless.calls == 1


def test_pauses_grow_up_to_the_cap(pauses: list[float]) -> None:
    policy = RetryPolicy(attempts=6, base=0.001, cap=0.004, jitter=0)
    call_again(Flaky(5), policy, is_down)
    assert pauses == pytest.approx([0.001, 0.002, 0.004, 0.004, 0.004])


def test_a_pause_that_the_other_side_asks_for_is_kept_unless_it_is_too_long(pauses: list[float]) -> None:
    assert call_again(Flaky(1), RetryPolicy(), lambda error: 0.003) == "answer"
    assert pauses == [0.003]
    flaky = Flaky(1)
    with pytest.raises(Down):
        call_again(flaky, RetryPolicy(longest_wait=10), lambda error: 11.0)
    assert flaky.calls == 1


def test_no_try_begins_after_the_total_time() -> None:
    flaky = Flaky(100)
    with pytest.raises(Down):
        call_again(flaky, RetryPolicy(attempts=100, base=0.02, cap=0.02, jitter=0), is_down, total=0.05)
    assert flaky.calls <= 4


@pytest.mark.anyio
async def test_retries_inside_retries_do_not_multiply() -> None:
    inner = Flaky(100)
    with pytest.raises(Down):
        call_again(lambda: call_again(inner, AT_ONCE, is_down), AT_ONCE, is_down)
    assert inner.calls == 4
    later = Flaky(100)
    with pytest.raises(Down):
        await call_again_async(lambda: call_again_async(later.later, AT_ONCE, is_down), AT_ONCE, is_down)
    assert later.calls == 4
    assert call_again(Flaky(3), AT_ONCE, is_down) == "answer"  # the layer has ended


@pytest.mark.anyio
async def test_one_tasks_retries_are_not_anothers() -> None:
    flaky = [Flaky(3) for _ in range(20)]
    answers = await asyncio.gather(*(call_again_async(one.later, AT_ONCE, is_down) for one in flaky))
    assert answers == ["answer"] * 20


def test_in_an_outage_the_load_stays_under_twelve_tenths() -> None:
    budget = RetryBudget(0.1, per_second=0)
    calls = [Flaky(100) for _ in range(1000)]

    def ask(flaky: Flaky) -> None:
        with pytest.raises(Down):
            call_again(flaky, AT_ONCE, is_down, budget=budget)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, calls))
    load = sum(flaky.calls for flaky in calls) / len(calls)
    assert 1.05 < load < 1.2
    assert budget.refused > 500


@given(steps=st.lists(st.one_of(st.just("call"), st.just("take"), st.floats(0, 3)), max_size=200))
def test_a_budget_never_gives_more_than_it_was_paid(steps: list[str | float]) -> None:
    now, paid, taken = [0.0], 2.0, 0
    budget = RetryBudget(0.25, per_second=0.5, most=2, clock=lambda: now[0])
    for step in steps:
        if step == "call":
            budget.called()
            paid += 0.25
        elif step == "take":
            taken += budget.take()
        else:
            assert isinstance(step, float)
            now[0] += step
            paid += step * 0.5
    assert taken <= paid + 1e-6
    assert 0 <= budget.balance <= 2


def test_a_budget_is_safe_with_threads() -> None:
    budget, together = RetryBudget(0, per_second=0, most=10), threading.Barrier(8)
    budget._balance = 10

    def take(_: int) -> int:
        together.wait()
        return sum(budget.take() for _ in range(100))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 10


@pytest.mark.anyio
async def test_as_the_first_services_use_it() -> None:
    calls: list[str] = []

    def decorated(kind: str) -> Callable[..., object]:
        again = retry_with_exponential_backoff(max_retries=2, base_delay=0, exceptions=(Down,))
        if kind == "sync":

            @again
            def ask(name: str) -> str:
                """Ask."""
                calls.append(name)
                raise Down

            return ask

        @again
        async def ask_later(name: str) -> str:
            calls.append(name)
            if len(calls) < 3:
                raise Down
            return name

        return ask_later

    ask = decorated("sync")
    assert ask.__doc__ == "Ask."
    with pytest.raises(Down):
        ask("sync")
    assert calls == ["sync"] * 3
    calls.clear()
    assert await decorated("async")("async") == "async"  # type: ignore[misc]
    assert calls == ["async"] * 3


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"base": -1}, {"cap": float("inf")}], ids=str)
def test_a_policy_that_cannot_be_meant_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ratio"):
        RetryBudget(2)
