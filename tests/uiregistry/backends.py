"""A service of somebody else's that knows numbers: a real HTTP server on this machine."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from apps.serviceauth.verifying import claims_of
from tests.support import services
from xerpium_sdk.wire.credentials import Claims
from xerpium_sdk.wire.registry import Status

Answer = tuple[int, bytes]


@dataclass
class Backend:
    """A server and what was asked of it; ``says`` makes the answers, and may wait."""

    port: int = 0
    says: Callable[[str], Answer] = lambda path: (200, orjson.dumps({"path": path}))
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """Return what was asked, in order."""
        return [path for path, _ in self.asked]

    @property
    def claims(self) -> list[Claims | None]:
        """Return what the token of each request says, None where there was none; all of them are good now."""
        found = [headers.get("authorization", "").removeprefix("Bearer ") for _, headers in self.asked]
        return [claims_of(token) if token else None for token in found]

    def answers(self, data: Any, status: int = 200) -> None:
        """Answer the same to everybody from now on."""
        self.says = lambda path: (status, data if isinstance(data, bytes) else orjson.dumps(data))


@contextmanager
def serving() -> Iterator[Backend]:
    """Serve until the block ends."""
    backend = Backend()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            backend.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, body = backend.says(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    backend.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield backend
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def register(backend: Backend, name: str = "products", *, status: Status = Status.HEALTHY, **changes: Any) -> None:
    """Register a healthy instance whose API is the backend's; its endpoints are on the origin, not below the base."""
    changes = {"api_base_url": f"http://127.0.0.1:{backend.port}/api/v1", **changes}
    services.run(name, [status], **changes)
