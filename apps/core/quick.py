"""Answers from memory before a request becomes an ASGI event: for the one route that is asked more than all others.

uvicorn spends some 20 µs on a request before the application sees it; reading a service takes 1 µs. So its protocol is
given a way out: a whole, plain GET that arrives in one piece between two others may be answered with ready bytes.
Everything else goes the ordinary way, and the answer is the same there (tested byte for byte; docs/decisions/0002).
"""

import os
import re
from asyncio import TimerHandle
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from apps.core.asgi import bearer_token, is_secure, may_enter, must_redirect

Header = tuple[bytes, bytes]

REQUEST_END = b"\r\n\r\n"
LONGEST = 4096
# Headers that ask for nothing a ready answer could lack. A request with any other goes the ordinary way.
_PLAIN = frozenset(
    {
        b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"host", b"if-none-match",
        b"pragma", b"sec-fetch-site", b"user-agent",
    }
)  # fmt: skip
# With a token it does not matter which way a request came: proxies add these.
_PLAIN_WITH_TOKEN = _PLAIN | frozenset(
    {
        b"authorization", b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port",
        b"x-forwarded-proto", b"x-real-ip",
    }
)  # fmt: skip
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?[ \t]*")


class PlainGet(NamedTuple):
    """What a ready answer has to know of a plain request."""

    path: bytes
    if_none_match: bytes | None = None
    token: bytes | None = None
    """What it carries, not verified; whoever answers has to find out what it is worth. None: an open hub's caller."""
    secure: bool = False
    """Whether it came over TLS."""


class _Judged(NamedTuple):
    """What a header block says that matters; a block that is not plain is None instead."""

    if_none_match: bytes | None
    token: bytes | None
    forwarded_proto: bytes | None


Quick = Callable[[PlainGet], tuple[bytes, bytes] | None]
"""Returns status line with headers (each line ended), and body; or None to go the ordinary way."""


class QuickProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a way out for plain GETs; `protocol_with` gives it one."""

    quick: Quick

    _between_requests = True
    _idle_timer: TimerHandle | None = None
    _quick_since_timer = False

    def data_received(self, data: bytes) -> None:
        """Answer a plain GET at once, or let uvicorn parse what came."""
        if self._between_requests and data.startswith(b"GET ") and self._answer(data):
            return
        super().data_received(data)

    def _answer(self, data: bytes) -> bool:
        # A client that does not read its answers must not fill our memory with them: uvicorn waits for it.
        if self.flow.write_paused or (self.cycle is not None and not self.cycle.response_complete):
            return False
        request = plain_get(data, self.client[0] if self.client else "", self.scheme or "http")
        answer = self.quick(request) if request is not None else None
        if answer is None:
            return False
        head, body = answer
        lines = [head]
        for name, value in self.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        lines += (b"x-request-id: ", os.urandom(16).hex().encode(), REQUEST_END, body)
        self.transport.write(b"".join(lines))
        self.server_state.total_requests += 1
        self._watch_idleness()
        return True

    def _watch_idleness(self) -> None:
        """Let the connection end after the keep-alive time without a request, with one timer and not one a request."""
        self._quick_since_timer = True
        if self._idle_timer is None or self.timeout_keep_alive_task is not self._idle_timer:
            self._start_idle_timer()

    def _start_idle_timer(self) -> None:
        self._unset_keepalive_if_required()
        self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._when_idle)
        self.timeout_keep_alive_task = self._idle_timer

    def _when_idle(self) -> None:
        if self._quick_since_timer:
            self._quick_since_timer = False
            self._start_idle_timer()
        else:
            self.timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """Note that a request is being read."""
        self._between_requests = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that a request was read."""
        self._between_requests = True
        super().on_message_complete()


def protocol_with(quick: Quick) -> type[QuickProtocol]:
    """Return uvicorn's protocol class for a server that answers plain GETs by ``quick``."""
    return type("Protocol", (QuickProtocol,), {"quick": staticmethod(quick)})


def plain_get(data: bytes, peer: str, scheme: str = "http") -> PlainGet | None:
    """Return a request that is one whole GET without anything unusual; else None.

    It comes from a caller whom an open hub lets in, or it carries a token.
    """
    line_end = data.find(b"\r\n")
    if not data.endswith(REQUEST_END) or data[line_end - 9 : line_end] != b" HTTP/1.1" or len(data) > LONGEST:
        return None
    judged = _judged(data[line_end + 2 : -4], peer)
    if judged is None:
        return None
    secure = is_secure(scheme, judged.forwarded_proto)
    if must_redirect(secure=secure):
        return None
    return PlainGet(data[4 : line_end - 9], judged.if_none_match, judged.token, secure)


@lru_cache(maxsize=2048)
def _judged(block: bytes, peer: str) -> _Judged | None:
    """Return what a plain header block says, else None; clients repeat the same block for ever.

    It is kept with the token in it, but never with what the token is worth: that ends.
    """
    headers = _headers_of(block)
    if headers is None or b"host" not in headers:
        return None
    if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    token = None
    if b"authorization" in headers:
        token = bearer_token(headers[b"authorization"])
        if token is None:
            return None
    elif not may_enter(peer, headers[b"host"], headers.get(b"sec-fetch-site", b"")):
        return None
    return _Judged(headers.get(b"if-none-match"), token, headers.get(b"x-forwarded-proto"))


def _headers_of(block: bytes) -> dict[bytes, bytes] | None:
    """Return the headers by lower-case name; None where one is repeated, malformed, or not plain."""
    headers: dict[bytes, bytes] = {}
    for line in block.split(b"\r\n"):
        match = _LINE.fullmatch(line)
        name = match[1].lower() if match else b""
        if match is None or name not in _PLAIN_WITH_TOKEN or name in headers:
            return None
        headers[name] = match[2] or b""
    return headers if b"authorization" in headers or headers.keys() <= _PLAIN else None
