"""What a call of another service can end with. Whoever wants all of it catches `CallError`.

CallError
├── NoAnswer          nobody answered, or only "not now" (429, 502, 503, 504): the same call may succeed later
├── ServiceFailed     the service answered that it failed (other 5xx)
├── CallRefused       the service refused (4xx): the same call will be refused again; `status`, `problem`
└── CallNotMade       it was not even tried
    ├── NoInstanceToCall   the catalogue has none that can take work
    ├── CircuitOpen        the breaker of the service is open; `retry_after`
    ├── TooManyCalls       as many calls of the service as are allowed are running
    └── TookTooLong        the total time is over (also a `TimeoutError`)
"""

from typing import Any

__all__ = [
    "CallError",
    "CallNotMade",
    "CallRefused",
    "CircuitOpen",
    "NoAnswer",
    "NoInstanceToCall",
    "ServiceFailed",
    "TooManyCalls",
    "TookTooLong",
]


class CallError(Exception):
    """Base of what calls end with.

    Attributes:
        service: the service that was called.
        retry_after: in how many seconds the same call may succeed, as far as anybody said; None: nobody did.
        attempts: how often it was tried.
    """

    attempts = 0

    def __init__(self, service: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.service, self.retry_after = service, retry_after


class NoAnswer(CallError):
    """Raised when no instance answered, or the last one that did said "not now"."""


class _Answered(CallError):
    """A call that was answered with an error; ``problem`` is the body if it is JSON, ``text`` its beginning if not."""

    def __init__(self, service: str, message: str, *, status: int, problem: Any, text: str) -> None:
        super().__init__(service, message)
        self.status, self.problem, self.text = status, problem, text


class ServiceFailed(_Answered):
    """Raised when the service answered that it failed."""


class CallRefused(_Answered):
    """Raised when the service refused the call."""


class CallNotMade(CallError):
    """Raised when the call was not tried, or not waited for."""


class NoInstanceToCall(CallNotMade):
    """Raised when the catalogue has no instance that can take work."""


class CircuitOpen(CallNotMade):
    """Raised when the breaker of the service does not let the call through."""


class TooManyCalls(CallNotMade):
    """Raised when the bulkhead of the service is full."""


class TookTooLong(CallNotMade, TimeoutError):
    """Raised when the call with all its attempts took longer than its total time. It may have had an effect."""
