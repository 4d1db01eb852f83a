"""What a call hands on of the request that it is made for: its trace, its id, its company."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from secrets import token_hex

from xerpium_sdk.trace import TraceParent, current_traceparent

__all__ = ["Passing", "current", "passing_on"]

MOST_CHARACTERS = 128
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@dataclass(frozen=True, slots=True)
class Passing:
    """What goes with calls that are made here.

    Attributes:
        request_id: by which the logs of all services tell one request of a user.
        traceparent: the W3C trace that it belongs to.
        company_id: the company that it is in: tokens for calls are asked for that company.
    """

    request_id: str | None = None
    traceparent: str | None = None
    company_id: int | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], *, company_id: int | None = None) -> "Passing":
        """Return what a request with these headers (names in lower case) hands on; what is malformed it does not."""
        request_id = headers.get("x-request-id", "")
        well_formed = 0 < len(request_id) <= MOST_CHARACTERS and _ALLOWED.issuperset(request_id)
        trace = TraceParent.parse(headers.get("traceparent"))
        return cls(request_id if well_formed else None, str(trace) if trace else None, company_id)

    def headers(self) -> dict[str, str]:
        """Return the headers of one call: the same trace, one step further; a trace begins where there is none."""
        trace = TraceParent.parse(self.traceparent or current_traceparent()) or TraceParent.begin()
        step = TraceParent(trace.trace_id, token_hex(8), trace.flags)
        return {"x-request-id": self.request_id or trace.trace_id, "traceparent": str(step)}


_NOTHING = Passing()
_passing: ContextVar[Passing] = ContextVar("xerpium_passing", default=_NOTHING)


def current() -> Passing:
    """Return what calls that are made here hand on."""
    return _passing.get()


@contextmanager
def passing_on(passing: Passing) -> Iterator[None]:
    """Let calls in this block hand on what ``passing`` says; for middlewares, and for work that is nobody's request."""
    token = _passing.set(passing)
    try:
        yield
    finally:
        _passing.reset(token)
