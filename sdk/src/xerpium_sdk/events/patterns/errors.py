"""What `RequestResponsePattern` raises.

RequestError
├── RequestFailed       the other service answered with an error
├── RequestTimedOut     no answer came in time (also a TimeoutError)
│   └── RequestNotSent  …because Redis did not take the request
└── RequestAbandoned    the pattern was closed while the request waited
"""

__all__ = ["RequestAbandoned", "RequestError", "RequestFailed", "RequestNotSent", "RequestTimedOut"]


class RequestError(Exception):
    """A request that brought no result."""


class RequestFailed(RequestError):
    """Raised when the other service answered with an error: its handler failed, or it has none for such requests."""

    def __init__(self, service: str, request_type: str, type: str, message: str) -> None:
        super().__init__(f"{service} failed at {request_type}: {type}: {message}")
        self.service = service
        """The service that was asked."""
        self.request_type = request_type
        self.type = type
        """The name of the error's class over there; ``UnknownRequest`` when nothing there handles such requests."""
        self.message = message
        """The error's text. The traceback is in the log of that service."""


class RequestTimedOut(RequestError, TimeoutError):
    """Raised when no answer came in time. The request may have been, or may still be, handled."""


class RequestNotSent(RequestTimedOut):
    """Raised when Redis did not take the request in time, or will not take it; what it said last is the cause."""


class RequestAbandoned(RequestError):
    """Raised when the pattern was closed while the request waited for its answer."""
