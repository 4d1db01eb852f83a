"""A proxy before Redis that does something to chosen publishes: loses them, loses their answers, or answers itself."""

import selectors
import socket
from collections import deque
from threading import Event, Thread
from typing import Self
from urllib.parse import urlsplit, urlunsplit

__all__ = ["LOSE_ANSWER", "LOSE_PART", "LOSE_REQUEST", "STAY_SILENT", "TamperingProxy"]

LOSE_REQUEST, LOSE_ANSWER, STAY_SILENT = b"lose request", b"lose answer", b"stay silent"
LOSE_PART = b"lose part"
"""Half of what was sent arrives, and the connection ends."""


class TamperingProxy:
    """Passes everything on, but for each entry of ``plan`` one publish: what is done to it, or what it is answered.

    None in the plan is a publish that goes through.
    """

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f":{parts.password}@127.0.0.1:{port}"))
        self.plan: deque[bytes | None] = deque()
        self.publishes = 0
        self._ended = Event()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *about: object) -> None:
        self._ended.set()
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *arguments: object) -> None:
        thread = Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]  # any function
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._listener.settimeout(0.05)
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._start(self._relay, client, socket.create_connection(self._target))

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        lose_answer = False
        with client, server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while not self._ended.is_set():
                for key, _ in ready.select(0.05):
                    try:
                        data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]  # these two are sockets
                        if not data or (key.fileobj is server and lose_answer):
                            return
                        if key.fileobj is server:
                            client.sendall(data)
                            continue
                        deed = self._deed(data)
                        if deed == LOSE_REQUEST:
                            return
                        if deed == LOSE_PART:
                            server.sendall(data[: len(data) // 2])
                            return
                        lose_answer = deed == LOSE_ANSWER
                        if deed in (None, LOSE_ANSWER):
                            server.sendall(data)
                        elif deed is not None and deed != STAY_SILENT:
                            client.sendall(deed)
                    except OSError:
                        return

    def _deed(self, data: bytes) -> bytes | None:
        if b"XADD" not in data:
            return None
        self.publishes += 1
        return self.plan.popleft() if self.plan else None
