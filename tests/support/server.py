"""The hub on a real socket, in a thread of the test run: what a program on this machine talks to."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn

from apps.core.quick import protocol_with
from apps.registry.live import live
from tests.support.wait import wait_until
from xerpium.asgi import Hub, django
from xerpium.serve import server_options


@contextmanager
def serving(*, fast_paths: bool = True) -> Iterator[tuple[str, int]]:
    """Serve the hub as ``python -m xerpium.serve`` does; yields the address. Ends all connections at the end."""
    hub = Hub(django, fast_paths=fast_paths)
    options = server_options(argparse.Namespace(fd=None, host="127.0.0.1", port=0, drain_seconds=1))
    options |= {"app": hub, "http": protocol_with(hub.quick) if hub.quick else "httptools", "log_config": None}
    server = uvicorn.Server(uvicorn.Config(**options))
    thread = Thread(target=server.run, name="server")
    thread.start()
    try:
        wait_until(lambda: server.started and live.is_loaded, 5, "the server to start")
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.should_exit = True
        thread.join()
