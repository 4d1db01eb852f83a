"""The decisions of a circuit breaker: whether a call is admitted, and what its end means. Pure: no clock, no lock.

The semantics are resilience4j's (its documentation, "CircuitBreaker"): a window of calls judged once it has enough of
them, by the share of failures and the share of slow calls; open for a while, then half open with a limited number of
trial calls, whose results decide. Two things are ours: so many failures in a row open at once, and results of calls
that began before the last change of state do not count, where resilience4j counts them for the state that they meet.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from xerpium_sdk.resilience._windows import CountWindow, TimeWindow, Window

__all__ = ["NO_LEAVE", "BreakerPolicy", "Change", "Circuit", "CircuitState", "Refusal"]


class CircuitState(Enum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    """Lets them through and judges them."""
    OPEN = "open"
    """Refuses them."""
    HALF_OPEN = "half_open"
    """Lets a few through to see whether they work again."""
    DISABLED = "disabled"
    """Lets them through and counts nothing: set by hand."""
    FORCED_OPEN = "forced_open"
    """Refuses them until somebody says otherwise: set by hand."""
    METRICS_ONLY = "metrics_only"
    """Lets them through, counts them, and never opens: set by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens and how it closes again.

    Attributes:
        failure_rate: share of failed calls, 0 < x ≤ 1, from which it opens (resilience4j: 50 %).
        slow_call_rate: share of slow calls from which it opens (100 %).
        slow_call_seconds: from how many seconds on a call is slow (60).
        window: ``count``: the last ``window_size`` calls; ``time``: those of the last ``window_size`` seconds.
        window_size: calls or seconds (100).
        minimum_calls: how many calls the window must have before it is judged (100).
        consecutive_failures: so many failures in a row open at once, however few calls there were; None: never.
        open_seconds: how long it stays open (60).
        half_open_calls: how many trial calls there are (10).
        half_open_seconds: how long trial calls may take in all; if they have not ended by then it opens again. 0: ever.
    """

    failure_rate: float = 0.5
    slow_call_rate: float = 1.0
    slow_call_seconds: float = 60.0
    window: Literal["count", "time"] = "count"
    window_size: int = 100
    minimum_calls: int = 100
    consecutive_failures: int | None = None
    open_seconds: float = 60.0
    half_open_calls: int = 10
    half_open_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in ("failure_rate", "slow_call_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share above 0 and up to 1, such as 0.5; not {getattr(self, name)!r}.")
        for name in ("window_size", "minimum_calls", "half_open_calls"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}.")
        for name in ("slow_call_seconds", "open_seconds", "half_open_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is a number of seconds, not {getattr(self, name)!r}.")
        if self.consecutive_failures is not None and self.consecutive_failures < 1:
            raise ValueError("consecutive_failures must be at least 1, or None for never.")
        if self.window not in ("count", "time"):
            raise ValueError(f"window must be 'count' or 'time', not {self.window!r}.")

    @property
    def judged_from(self) -> int:
        """How many calls a window must have: of the last 50 there are never 100."""
        return min(self.minimum_calls, self.window_size) if self.window == "count" else self.minimum_calls


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state, and why, in words for a log."""

    before: CircuitState
    after: CircuitState
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not admitted; ``retry_after`` is in seconds, None when nobody knows."""

    state: CircuitState
    retry_after: float | None


NO_LEAVE = Refusal(CircuitState.OPEN, 0.5)
"""It has been open long enough, but whether others are trying already is not known yet."""

_SILENT = (CircuitState.DISABLED, CircuitState.FORCED_OPEN)
_BY_HAND = (*_SILENT, CircuitState.METRICS_ONLY)


class Circuit:
    """The state of one breaker. Whoever shares one between threads holds a lock around each call of a method.

    A call is `admit`ted, which returns the number of the state's term or a `Refusal`, and ends with `record` or, when
    its result says nothing (it was cancelled, or failed in a way that is not the dependency's), with `release`.

    One that is shared (`share`) needs leave for its trial calls, since somebody else may be trying already; `grant`
    gives it, until the next change. Nothing else about it is different.
    """

    def __init__(self, policy: BreakerPolicy, now: float = 0.0) -> None:
        self.policy = policy
        self.state = CircuitState.CLOSED
        self.since = now
        self.in_a_row = 0
        self.open_until = 0.0
        self.changes: list[Change] = []
        self.reason = ""
        self.wanted = False
        """Whether anybody was refused since it opened."""
        self.term = 0
        self._shared, self._leave = False, True
        self._judged_from = policy.judged_from
        self._slow_from = policy.slow_call_seconds
        self._streak = policy.consecutive_failures or 0
        self._window = self._new_window()
        self._permits = 0

    def admit(self, now: float) -> int | Refusal:
        """Return the term in which the call runs, or why it may not; an admitted call must end."""
        state = self.state
        if state is CircuitState.CLOSED:
            return self.term
        if state is CircuitState.OPEN:
            self.wanted = True
            if now < self.open_until:
                return Refusal(state, self.open_until - now)
            if not self._leave:
                return NO_LEAVE
            self._move(CircuitState.HALF_OPEN, now, "it has been open long enough")
        if self.state is CircuitState.HALF_OPEN:
            return self._admit_trial(now)
        if state is CircuitState.FORCED_OPEN:
            return Refusal(state, None)
        return self.term

    def record(self, term: int, failed: bool, seconds: float, now: float) -> None:
        """Count the end of a call that was admitted in ``term`` and took ``seconds``."""
        state = self.state
        if term != self.term or state in _SILENT:
            return
        window = self._window
        window.add(failed, seconds >= self._slow_from, now)
        self.in_a_row = self.in_a_row + 1 if failed else 0
        if state is CircuitState.CLOSED:
            if self._streak and self.in_a_row >= self._streak:
                self._open(now, f"{self.in_a_row} calls in a row failed")
            elif (window.failures or window.slow) and window.calls >= self._judged_from and (reason := self._verdict()):
                self._open(now, reason)
        elif state is CircuitState.HALF_OPEN and window.calls >= self.policy.half_open_calls:
            reason = self._verdict()
            if reason:
                self._open(now, f"trial calls: {reason}")
            else:
                self._move(CircuitState.CLOSED, now, "the trial calls went well")

    def release(self, term: int) -> None:
        """Give the place of a call back whose result says nothing."""
        if term == self.term and self.state is CircuitState.HALF_OPEN:
            self._permits += 1

    def force(self, state: CircuitState, now: float, reason: str = "by hand") -> None:
        """Go to ``state``, whatever the calls say."""
        if state is CircuitState.OPEN:
            self._open(now, reason)
        else:
            self._move(state, now, reason)

    def share(self, shared: bool) -> None:
        """Need leave for trial calls from now on, or do not."""
        self._shared = shared
        if not shared:
            self._leave = True
        elif self.state is not CircuitState.OPEN:
            self._leave = False

    def grant(self, leave: bool) -> None:
        """Give leave for the trial calls after this opening, or take it back."""
        self._leave = leave or not self._shared

    def hear_open(self, seconds: float, now: float, reason: str) -> None:
        """Be open for ``seconds``, since somebody else says so; what was set by hand stays."""
        if self.state is CircuitState.OPEN:
            self.open_until = max(self.open_until, now + seconds)
        elif self.state not in _BY_HAND:
            self._open(now, reason)
            self.open_until = now + seconds

    def hear_closed(self, now: float, reason: str) -> None:
        """Be closed if it was open, since somebody else's trial calls went well."""
        if self.state in (CircuitState.OPEN, CircuitState.HALF_OPEN):
            self._move(CircuitState.CLOSED, now, reason)

    def step_back(self, now: float, reason: str) -> None:
        """Leave the trying to somebody else: be open, until there is leave again."""
        if self.state is CircuitState.HALF_OPEN:
            self._move(CircuitState.OPEN, now, reason)
            self.open_until = now

    @property
    def trials(self) -> tuple[int, int]:
        """How many trial calls are under way, and how many have ended."""
        if self.state is not CircuitState.HALF_OPEN:
            return 0, 0
        return self.policy.half_open_calls - self._permits - self._window.calls, self._window.calls

    def take_changes(self) -> list[Change]:
        """Return the changes of state since the last time, oldest first."""
        changes, self.changes = self.changes, []
        return changes

    def totals(self, now: float) -> tuple[int, int, int]:
        """Return calls, failures and slow calls that count at ``now``."""
        self._window.expire(now)
        return self._window.calls, self._window.failures, self._window.slow

    def _admit_trial(self, now: float) -> int | Refusal:
        limit = self.policy.half_open_seconds
        if limit and now - self.since >= limit:
            self._open(now, f"the trial calls did not end within {limit:g} s")
            return Refusal(CircuitState.OPEN, self.policy.open_seconds)
        if self._permits <= 0:
            return Refusal(CircuitState.HALF_OPEN, max(0.0, self.since + limit - now) if limit else None)
        self._permits -= 1
        return self.term

    def _verdict(self) -> str:
        """Return why the window is bad; empty when it is not."""
        window, policy = self._window, self.policy
        if window.failures and window.failures >= policy.failure_rate * window.calls:
            return f"{window.failures} of {window.calls} calls failed"
        if window.slow and window.slow >= policy.slow_call_rate * window.calls:
            return f"{window.slow} of {window.calls} calls took {policy.slow_call_seconds:g} s or longer"
        return ""

    def _open(self, now: float, reason: str) -> None:
        self.open_until = now + self.policy.open_seconds
        self._move(CircuitState.OPEN, now, reason)

    def _move(self, state: CircuitState, now: float, reason: str) -> None:
        self.changes.append(Change(self.state, state, reason))
        self.state, self.since, self.reason = state, now, reason
        self.wanted, self._leave = False, not self._shared
        self.term += 1
        self.in_a_row = 0
        self._permits = self.policy.half_open_calls if state is CircuitState.HALF_OPEN else 0
        self._window = (
            CountWindow(self.policy.half_open_calls) if state is CircuitState.HALF_OPEN else self._new_window()
        )

    def _new_window(self) -> Window:
        size = self.policy.window_size
        return CountWindow(size) if self.policy.window == "count" else TimeWindow(size)
