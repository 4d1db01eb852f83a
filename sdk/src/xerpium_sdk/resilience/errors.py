"""What a protected call can end with besides its own result and its own errors.

ResilienceError
├── CircuitOpenError     the breaker does not let the call through
├── BulkheadFullError    as many calls as are allowed are running already
└── CallTimeoutError     the call, with all its attempts, took too long (also a TimeoutError)
"""

__all__ = ["BulkheadFullError", "CallTimeoutError", "CircuitOpenError", "ResilienceError"]


class ResilienceError(Exception):
    """Base of what this package raises on purpose: the call was not made, or not waited for."""


class CircuitOpenError(ResilienceError):
    """Raised when a breaker refuses a call.

    Attributes:
        name: of the breaker.
        state: ``open``, ``half_open`` (all trial calls are under way) or ``forced_open``.
        retry_after: in how many seconds a call may be let through; None when nobody knows.
    """

    def __init__(self, name: str, state: str, retry_after: float | None) -> None:
        self.name, self.state, self.retry_after = name, state, retry_after
        when = "" if retry_after is None else f"; try again in {retry_after:.1f} s"
        super().__init__(f"The circuit {name or 'breaker'} is {state.replace('_', ' ')}{when}.")

    def __reduce__(self) -> tuple[type["CircuitOpenError"], tuple[str, str, float | None]]:
        return type(self), (self.name, self.state, self.retry_after)


class BulkheadFullError(ResilienceError):
    """Raised when a bulkhead has no place; ``limit`` is how many it has."""

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
        super().__init__(f"{limit} calls of {name or 'this bulkhead'} are running already: that is its limit.")

    def __reduce__(self) -> tuple[type["BulkheadFullError"], tuple[str, int]]:
        return type(self), (self.name, self.limit)


class CallTimeoutError(ResilienceError, TimeoutError):
    """Raised when a call with all its attempts took longer than its total time; ``seconds`` is that time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"No result within {seconds:g} s.")

    def __reduce__(self) -> tuple[type["CallTimeoutError"], tuple[float]]:
        return type(self), (self.seconds,)
