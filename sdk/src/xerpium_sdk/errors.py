"""Everything that can go wrong between a service and its hub.

    HubError
    ├── HubUnavailable    no answer, or "not now" (429, 5xx): the same call may succeed later
    ├── UnreadableAnswer  something answered that does not speak the contract: the wrong address, or a proxy
    ├── Refused           the hub said no, and will say no again: `problem` tells why
    │   ├── NotAuthenticated  401
    │   ├── NotAllowed        403
    │   ├── NotFound          404
    │   ├── Conflict          409
    │   └── Invalid           422
    └── NoInstance        the local catalogue has no instance to choose

Each carries the ``request_id`` under which the hub's log has the call, where there was an answer.
"""

from xerpium_sdk.wire.problems import Problem

__all__ = [
    "Conflict",
    "HubError",
    "HubUnavailable",
    "Invalid",
    "NoInstance",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Refused",
    "UnreadableAnswer",
    "refusal",
]


class HubError(Exception):
    """Base of everything that this package raises on purpose."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class HubUnavailable(HubError):
    """Raised when the hub did not answer or asked to come back later; ``retry_after`` is in seconds, 0 when unsaid."""

    def __init__(self, message: str, *, request_id: str | None = None, retry_after: float = 0.0) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after


class UnreadableAnswer(HubError):
    """Raised when an answer is not what the contract says."""


class Refused(HubError):
    """Raised when the hub refuses a request; ``problem.errors`` lists every fault with its pointer."""

    def __init__(self, problem: Problem) -> None:
        faults = "".join(f"; {fault.pointer}: {fault.message}" for fault in problem.errors)
        super().__init__(f"{problem.status} {problem.detail or problem.title}{faults}", request_id=problem.request_id)
        self.problem = problem


class NotAuthenticated(Refused):
    """Raised when the token is missing or not good now."""


class NotAllowed(Refused):
    """Raised when the caller is known and may not do this."""


class NotFound(Refused):
    """Raised when what was named is not there, or is another company's."""


class Conflict(Refused):
    """Raised when what was named belongs to someone else, or moved on in the meantime."""


class Invalid(Refused):
    """Raised when the request was understood and is not valid."""


class NoInstance(HubError):
    """Raised when no instance of a service can take work: unknown, none in that version range, or none alive."""

    def __init__(self, service: str, message: str) -> None:
        super().__init__(message)
        self.service = service


_BY_STATUS = {401: NotAuthenticated, 403: NotAllowed, 404: NotFound, 409: Conflict, 422: Invalid}


def refusal(problem: Problem) -> Refused:
    """Return the error that fits ``problem``."""
    return _BY_STATUS.get(problem.status, Refused)(problem)
