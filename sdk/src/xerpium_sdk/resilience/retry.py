"""Trying again: with growing random pauses, within a budget, one layer of it, and not what cannot succeed.

The loop is stamina's. What it does not have is here: a budget that keeps retries from multiplying the load on what is
already in trouble, pauses that the other side asks for (``Retry-After``), and a guard against retries inside retries,
which multiply as well (hynek/stamina#19).
"""

import functools
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import exp
from typing import Any, Protocol, TypeVar, cast

__all__ = ["RetryBudget", "RetryPolicy", "call_again", "call_again_async", "retry_with_exponential_backoff"]

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Judge = Callable[[Exception], bool | float]
"""Says of an error whether it is worth another try; a number is the pause in seconds that the other side asks for."""

FADE_SECONDS = 10.0
_inside: ContextVar[bool] = ContextVar("xerpium_retrying", default=False)


class Budget(Protocol):
    """What retries are taken out of."""

    def called(self) -> None:
        """Note a call that is no retry."""

    def take(self) -> bool:
        """Take one retry out; False when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently.

    Attributes:
        attempts: calls in all, the first included.
        base: seconds of the first pause, doubled with each further one up to ``cap``.
        cap: the longest pause in seconds, before the jitter.
        jitter: up to so many seconds come on top of each pause, at random, so that callers do not return together.
        exponential_base: by what pauses grow.
        longest_wait: a pause that the other side asks for is kept up to so many seconds; longer ones end the trying.
    """

    attempts: int = 3
    base: float = 0.1
    cap: float = 5.0
    jitter: float = 0.2
    exponential_base: float = 2.0
    longest_wait: float = 10.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts counts the first call too: at least 1, not {self.attempts!r}.")
        for name in ("base", "cap", "jitter", "longest_wait"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is a number of seconds, not {getattr(self, name)!r}.")


class RetryBudget:
    """Lets retries be a share of calls, and a few a second besides, so that little traffic can retry at all.

    As Finagle's: each call pays ``ratio`` into an account, each retry takes 1 out. When everything fails, the load is
    at most ``1 + ratio`` times the calls, and ``per_second`` more. What calls have paid in fades within ten seconds or
    so: one instance that dies under load breaks many calls at once, all of which may be repeated, but what was busy an
    hour ago does not pay for a storm now.

    Args:
        ratio: retries for each call, such as 0.1.
        per_second: retries a second that are always there.
        most: what the account holds at most.
        reserve: up to how much of that ``per_second`` fills it, and what it begins with; default: ``most``.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        ratio: float = 0.1,
        per_second: float = 1.0,
        *,
        most: float = 10.0,
        reserve: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio is a share from 0 to 1, not {ratio!r}.")
        self.ratio, self.per_second, self.most = ratio, per_second, most
        self.reserve = most if reserve is None else min(reserve, most)
        self._clock = clock
        self._balance = self.reserve if per_second else 0.0
        self._seen = clock()
        self._lock = threading.Lock()
        self.taken = self.refused = 0

    @property
    def balance(self) -> float:
        """How many retries there are left."""
        with self._lock:
            self._earn()
            return self._balance

    def called(self) -> None:
        """Pay in for one call that is no retry."""
        with self._lock:
            self._earn()
            self._balance = min(self.most, self._balance + self.ratio)

    def take(self) -> bool:
        """Take one retry out; False when there is none."""
        with self._lock:
            self._earn()
            if self._balance < 1:
                self.refused += 1
                return False
            self._balance -= 1
            self.taken += 1
            return True

    def _earn(self) -> None:
        now = self._clock()
        passed, self._seen = now - self._seen, now
        if self._balance > self.reserve:
            self._balance = self.reserve + (self._balance - self.reserve) * exp(-passed / FADE_SECONDS)
        else:
            self._balance = min(self.reserve, self._balance + passed * self.per_second)


def call_again(
    func: Callable[[], R],
    policy: RetryPolicy,
    judge: Judge,
    *,
    budget: Budget | None = None,
    total: float | None = None,
) -> R:
    """Call ``func`` until it succeeds or there is no other attempt, and return its result.

    Within another layer of retries it is called once.

    Args:
        func: the call.
        policy: how often and how patiently.
        judge: which errors are worth another try.
        budget: what retries are taken out of.
        total: seconds after which no other try begins.

    Raises:
        Exception: the error of the last attempt.
    """
    with _one_layer() as is_outermost:
        for attempt in _context(policy, judge, budget, total, is_outermost):
            with attempt:
                return func()
    raise AssertionError("the last attempt returns or raises")


async def call_again_async(
    func: Callable[[], Awaitable[R]],
    policy: RetryPolicy,
    judge: Judge,
    *,
    budget: Budget | None = None,
    total: float | None = None,
) -> R:
    """Call a coroutine function as `call_again` calls a function."""
    with _one_layer() as is_outermost:
        async for attempt in _context(policy, judge, budget, total, is_outermost):
            with attempt:
                return await func()
    raise AssertionError("the last attempt returns or raises")


def retry_with_exponential_backoff(
    max_retries: int = 3,
    base_delay: float = 1.0,
    max_delay: float = 60.0,
    exponential_base: float = 2.0,
    exceptions: tuple[type[Exception], ...] = (Exception,),
    *,
    budget: RetryBudget | None = None,
) -> Callable[[F], F]:
    """Return a decorator that calls a function or coroutine function again when it raises one of ``exceptions``.

    Args:
        max_retries: calls after the first.
        base_delay: seconds of the first pause.
        max_delay: the longest pause in seconds.
        exponential_base: by what pauses grow.
        exceptions: what is worth another try. Name what passes by itself: the default retries mistakes too.
        budget: shared by functions that ask the same dependency.
    """
    policy = RetryPolicy(
        attempts=max_retries + 1,
        base=base_delay,
        cap=max_delay,
        jitter=base_delay / 2,
        exponential_base=exponential_base,
    )

    def judge(error: Exception) -> bool:
        return isinstance(error, exceptions)

    def decorate(func: F) -> F:
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def retrying_coroutine(*args: Any, **kwargs: Any) -> Any:
                return await call_again_async(functools.partial(func, *args, **kwargs), policy, judge, budget=budget)

            return cast(F, retrying_coroutine)

        @functools.wraps(func)
        def retrying(*args: Any, **kwargs: Any) -> Any:
            return call_again(functools.partial(func, *args, **kwargs), policy, judge, budget=budget)

        return cast(F, retrying)

    return decorate


@contextmanager
def _one_layer() -> Iterator[bool]:
    """Say whether this is the outermost layer of retries; those inside of it make one attempt each."""
    if _inside.get():
        yield False
        return
    token = _inside.set(True)
    try:
        yield True
    finally:
        _inside.reset(token)


def _context(policy: RetryPolicy, judge: Judge, budget: Budget | None, total: float | None, is_outermost: bool) -> Any:
    # Here: whoever never retries does not pay for the import.
    from stamina import retry_context

    if budget is not None and is_outermost:
        budget.called()
    left = policy.attempts if is_outermost else 1

    def worth_it(error: Exception) -> bool | float:
        nonlocal left
        left -= 1
        verdict = judge(error)
        if verdict is False or left < 1 or (verdict is not True and verdict > policy.longest_wait):
            return False
        return verdict if budget is None or budget.take() else False

    return retry_context(
        on=worth_it,
        attempts=left,
        timeout=total,
        wait_initial=policy.base,
        wait_max=policy.cap,
        wait_jitter=policy.jitter,
        wait_exp_base=policy.exponential_base,
    )
