"""What a call hands on of the request that it is made for: its trace, its id, its company.

The middlewares (`xerpium_sdk.calls.asgi`, `xerpium_sdk.calls.wsgi`, `xerpium_sdk.django.passing`) open a scope for each
request, and the doors that verify tokens note the company in it. What is noted outside of any scope is forgotten at
once: a thread that serves one request after the other must not take a company along.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from secrets import token_hex

from xerpium_sdk.trace import TraceParent, current_traceparent

__all__ = ["Passing", "current", "note_company", "passing_on"]

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

    @classmethod
    def begin(cls, headers: Mapping[str, str]) -> "Passing":
        """Return what `of` does, with a trace of its own for a request that brings none, and its id for one without."""
        given = cls.of(headers)
        trace = TraceParent.parse(given.traceparent) or TraceParent.begin()
        return cls(given.request_id or trace.trace_id, str(trace))

    def headers(self) -> dict[str, str]:
        """Return the headers of one call: the same trace, one step further; a trace begins where there is none."""
        trace = TraceParent.parse(self.traceparent or current_traceparent()) or TraceParent.begin()
        step = TraceParent(trace.trace_id, token_hex(8), trace.flags)
        return {"x-request-id": self.request_id or trace.trace_id, "traceparent": str(step)}

    def answered(self) -> dict[str, str]:
        """Return the headers of the answer to the request: by which id the logs know it, and which trace it is in.

        ``traceresponse`` is that of W3C Trace Context, level 2.
        """
        told = {"x-request-id": self.request_id, "traceresponse": self.traceparent}
        return {name: value for name, value in told.items() if value is not None}


class _Scope:
    """What is handed on in one block: the same object in all its tasks and threads, wherever a door stands."""

    __slots__ = ("passing",)

    def __init__(self, passing: Passing) -> None:
        self.passing = passing


_NOTHING = Passing()
_scope: ContextVar[_Scope | None] = ContextVar("xerpium_passing", default=None)


def current() -> Passing:
    """Return what calls that are made here hand on."""
    scope = _scope.get()
    return _NOTHING if scope is None else scope.passing


def note_company(company_id: int | None) -> None:
    """Let calls of the request in hand be in the company of its token; without effect where no request is in hand."""
    scope = _scope.get()
    if scope is not None:
        scope.passing = replace(scope.passing, company_id=company_id)


@contextmanager
def passing_on(passing: Passing) -> Iterator[None]:
    """Let calls in this block hand on what ``passing`` says; for middlewares, and for work that is nobody's request."""
    token = _scope.set(_Scope(passing))
    try:
        yield
    finally:
        _scope.reset(token)
