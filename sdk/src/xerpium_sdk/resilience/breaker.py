"""A circuit breaker for calls of functions and coroutines, from threads and tasks alike.

>>> breaker = CircuitBreaker(failure_threshold=3, recovery_timeout=30, name="auth")
>>> @breaker
... def token(): ...
>>> with breaker.attempt():
...     ask()
>>> await breaker.call(ask_later, 42)
"""

import functools
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

from xerpium_sdk.resilience._circuit import NO_LEAVE, BreakerPolicy, Change, Circuit, CircuitState
from xerpium_sdk.resilience.errors import CircuitOpenError

__all__ = ["Attempt", "BreakerMetrics", "CircuitBreaker", "Listener"]

P = ParamSpec("P")
R = TypeVar("R")
Exceptions = type[BaseException] | tuple[type[BaseException], ...]
Listener = Callable[["CircuitBreaker", Change], None]
log = logging.getLogger("xerpium_sdk.resilience")


@dataclass(frozen=True, slots=True)
class BreakerMetrics:
    """A breaker at one moment.

    Attributes:
        state: what it does with calls.
        calls: calls in the window; ``failures`` and ``slow`` of them failed and were slow.
        admitted: calls that it let through since it was made; ``refused`` those that it did not.
        opened: how often it opened.
        retry_after: seconds until it lets a call through; 0 unless it is open.
    """

    state: CircuitState
    calls: int
    failures: int
    slow: int
    admitted: int
    refused: int
    opened: int
    retry_after: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__} | {"state": self.state.value}


