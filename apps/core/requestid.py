"""Which request is being answered: its id (``X-Request-ID``) and its trace (W3C ``traceparent``).

Both are taken over from the caller or made here, stand on every log line and every answer, and can be read anywhere
while the request runs. ``xerpium.asgi`` uses the same functions for the routes that it answers before Django.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.core.sources import source_of

HEADER = "X-Request-ID"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
# Version 00 ends after the flags; later versions may add parts (W3C Trace Context, 3.2.2 and 4.3). ff is no version.
_TRACEPARENT = re.compile(
    r"(?:00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}"
    r"|(?!00|ff)[0-9a-f]{2}-(?P<later_trace>[0-9a-f]{32})-(?P<later_span>[0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class RequestIds:
    """The ids of one request, and the address it came from.

    ``traceparent`` is ``None`` when the caller sent none that is valid; ``source`` is ``""`` where nobody asked for it.
    """

    request_id: str
    traceparent: str | None = None
    source: str = ""

    @property
    def trace_id(self) -> str | None:
        """The 32 hexadecimal digits that name the trace, for logs."""
        return self.traceparent[3:35] if self.traceparent else None


_current: ContextVar[RequestIds | None] = ContextVar("xerpium_request", default=None)


def request_id_of(header: str | None) -> str:
    """Return ``header`` when it is a usable request id (1–128 of ``A-Za-z0-9._-``), else a new one."""
    if header and _REQUEST_ID.fullmatch(header):
        return header
    return os.urandom(16).hex()


def traceparent_of(header: str | None) -> str | None:
    """Return ``header`` when it is a valid W3C ``traceparent``, else ``None``; ids of zeros only are not valid."""
    match = _TRACEPARENT.fullmatch(header) if header and len(header) <= 256 else None
    if match is None:
        return None
    trace, span = match["trace"] or match["later_trace"], match["span"] or match["later_span"]
    return header if trace.strip("0") and span.strip("0") else None


def ids_of(headers: Mapping[str, str]) -> RequestIds:
    """Return the ids of a request with these headers; names may be in any case if the mapping does not care."""
    return RequestIds(request_id_of(headers.get("x-request-id")), traceparent_of(headers.get("traceparent")))


@contextmanager
def request_context(ids: RequestIds) -> Iterator[RequestIds]:
    """Make ``ids`` the current ones while the block runs."""
    token = _current.set(ids)
    try:
        yield ids
    finally:
        _current.reset(token)


def current() -> RequestIds | None:
    """Return the ids of the request being answered, or ``None`` outside of one."""
    return _current.get()


def current_request_id() -> str:
    """Return the id of the request being answered, or ``""`` outside of one."""
    ids = _current.get()
    return ids.request_id if ids else ""


def current_source() -> str:
    """Return the address that the request being answered came from, or ``""`` outside of one."""
    ids = _current.get()
    return ids.source if ids else ""


class RequestIdMiddleware:
    """Gives every request its ids and every answer its ``X-Request-ID`` and its length; the outermost middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request`` with its ids in force."""
        meta = request.META
        ids = RequestIds(
            request_id_of(meta.get("HTTP_X_REQUEST_ID")),
            traceparent_of(meta.get("HTTP_TRACEPARENT")),
            source_of(request),
        )
        with request_context(ids):
            response = self.get_response(request)
        response.headers[HEADER] = ids.request_id
        # Django leaves it to CommonMiddleware, of which nothing else is wanted; without it servers send chunks.
        if isinstance(response, HttpResponse) and response.status_code not in (204, 304):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response
