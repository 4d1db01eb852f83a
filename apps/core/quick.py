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

from apps.core.asgi import may_enter

Header = tuple[bytes, bytes]

REQUEST_END = b"\r\n\r\n"
LONGEST = 2048
# Headers that ask for nothing a ready answer could lack. A request with any other goes the ordinary way.
_PLAIN = frozenset(
    {
        b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"host", b"if-none-match",
        b"pragma", b"sec-fetch-site", b"user-agent",
    }
)  # fmt: skip
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?[ \t]*")


class PlainGet(NamedTuple):
    """What a ready answer has to know of a plain request."""

    path: bytes
    if_none_match: bytes | None


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
        request = plain_get(data, self.client[0] if self.client else "")
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


def plain_get(data: bytes, peer: str) -> PlainGet | None:
    """Return a request that is one whole GET without anything unusual, from a caller who may come in; else None."""
    line_end = data.find(b"\r\n")
    if not data.endswith(REQUEST_END) or data[line_end - 9 : line_end] != b" HTTP/1.1" or len(data) > LONGEST:
        return None
    plain, if_none_match = _judged(data[line_end + 2 : -4], peer)
    return PlainGet(data[4 : line_end - 9], if_none_match) if plain else None


@lru_cache(maxsize=2048)
def _judged(block: bytes, peer: str) -> tuple[bool, bytes | None]:
    """Return whether a header block is plain, and its ``If-None-Match``; clients repeat the same block for ever."""
    headers: dict[bytes, bytes] = {}
    for line in block.split(b"\r\n"):
        match = _LINE.fullmatch(line)
        name = match[1].lower() if match else b""
        if match is None or name not in _PLAIN or name in headers:
            return False, None
        headers[name] = match[2] or b""
    if (
        len(block) > 4096
        or b"host" not in headers
        or headers.get(b"connection", b"keep-alive").lower() != b"keep-alive"
    ):
        return False, None
    allowed = may_enter(peer, headers[b"host"], headers.get(b"sec-fetch-site", b""))
    return allowed, headers.get(b"if-none-match")