class CircuitBreaker:
    """Stops calling what does not work, and finds out when it works again.

    The lock is held around admitting and recording only, never while a call runs.

    Args:
        failure_threshold: so many failures in a row open it.
        recovery_timeout: for how many seconds it stays open; then one trial call decides.
        expected_exception: what counts as a failure. Anything else that a call raises, and a cancellation, says nothing
            about the dependency.
        name: for errors and logs.
        policy: everything in detail (`BreakerPolicy`), in place of the first two.
        is_failure: judges a result, for calls that fail without raising.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 60,
        expected_exception: Exceptions = Exception,
        *,
        name: str = "",
        policy: BreakerPolicy | None = None,
        is_failure: Callable[[Any], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.policy = policy or BreakerPolicy(
            consecutive_failures=failure_threshold,
            open_seconds=recovery_timeout,
            half_open_calls=1,
            half_open_seconds=max(recovery_timeout, 1.0),
        )
        self.expected_exception = expected_exception
        self._is_failure = is_failure
        self._clock = clock
        self._circuit = Circuit(self.policy, clock())
        self._lock = threading.Lock()
        self._telling = threading.RLock()
        self._listeners: tuple[Listener, ...] = (_log_change,)
        self._admitted = self._refused = self._opened = 0
        self._on_wait: Callable[[], None] | None = None

    @property
    def state(self) -> CircuitState:
        """What it does with calls. Open stays open until a call comes after its time is over."""
        return self._circuit.state

    @property
    def failure_count(self) -> int:
        """How many calls in a row have failed."""
        return self._circuit.in_a_row

    @property
    def metrics(self) -> BreakerMetrics:
        """Its numbers at this moment."""
        now = self._clock()
        with self._lock:
            calls, failures, slow = self._circuit.totals(now)
            state = self._circuit.state
            left = max(0.0, self._circuit.open_until - now) if state is CircuitState.OPEN else 0.0
            return BreakerMetrics(state, calls, failures, slow, self._admitted, self._refused, self._opened, left)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(breaker, change)`` after each change of state; return what ends that.

        It is called without the lock, in the order of the changes. One that raises is logged, and the call goes on.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def attempt(self) -> "Attempt":
        """Return a context manager, for ``with`` and ``async with``, around one call.

        Raises:
            CircuitOpenError: on entering, when the call may not be made.
        """
        return Attempt(self)

    async def call(self, func: Callable[P, Awaitable[R] | R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function or a coroutine function and return its result.

        Raises:
            CircuitOpenError: it was not called.
        """
        async with Attempt(self) as attempt:
            result = func(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
            return attempt.judge(cast(R, result))

    def call_sync(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function and return its result, without an event loop.

        Raises:
            CircuitOpenError: it was not called.
        """
        with Attempt(self) as attempt:
            return attempt.judge(func(*args, **kwargs))

    @overload
    def __call__(self, func: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, func: Callable[P, R]) -> Callable[P, R]: ...
    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Protect ``func``, a function or a coroutine function: a decorator."""
        clock, admit, record, release = self._clock, self._admit, self._record, self._release
        expected, judge = self.expected_exception, self._is_failure
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def protected_coroutine(*args: Any, **kwargs: Any) -> Any:
                term = admit(started := clock())
                try:
                    result = await func(*args, **kwargs)
                    failed = judge is not None and judge(result)
                except expected:
                    record(term, True, started)
                    raise
                except BaseException:
                    release(term)
                    raise
                record(term, failed, started)
                return result

            return protected_coroutine

        @functools.wraps(func)
        def protected(*args: Any, **kwargs: Any) -> Any:
            term = admit(started := clock())
            try:
                result = func(*args, **kwargs)
                failed = judge is not None and judge(result)
            except expected:
                record(term, True, started)
                raise
            except BaseException:
                release(term)
                raise
            record(term, failed, started)
            return result

        return protected

    def reset(self) -> None:
        """Close it and forget all calls."""
        self._force(CircuitState.CLOSED)

    def open(self) -> None:
        """Open it for its usual time."""
        self._force(CircuitState.OPEN)

    def force_open(self) -> None:
        """Refuse every call until `reset`."""
        self._force(CircuitState.FORCED_OPEN)

    def disable(self) -> None:
        """Let every call through and count none, until `reset`."""
        self._force(CircuitState.DISABLED)

    def only_count(self) -> None:
        """Let every call through and count it, but never open, until `reset`."""
        self._force(CircuitState.METRICS_ONLY)

    def _force(self, state: CircuitState) -> None:
        self._decide(lambda circuit, now: circuit.force(state, now))

    def _decide(self, decision: Callable[[Circuit, float], R]) -> R:
        """Return what ``decision`` says, which nobody else's call comes between."""
        now = self._clock()
        with self._lock:
            result = decision(self._circuit, now)
        self._tell()
        return result

    def _admit(self, now: float) -> int:
        circuit = self._circuit
        with self._lock:
            admitted = circuit.admit(now)
            if admitted.__class__ is int:
                self._admitted += 1
            else:
                self._refused += 1
        if circuit.changes:
            self._tell()
        if isinstance(admitted, int):
            return admitted
        if admitted is NO_LEAVE and self._on_wait is not None:
            self._on_wait()
        raise CircuitOpenError(self.name, admitted.state.value, admitted.retry_after)

    def _record(self, term: int, failed: bool, started: float) -> None:
        now = self._clock()
        circuit = self._circuit
        with self._lock:
            circuit.record(term, failed, now - started, now)
        if circuit.changes:
            self._tell()

    def _release(self, term: int) -> None:
        with self._lock:
            self._circuit.release(term)

    def _tell(self) -> None:
        """Tell listeners of changes, each once and in order, whichever thread gets here first."""
        with self._telling:
            with self._lock:
                changes = self._circuit.take_changes()
                self._opened += sum(change.after is CircuitState.OPEN for change in changes)
                listeners = self._listeners
            for change in changes:
                for listener in listeners:
                    try:
                        listener(self, change)
                    except Exception:
                        log.exception("A listener of the circuit %s failed.", self.name)


class Attempt:
    """One call under a breaker. Made by `CircuitBreaker.attempt`; good once."""

    __slots__ = ("_breaker", "_failed", "_ignored", "_started", "_term")

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._failed = self._ignored = False

    def ignore(self) -> None:
        """Do not count the call, however it ends."""
        self._ignored = True

    def fail(self) -> None:
        """Count the call as failed though it raises nothing."""
        self._failed = True

    def judge(self, result: R) -> R:
        """Return ``result``, after asking the breaker's ``is_failure`` about it."""
        is_failure = self._breaker._is_failure
        if is_failure is not None and is_failure(result):
            self._failed = True
        return result

    def __enter__(self) -> Self:
        breaker = self._breaker
        self._started = started = breaker._clock()
        self._term = breaker._admit(started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        breaker = self._breaker
        if self._ignored:
            breaker._release(self._term)
        elif kind is None:
            breaker._record(self._term, self._failed, self._started)
        elif issubclass(kind, breaker.expected_exception):
            breaker._record(self._term, True, self._started)
        else:
            breaker._release(self._term)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def _log_change(breaker: CircuitBreaker, change: Change) -> None:
    level = logging.WARNING if change.after in (CircuitState.OPEN, CircuitState.FORCED_OPEN) else logging.INFO
    name = breaker.name or "breaker"
    log.log(level, "The circuit %s is %s: %s.", name, change.after.value.replace("_", " "), change.reason)
