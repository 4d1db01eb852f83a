"""How calls of a service are protected."""

from dataclasses import dataclass, field

from xerpium_sdk.resilience import BreakerPolicy, RetryPolicy

__all__ = ["IDEMPOTENT", "CallPolicy"]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods whose repetition does no harm (RFC 9110, 9.2.2)."""


def _breaker() -> BreakerPolicy:
    # Fewer calls than resilience4j's hundred: services of an ERP may not see so many in an hour.
    return BreakerPolicy(
        failure_rate=0.5, minimum_calls=20, window_size=100, consecutive_failures=10, open_seconds=10,
        half_open_calls=3, half_open_seconds=30, slow_call_seconds=10,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """The limits around each call, from the outside in.

    Attributes:
        concurrency: how many calls of a service may run at once (bulkhead).
        total_seconds: how long a call may take with all its attempts and pauses.
        retry: how often it is tried, and how patiently.
        retry_share: retries for each call, over time: the load in an outage is 1 + this (`RetryBudget`).
        breaker: when a service that fails is not asked any more.
        attempt_seconds: how long one attempt may take.
        shares_breaker: whether the breaker is one for all processes, where the client has `SharedBreakers`.
    """

    concurrency: int = 100
    total_seconds: float = 30.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    retry_share: float = 0.1
    breaker: BreakerPolicy = field(default_factory=_breaker)
    attempt_seconds: float = 10.0
    shares_breaker: bool = True
