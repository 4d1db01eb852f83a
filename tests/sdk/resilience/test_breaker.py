"""The breaker around real calls: in threads, in tasks, as the first services use it, and what it tells."""

import asyncio
import logging
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from xerpium_sdk.resilience import BreakerPolicy, Change, CircuitBreaker, CircuitOpenError, CircuitState


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Down(Exception):
    """What a dependency raises that is down."""


def fail() -> None:
    raise Down


def half_open(permits: int, clock: Clock) -> CircuitBreaker:
    """Return a breaker whose next call is the first of ``permits`` trial calls."""
    policy = BreakerPolicy(consecutive_failures=1, open_seconds=10, half_open_calls=permits)
    breaker = CircuitBreaker(name="stock", policy=policy, clock=clock)
    with pytest.raises(Down):
        breaker.call_sync(fail)
    clock.now += 10
    return breaker


@pytest.mark.anyio
async def test_as_the_first_services_use_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failure_threshold=3, recovery_timeout=30, clock=clock)

    async def ask(answer: str, *, loud: bool = False) -> str:
        return answer.upper() if loud else answer

    assert await breaker.call(ask, "yes", loud=True) == "YES"
    assert await breaker.call(len, "four") == 4
    for _ in range(3):
        with pytest.raises(Down):
            await breaker.call(fail)
    assert breaker.state is CircuitState.OPEN
    with pytest.raises(CircuitOpenError) as refused:
        await breaker.call(ask, "nobody hears")
    assert (refused.value.state, refused.value.retry_after) == ("open", 30)
    clock.now = 30
    assert await breaker.call(ask, "again") == "again"
    assert (breaker.state, breaker.failure_count) == (CircuitState.CLOSED, 0)


@pytest.mark.parametrize("permits", [1, 3, 10])
def test_of_64_threads_no_more_than_the_permits_get_through_half_open(permits: int) -> None:
    breaker = half_open(permits, Clock())
    inside, most, guard = 0, 0, threading.Lock()
    together, leave = threading.Barrier(64), threading.Event()

    def call() -> str:
        nonlocal inside, most
        together.wait()
        try:
            with breaker.attempt():
                with guard:
                    inside += 1
                    most = max(most, inside)
                leave.wait(10)
        except CircuitOpenError:
            return "refused"
        return "called"

    with ThreadPoolExecutor(64) as pool:
        results = [pool.submit(call) for _ in range(64)]
        while sum(result.done() for result in results) < 64 - permits:
            time.sleep(0.001)
        leave.set()
        answers = [result.result() for result in results]
    assert most == permits
    assert answers.count("called") == permits
    assert breaker.state is CircuitState.CLOSED


@pytest.mark.anyio
async def test_of_200_tasks_no_more_than_the_permits_get_through_half_open() -> None:
    breaker = half_open(2, Clock())
    inside = 0

    @breaker
    async def ask() -> None:
        nonlocal inside
        inside += 1
        await asyncio.sleep(0)
        assert inside <= 2

    answers = await asyncio.gather(*(ask() for _ in range(200)), return_exceptions=True)
    assert sum(answer is None for answer in answers) == 2
    assert sum(isinstance(answer, CircuitOpenError) for answer in answers) == 198


def test_calls_run_side_by_side_while_it_is_closed() -> None:
    breaker, together = CircuitBreaker(), threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:  # with the lock held during calls, nobody would meet anybody
        places = list(pool.map(lambda _: breaker.call_sync(together.wait, 10), range(8)))
    assert sorted(places) == list(range(8))


@pytest.mark.anyio
async def test_a_cancelled_call_gives_its_place_back() -> None:
    breaker = half_open(1, Clock())
    trial = asyncio.create_task(breaker.call(asyncio.sleep, 60))
    await asyncio.sleep(0)
    with pytest.raises(CircuitOpenError):
        await breaker.call(asyncio.sleep, 0)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert await breaker.call(asyncio.sleep, 0, "works") == "works"
    assert breaker.state is CircuitState.CLOSED


def test_errors_that_are_not_the_dependencys_say_nothing() -> None:
    breaker = CircuitBreaker(failure_threshold=1, expected_exception=Down)

    @breaker
    def ask(question: str) -> int:
        return int(question)

    with pytest.raises(ValueError, match="invalid literal"):
        ask("what")
    assert breaker.state is CircuitState.CLOSED
    assert breaker.metrics.calls == 0
    assert ask("42") == 42
    with pytest.raises(Down):
        breaker.call_sync(fail)
    assert breaker.state is CircuitState.OPEN


def test_results_can_be_failures_too() -> None:
    breaker = CircuitBreaker(failure_threshold=2, is_failure=lambda answer: answer == 503)
    ask = breaker(lambda: 503)
    assert (ask(), ask()) == (503, 503)
    with pytest.raises(CircuitOpenError):
        ask()
    other = CircuitBreaker(failure_threshold=1)
    with other.attempt() as attempt:
        attempt.fail()
    assert other.state is CircuitState.OPEN


def test_slow_calls_open_it_though_they_succeed() -> None:
    clock = Clock()
    policy = BreakerPolicy(slow_call_seconds=2, slow_call_rate=0.5, minimum_calls=4, window_size=4)
    breaker = CircuitBreaker(policy=policy, clock=clock)

    @breaker
    def ask(seconds: float) -> None:
        clock.now += seconds

    for seconds in (0.1, 3, 0.1):
        ask(seconds)
    assert breaker.state is CircuitState.CLOSED
    ask(3)
    assert breaker.state is CircuitState.OPEN


def test_listeners_hear_of_each_change_once_and_in_order_and_one_that_fails_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, heard = Clock(), []
    breaker = CircuitBreaker(1, 10, name="stock", clock=clock)

    def broken(who: CircuitBreaker, change: Change) -> None:
        raise RuntimeError("no")

    breaker.subscribe(broken)
    unsubscribe = breaker.subscribe(lambda who, change: heard.append((change.before.value, change.after.value)))
    with caplog.at_level(logging.INFO, "xerpium_sdk.resilience"):
        with pytest.raises(Down):
            breaker.call_sync(fail)
        clock.now = 10
        breaker.call_sync(len, "")
    assert heard == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]
    assert "The circuit stock is open: 1 calls in a row failed." in caplog.messages
    unsubscribe()
    breaker.force_open()
    assert len(heard) == 3
    metrics = breaker.metrics
    assert (metrics.state, metrics.admitted, metrics.opened) == (CircuitState.FORCED_OPEN, 2, 1)


def test_it_is_set_by_hand() -> None:
    breaker = CircuitBreaker(1, 10)
    breaker.open()
    assert 9 < breaker.metrics.retry_after <= 10
    breaker.disable()
    for _ in range(3):
        with pytest.raises(Down):
            breaker.call_sync(fail)
    breaker.only_count()
    with pytest.raises(Down):
        breaker.call_sync(fail)
    assert (breaker.state, breaker.metrics.failures) == (CircuitState.METRICS_ONLY, 1)
    breaker.reset()
    assert breaker.metrics.calls == 0


def test_its_error_says_when_and_travels_between_processes() -> None:
    error = CircuitOpenError("stock", "open", 12.34)
    assert str(error) == "The circuit stock is open; try again in 12.3 s."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
