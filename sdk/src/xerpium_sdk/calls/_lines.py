"""What is kept for each service that is called: its breaker, its places, its budget of retries, who is aside."""

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from xerpium_sdk.calls._aside import Aside
from xerpium_sdk.calls._attempts import Failed
from xerpium_sdk.calls.policy import CallPolicy
from xerpium_sdk.resilience.breaker import CircuitBreaker
from xerpium_sdk.resilience.bulkhead import Bulkhead
from xerpium_sdk.resilience.retry import RetryBudget

if TYPE_CHECKING:
    from xerpium_sdk.resilience.shared import SharedBreakers

__all__ = ["Line", "Lines"]

MOST_LINES = 1000
RESERVE = 5.0
"""Retries that a service has that is seldom called."""


class Line:
    """The way to one service."""

    def __init__(self, service: str, policy: CallPolicy) -> None:
        self.service, self.policy = service, policy
        self.aside = Aside()
        self.breaker = CircuitBreaker(name=service, policy=policy.breaker, expected_exception=Failed)
        self.bulkhead = Bulkhead(policy.concurrency, name=service)
        # An instance that dies breaks at most as many calls as may run at once.
        most = max(RESERVE, policy.concurrency)
        self.budget = RetryBudget(policy.retry_share, per_second=0.2, most=most, reserve=RESERVE)

    def worth_it(self, error: Exception) -> bool | float:
        """Say whether an attempt's error is worth another one, and after how many seconds if the service says so."""
        if not isinstance(error, Failed) or not error.again:
            return False
        return error.error.retry_after or True

    def metrics(self, now: float) -> dict[str, Any]:
        """Return its numbers as plain values."""
        budget, bulkhead = self.budget, self.bulkhead
        return {
            "breaker": self.breaker.metrics.as_dict(),
            "budget": {"balance": budget.balance, "retries": budget.taken, "refused": budget.refused},
            "bulkhead": {"running": bulkhead.running, "limit": bulkhead.limit, "refused": bulkhead.refused},
            "aside": sorted(self.aside.now(now)),
        }


class Lines:
    """The lines of one client, by service. Made when a service is first called.

    Args:
        policy: the limits around each call.
        policies: other limits for some services, by name.
        shared: shares the breakers with other processes; None: nobody does.
        starts: whether ``shared`` begins with the first line, since it has nobody else who begins it.
    """

    def __init__(
        self,
        policy: CallPolicy,
        policies: Mapping[str, CallPolicy],
        shared: "SharedBreakers | None" = None,
        *,
        starts: bool = False,
    ) -> None:
        self._policy, self._policies = policy, dict(policies)
        self._shared, self._starts = shared, starts
        self._lines: dict[str, Line] = {}
        self._lock = Lock()

    def get(self, service: str) -> Line:
        """Return the line to ``service``."""
        line = self._lines.get(service)
        if line is None:
            line = self._new(service)
        if self._starts and self._shared is not None and not self._shared.running:
            self._shared.start()
        return line

    @property
    def known(self) -> Mapping[str, Line]:
        """The lines that there are."""
        return dict(self._lines)

    def _new(self, service: str) -> Line:
        with self._lock:
            if service not in self._lines:
                if len(self._lines) >= MOST_LINES:  # names made up at run time must not fill the memory
                    self._lines.clear()
                line = Line(service, self._policies.get(service, self._policy))
                if self._shared is not None and line.policy.shares_breaker:
                    self._shared.attach(line.breaker)
                self._lines[service] = line
            return self._lines[service]
