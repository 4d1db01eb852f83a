"""Django behind the event loop: a WSGI application as an ASGI one, in threads.

A thread is only taken when there is work for it: the whole body is read on the event loop first (so a client that
dawdles costs no thread), and a whole answer is sent there as well. An answer in parts is taken part by part.

a2wsgi does the same job in general; it holds a thread from the first byte to the last, and passes every piece between
loop and thread, which cost as much as the rest of a small request (docs/decisions/0002).
"""

import asyncio
import io
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.http.response import HttpResponseBase

from apps.core.asgi import Header, Receive, Scope, Send, disconnected

Environ = dict[str, Any]
WSGIApplication = Callable[[Environ, Callable[..., Any]], HttpResponseBase]

BODY_SECONDS = 30.0


class ClientGone(Exception):
    """Raised when the client left before its request was whole."""


class Bridge:
    """Runs Django's WSGI application in ``threads`` threads; bodies are read up to ``body_limit`` bytes and one more.

    What is longer, or does not come within `BODY_SECONDS`, reaches Django cut off: it compares with ``Content-Length``,
    or with its own limits, and refuses it in its own words.
    """

    def __init__(self, application: WSGIApplication, *, threads: int, body_limit: int) -> None:
        self._application = application
        self._body_limit = body_limit
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="django")

    def close(self) -> None:
        """Take no more requests; threads end with what they are doing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await self._body(receive) if declares_body(scope) else b""
        except ClientGone:
            return
        call = _Call(self._application, environ_of(scope, body))
        loop = asyncio.get_running_loop()
        status, headers, first = await loop.run_in_executor(self._threads, call.begin)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if call.is_whole:
            await send({"type": "http.response.body", "body": first})
            return
        try:
            await self._parts(call, first, receive, send)
        finally:
            await loop.run_in_executor(self._threads, call.close)

    async def _parts(self, call: "_Call", first: bytes, receive: Receive, send: Send) -> None:
        """Send an answer in parts until it ends or the client has gone."""
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(disconnected(receive))
        part: bytes | None = first
        try:
            while part is not None and not gone.done():
                await send({"type": "http.response.body", "body": part, "more_body": True})
                part = await loop.run_in_executor(self._threads, call.next_part)
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _body(self, receive: Receive) -> bytes:
        """Return the body, as far as it comes in time and is wanted.

        Raises:
            ClientGone: the client left.
        """
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                more = True
                while more and size <= self._body_limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    part = message.get("body", b"")
                    parts.append(part)
                    size += len(part)
                    more = message.get("more_body", False)
        except TimeoutError:
            pass
        return b"".join(parts)[: self._body_limit + 1]


class _Call:
    """One call of the application, made in a thread."""

    def __init__(self, application: WSGIApplication, environ: Environ) -> None:
        self._application, self._environ = application, environ
        self._status, self._headers = 500, list[Header]()
        self.is_whole = True

    def begin(self) -> tuple[int, list[Header], bytes]:
        """Return status, headers, and the whole body or its first part."""
        self._response = self._application(self._environ, self._start)
        self._rest: Iterator[bytes] = iter(self._response)
        if getattr(self._response, "streaming", False):
            self.is_whole = False
            return self._status, self._headers, b""
        try:
            return self._status, self._headers, b"".join(self._rest)
        finally:
            self.close()

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        self._status = int(status[:3])
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def next_part(self) -> bytes | None:
        """Return the next part of the body, or None at its end."""
        return next(self._rest, None)

    def close(self) -> None:
        """Let Django finish the request: it returns its database connection then."""
        self._response.close()


def declares_body(scope: Scope) -> bool:
    """Whether the request says that it has a body; of one that does not, there is nothing to wait for."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def environ_of(scope: Scope, body: bytes) -> Environ:
    """Return the WSGI environment (PEP 3333) of an ASGI request whose body was read."""
    server_host, server_port = scope.get("server") or ("localhost", 80)
    client_host, client_port = scope.get("client") or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server_host,
        "SERVER_PORT": str(server_port or 0),
        "REMOTE_ADDR": client_host,
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            # X_Real_IP would read like X-Real-IP: what no honest client sends is left out, as nginx does.
            continue
        _add_header(environ, raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1"))
    return environ


def _add_header(environ: Environ, name: str, value: str) -> None:
    key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
    # Repeated headers are one list (RFC 9110, 5.3); cookies have a separator of their own (RFC 6265, 5.4).
    separator = "; " if name == "COOKIE" else ","
    environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
