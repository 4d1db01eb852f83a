"""The breaker's decisions beside a model that keeps lists, over whatever sequences of calls there are."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from xerpium_sdk.resilience import BreakerPolicy, CircuitState
from xerpium_sdk.resilience._circuit import Circuit, Refusal
from xerpium_sdk.resilience._windows import CountWindow, TimeWindow

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN

ends = st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 3)), max_size=60)


@given(size=st.integers(1, 12), calls=ends)
def test_a_count_window_holds_the_last_calls(size: int, calls: list[tuple[bool, bool, float]]) -> None:
    window = CountWindow(size)
    for failed, slow, _ in calls:
        window.add(failed, slow, 0)
    last = calls[-size:]
    assert (window.calls, window.failures, window.slow) == (len(last), sum(c[0] for c in last), sum(c[1] for c in last))


@given(seconds=st.integers(1, 6), calls=ends)
def test_a_time_window_holds_the_calls_of_the_last_seconds(seconds: int, calls: list[tuple[bool, bool, float]]) -> None:
    window, now, told = TimeWindow(seconds), 100.0, []
    for failed, slow, pause in calls:
        now += pause
        window.add(failed, slow, now)
        told.append((failed, slow, int(now)))
    kept = [call for call in told if call[2] > int(now) - seconds]
    assert (window.calls, window.failures, window.slow) == (len(kept), sum(c[0] for c in kept), sum(c[1] for c in kept))
    window.expire(now + seconds + 1)
    assert (window.calls, window.failures, window.slow) == (0, 0, 0)


def test_a_clock_that_goes_back_loses_nothing() -> None:
    window = TimeWindow(3)
    window.add(True, False, 50)
    window.add(True, False, 48)
    assert window.failures == 2


@dataclass
class Model:
    """The same rules, with lists instead of rings, and calls under way instead of counters."""

    policy: BreakerPolicy
    state: CircuitState = CLOSED
    since: float = 0.0
    ended: list[tuple[bool, bool]] = field(default_factory=list)
    running: int = 0
    done: int = 0

    def may_start(self, now: float) -> bool:
        if self.state is OPEN and now >= self.since + self.policy.open_seconds:
            self.go(HALF_OPEN, now)
        if self.state is OPEN:
            return False
        return self.state is CLOSED or self.running + self.done < self.policy.half_open_calls

    def end(self, failed: bool, slow: bool, now: float) -> None:
        self.running -= 1
        self.done += 1
        self.ended.append((failed, slow))
        if self.state is CLOSED:
            window = self.ended[-self.policy.window_size :]
            streak = self.policy.consecutive_failures
            is_streak = streak and len(self.ended) >= streak and all(call[0] for call in self.ended[-streak:])
            if is_streak or (len(window) >= self.policy.judged_from and self.is_bad(window)):
                self.go(OPEN, now)
        elif self.done >= self.policy.half_open_calls:
            self.go(OPEN if self.is_bad(self.ended) else CLOSED, now)

    def is_bad(self, calls: list[tuple[bool, bool]]) -> bool:
        failures, slow = sum(call[0] for call in calls), sum(call[1] for call in calls)
        return (failures > 0 and failures / len(calls) >= self.policy.failure_rate) or (
            slow > 0 and slow / len(calls) >= self.policy.slow_call_rate
        )

    def go(self, state: CircuitState, now: float) -> None:
        self.state, self.since, self.ended, self.running, self.done = state, now, [], 0, 0


class Calls(RuleBasedStateMachine):
    """Calls that begin, end well, badly or slowly, or say nothing, in any order and at any time."""

    @initialize(
        failure_rate=st.sampled_from([0.25, 0.5, 1.0]),
        slow_call_rate=st.sampled_from([0.5, 1.0]),
        window_size=st.integers(1, 8),
        minimum_calls=st.integers(1, 10),
        streak=st.sampled_from([None, 1, 3]),
        half_open_calls=st.integers(1, 4),
    )
    def begin(
        self, failure_rate: float, slow_call_rate: float, window_size: int, minimum_calls: int, streak: int | None,
        half_open_calls: int,
    ) -> None:  # fmt: skip
        policy = BreakerPolicy(
            failure_rate=failure_rate, slow_call_rate=slow_call_rate, slow_call_seconds=1, window_size=window_size,
            minimum_calls=minimum_calls, consecutive_failures=streak, open_seconds=10, half_open_calls=half_open_calls,
        )  # fmt: skip
        self.now = 0.0
        self.circuit, self.model = Circuit(policy), Model(policy)
        self.running: list[int] = []
        self.late: list[int] = []

    def _age(self, before: CircuitState) -> None:
        """Calls of an earlier state are late from now on."""
        changed = self.circuit.take_changes()
        if changed:
            self.late += self.running
            self.running = []

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def start(self) -> None:
        may = self.model.may_start(self.now)
        admitted = self.circuit.admit(self.now)
        self._age(self.circuit.state)
        assert isinstance(admitted, Refusal) is not may
        if not isinstance(admitted, Refusal):
            self.running.append(admitted)
            self.model.running += 1

    @precondition(lambda self: self.running)
    @rule(failed=st.booleans(), seconds=st.sampled_from([0.1, 2.0]))
    def end(self, failed: bool, seconds: float) -> None:
        term = self.running.pop()
        self.circuit.record(term, failed, seconds, self.now)
        self.model.end(failed, seconds >= 1, self.now)
        self._age(self.circuit.state)

    @precondition(lambda self: self.running)
    @rule()
    def say_nothing(self) -> None:
        self.circuit.release(self.running.pop())
        self.model.running -= 1

    @precondition(lambda self: self.late)
    @rule(failed=st.booleans())
    def end_late(self, failed: bool) -> None:
        before = self.circuit.totals(self.now)
        self.circuit.record(self.late.pop(), failed, 0.1, self.now)
        assert self.circuit.totals(self.now) == before
        assert not self.circuit.changes

    @invariant()
    def they_agree(self) -> None:
        if hasattr(self, "circuit"):
            assert self.circuit.state is self.model.state
            if self.circuit.state is HALF_OPEN:
                assert len(self.running) + self.model.done <= self.circuit.policy.half_open_calls


Calls.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestCalls = Calls.TestCase


def opened(**options: float) -> Circuit:
    """Return a circuit that has just opened at second 0."""
    circuit = Circuit(BreakerPolicy(consecutive_failures=1, open_seconds=10, **options))
    term = circuit.admit(0)
    assert isinstance(term, int)
    circuit.record(term, True, 0.1, 0)
    assert circuit.state is OPEN
    return circuit


def test_it_says_when_to_try_again() -> None:
    assert opened().admit(4) == Refusal(OPEN, 6)


def test_trials_that_never_end_open_it_again() -> None:
    circuit = opened(half_open_calls=1, half_open_seconds=5)
    assert isinstance(circuit.admit(10), int)
    assert circuit.admit(12) == Refusal(HALF_OPEN, 3)
    assert circuit.admit(15) == Refusal(OPEN, 10)
    assert isinstance(circuit.admit(25), int)


def test_by_hand_it_refuses_or_lets_through_whatever_calls_say() -> None:
    circuit = Circuit(BreakerPolicy(consecutive_failures=1))
    circuit.force(CircuitState.FORCED_OPEN, 0)
    assert circuit.admit(10_000) == Refusal(CircuitState.FORCED_OPEN, None)
    for state in (CircuitState.DISABLED, CircuitState.METRICS_ONLY):
        circuit.force(state, 0)
        for _ in range(5):
            term = circuit.admit(0)
            assert isinstance(term, int)
            circuit.record(term, True, 0.1, 0)
        assert circuit.state is state
    assert circuit.totals(0) == (5, 5, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_rate": 0}, {"failure_rate": 50}, {"slow_call_rate": 1.5}, {"window_size": 0}, {"minimum_calls": 0},
        {"half_open_calls": 0}, {"open_seconds": -1}, {"open_seconds": float("nan")}, {"consecutive_failures": 0},
        {"window": "calls"},
    ],
    ids=str,
)  # fmt: skip
def test_a_policy_that_cannot_be_meant_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BreakerPolicy(**wrong)  # type: ignore[arg-type]
