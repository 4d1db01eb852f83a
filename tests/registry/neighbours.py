"""Services on this machine whose health endpoints answer as a test wants, for tests that are no coroutines."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from tests.registry.peers import Conduct, Peer, answer

T = TypeVar("T")


class Neighbours:
    """Peers on an event loop of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="neighbours")
        self._peers = AsyncExitStack()
        self._thread.start()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def add(self, conduct: Conduct) -> Peer:
        """Start one more."""
        return self._call(self._peers.enter_async_context(Peer(conduct)))

    def leave(self) -> None:
        """Stop them all."""
        self._call(self._peers.aclose())

    def close(self) -> None:
        """Stop them all, and the loop."""
        self.leave()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Health:
    """What the health endpoint of a service answers; tests change ``says`` between two polls."""

    def __init__(self) -> None:
        self.says = answer(b'{"status": "healthy"}')

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.says)
        await writer.drain()
