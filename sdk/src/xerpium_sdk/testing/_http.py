"""A small HTTP server in threads of its own, which end with it: the standard library's, with streams."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from xerpium_sdk.wire.problems import FieldProblem, Problem

__all__ = ["Answer", "Asked", "Server", "problem"]

JSON = dict[str, Any]
POLL_SECONDS = 0.02
"""How long the end of the server may wait for the thread that accepts connections."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that came in.

    Attributes:
        method: its verb.
        path: without the query, and without a slash at the end.
        query: what stood behind the question mark.
        headers: with names in lower case.
        body: what its JSON says; None: there was none.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back: a document, or (``pieces``) a stream that goes on until it ends or is cut."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterator[bytes] | None = None


def problem(
    status: int, code: str, detail: str, errors: tuple[FieldProblem, ...] = (), retry_after: int | None = None
) -> Answer:
    """Return a refusal as the contract has them (RFC 9457)."""
    said = Problem(status=status, title=code.replace("_", " ").capitalize(), detail=detail, code=code, errors=errors)
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Answer(status, said.to_json(), headers)


class Server(ThreadingHTTPServer):
    """Listens from the moment that it is made; ``answer`` is called in a thread for each connection.

    Args:
        port: 0: any that is free.
        answer: makes an answer of a request.
    """

    daemon_threads = False  # `server_close` waits for them
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Asked], Answer]) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._connecting = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), name="TestHub", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, cut every connection, and return when all threads have ended.

        Streams have to end by themselves: whoever makes their pieces is told before.
        """
        self.shutdown()
        self._thread.join()
        with self._connecting:
            for connection in self._connections:
                _cut(connection)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection, and note it."""
        connection, address = super().get_request()
        with self._connecting:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._connecting:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers who have gone; everything else is a defect and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        try:
            answer = self.server.answer(self._asked(raw))
        except _NoJson as error:
            answer = problem(400, "not_json", str(error))
        if answer.pieces is None:
            self._send(answer)
        else:
            self._stream(answer, answer.pieces)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that http.server looks for

    def _asked(self, raw: bytes) -> Asked:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = json.loads(raw) if raw else None
        except ValueError as error:
            raise _NoJson(f"The body is not JSON: {error}.") from error
        return Asked(self.command, url.path.rstrip("/") or "/", dict(parse_qsl(url.query)), headers, body)

    def _send(self, answer: Answer) -> None:
        content = b"" if answer.document is None else json.dumps(answer.document).encode()
        self._head(answer, {"Content-Type": "application/json", "Content-Length": str(len(content))})
        self.wfile.write(content)

    def _stream(self, answer: Answer, pieces: Iterator[bytes]) -> None:
        self.close_connection = True
        self._head(answer, {"Content-Type": "text/event-stream", "Connection": "close"})
        for piece in pieces:
            self.wfile.write(piece)

    def _head(self, answer: Answer, headers: JSON) -> None:
        self.send_response(answer.status)
        for name, value in (headers | dict(answer.headers)).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: tests have their own words."""


class _NoJson(Exception):
    """The body cannot be read."""


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return
