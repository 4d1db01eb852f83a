"""Calls that hold: breakers, retries within a budget, limits to how many and how long."""

from xerpium_sdk.resilience._circuit import BreakerPolicy, Change, CircuitState
from xerpium_sdk.resilience.breaker import Attempt, BreakerMetrics, CircuitBreaker
from xerpium_sdk.resilience.bulkhead import Bulkhead
from xerpium_sdk.resilience.errors import BulkheadFullError, CallTimeoutError, CircuitOpenError, ResilienceError
from xerpium_sdk.resilience.retry import (
    RetryBudget,
    RetryPolicy,
    call_again,
    call_again_async,
    retry_with_exponential_backoff,
)

__all__ = [
    "Attempt",
    "BreakerMetrics",
    "BreakerPolicy",
    "Bulkhead",
    "BulkheadFullError",
    "CallTimeoutError",
    "Change",
    "CircuitBreaker",
    "CircuitOpenError",
    "CircuitState",
    "ResilienceError",
    "RetryBudget",
    "RetryPolicy",
    "call_again",
    "call_again_async",
    "retry_with_exponential_backoff",
]
