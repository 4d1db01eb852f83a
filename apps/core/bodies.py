"""Reading a request's body without trusting what the request says about its length."""

from typing import Protocol

from django.http import HttpRequest

from apps.core.errors import MalformedBody, TooLarge, UnsupportedMediaType


class SupportsRead(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes."""
        ...


def read_body(request: HttpRequest, limit: int) -> bytes:
    """Return the body, of at most ``limit`` bytes; read once and kept where ``request.body`` finds it.

    Raises:
        TooLarge: the body is longer than ``limit``, whether or not ``Content-Length`` admits it.
        MalformedBody: the body ends before ``Content-Length`` says.
        UnsupportedMediaType: a form, which Django's CSRF check has read already.
    """
    if not hasattr(request, "_body"):
        if getattr(request, "_read_started", False):
            raise UnsupportedMediaType
        request._body = _read(request, limit)
    if len(request._body) > limit:
        raise TooLarge(limit)
    return request._body


def _read(request: HttpRequest, limit: int) -> bytes:
    declared = _declared_length(request)
    if declared is None:
        body = _read_undeclared(request, limit)
    elif declared > limit:
        raise TooLarge(limit)
    else:
        body = _bytes_of(request, declared)
    if len(body) < (declared or 0):
        raise MalformedBody(f"The body ended after {len(body)} of {declared} bytes.")
    return body


def _declared_length(request: HttpRequest) -> int | None:
    declared = request.META.get("CONTENT_LENGTH")
    try:
        return max(0, int(declared)) if declared else None
    except ValueError:
        raise MalformedBody("Content-Length is not a number.") from None


def _read_undeclared(request: HttpRequest, limit: int) -> bytes:
    """Read a chunked body: Django takes a missing length for an empty body, so the server's own stream is asked.

    WSGI servers say with ``wsgi.input_terminated`` that reading to the end is safe.
    """
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if not chunked and not request.META.get("wsgi.input_terminated"):
        return b""
    return _bytes_of(request.META["wsgi.input"], limit + 1)


def _bytes_of(stream: SupportsRead, length: int) -> bytes:
    try:
        return stream.read(length)
    except OSError:
        # Django's UnreadablePostError is one: the caller went away.
        raise MalformedBody("The body broke off.") from None
