"""Instances of services to be called: small servers that answer, fail, hang and die as they are told."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.sdk.hub import instance, service

__all__ = ["Fleet", "Instance", "fleet_of"]


@dataclass
class Asked:
    """One request that came in; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Instance:
    """One instance, on a port of its own."""

    name: str
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """What the next requests are answered with, instead of 200."""
    seconds: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._running = 0
        self._guard = threading.Lock()
        self.free = threading.Event()  # cleared: answers wait until it is set
        self.free.set()
        self.start()

    def start(self, port: int = 0) -> None:
        """Listen."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: the second would wait for the first's acknowledgement
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                outer.answer(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # beyond it, who wants to connect is dropped, and comes again a second later

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of who did not wait for an answer."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def die(self) -> None:
        """Listen no more, and break what is connected."""
        self.dead = True
        self.server.shutdown()
        self.server.server_close()

    dead = False

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if self.dead:  # a connection that was kept alive
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._guard:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            self.asked.append(Asked(handler.command, handler.path, headers, body))
            status, more = self.statuses.pop(0) if self.statuses else (200, {})
        if self.seconds:
            time.sleep(self.seconds)
        self.free.wait(30)
        with self._guard:
            self._running -= 1
        if self.dead:  # while it was at work
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        document = {"instance": self.name} if status < 400 else {"status": status, "title": "No", "detail": "so it is"}
        sent = b"" if status == 204 else json.dumps(document).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(sent)), **more}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(sent)


@dataclass
class Fleet:
    """The instances of one service."""

    service: str
    instances: list[Instance]

    @property
    def record(self) -> dict[str, Any]:
        """The service as the hub tells of it."""
        return service(
            self.service,
            instances=[
                instance(one.name, host="127.0.0.1", port=one.port, api_base_url=f"http://127.0.0.1:{one.port}/api/v1",
                         capabilities=["counting"])
                for one in self.instances
            ],
        )  # fmt: skip

    @property
    def asked(self) -> list[Asked]:
        """What all of them were asked."""
        return [asked for one in self.instances for asked in one.asked]


@contextmanager
def fleet_of(count: int, service: str = "stock-service") -> Iterator[Fleet]:
    """Return a service with so many instances, which end with the block."""
    fleet = Fleet(service, [Instance(f"i{number}") for number in range(count)])
    try:
        yield fleet
    finally:
        for one in fleet.instances:
            if not one.dead:
                one.die()
