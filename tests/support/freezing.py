"""A way to a server that can be cut, and that can freeze: connections are made then, and nobody answers on them."""

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

__all__ = ["FreezingProxy"]

TURN_SECONDS = 0.01


class FreezingProxy:
    """Passes bytes on between its own port and a server's, in one thread.

    ``url`` is the server's address with the proxy's own port in it. `freeze` keeps every connection open and answers
    nothing any more; `thaw` goes on. Not entered, nothing listens on its port.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = parts.hostname or "127.0.0.1", parts.port or 80
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        who = parts.netloc.rpartition("@")[0]
        host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=f"{who}@{host}" if who else host))
        self._peers: dict[socket.socket, socket.socket] = {}
        self._frozen, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="freezing proxy", daemon=True)

    def freeze(self) -> None:
        """Answer nothing any more."""
        self._frozen.set()

    def thaw(self) -> None:
        """Go on."""
        self._frozen.clear()

    def __enter__(self) -> Self:
        self._listener.listen(64)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(5)

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._ended.is_set():
                if self._frozen.is_set():
                    self._ended.wait(TURN_SECONDS)
                    continue
                for key, _ in selector.select(TURN_SECONDS):
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    elif isinstance(key.fileobj, socket.socket):
                        self._pass(selector, key.fileobj)
            for one in list(self._peers):
                one.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        caller, _ = self._listener.accept()
        server = socket.create_connection(self._server)
        self._peers |= {caller: server, server: caller}
        for one in (caller, server):
            selector.register(one, selectors.EVENT_READ)

    def _pass(self, selector: selectors.BaseSelector, source: socket.socket) -> None:
        if (peer := self._peers.get(source)) is None:
            return
        data = b""
        with suppress(OSError):
            data = source.recv(65536)
            peer.sendall(data)
        if not data:
            for one in (source, peer):
                selector.unregister(one)
                del self._peers[one]
                one.close()
