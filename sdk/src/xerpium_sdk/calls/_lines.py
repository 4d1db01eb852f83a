"""What is kept for each service that is called: its breaker, its places, its budget of retries, who is aside."""

from collections.abc import Mapping

from xerpium_sdk.calls._aside import Aside
from xerpium_sdk.calls._attempts import Failed
from xerpium_sdk.calls.policy import CallPolicy
from xerpium_sdk.resilience.breaker import CircuitBreaker
from xerpium_sdk.resilience.bulkhead import Bulkhead
from xerpium_sdk.resilience.retry import RetryBudget

__all__ = ["Line", "Lines"]

MOST_LINES = 1000


class Line:
    """The way to one service."""

    def __init__(self, service: str, policy: CallPolicy) -> None:
        self.service, self.policy = service, policy
        self.aside = Aside()
        self.breaker = CircuitBreaker(name=service, policy=policy.breaker, expected_exception=Failed)
        self.bulkhead = Bulkhead(policy.concurrency, name=service)
        self.budget = RetryBudget(policy.retry_share, per_second=0.2, most=5)

    def worth_it(self, error: Exception) -> bool | float:
        """Say whether an attempt's error is worth another one, and after how many seconds if the service says so."""
        if not isinstance(error, Failed) or not error.again:
            return False
        return error.error.retry_after or True


class Lines:
    """The lines of one client, by service. Made when a service is first called."""

    def __init__(self, policy: CallPolicy, policies: Mapping[str, CallPolicy]) -> None:
        self._policy, self._policies = policy, dict(policies)
        self._lines: dict[str, Line] = {}

    def get(self, service: str) -> Line:
        """Return the line to ``service``."""
        line = self._lines.get(service)
        if line is None:
            if len(self._lines) >= MOST_LINES:  # names made up at run time must not fill the memory
                self._lines.clear()
            # Of two threads that get here at once both take the one that is stored first.
            line = self._lines.setdefault(service, Line(service, self._policies.get(service, self._policy)))
        return line

    @property
    def known(self) -> Mapping[str, Line]:
        """The lines that there are."""
        return dict(self._lines)
