"""HTTP services of strangers, played by a few lines of asyncio: what they send, how slowly, and when they hang up."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Self

Conduct = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


def answer(body: bytes = b"", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a complete HTTP answer."""
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def says(data: bytes) -> Conduct:
    """Return the conduct of a peer that sends these bytes and hangs up."""

    async def conduct(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return conduct


def repeats(first: bytes, again: bytes, *, pause: float = 0.0, times: int = 1_000_000) -> Conduct:
    """Return the conduct of a peer that goes on and on."""

    async def conduct(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for _ in range(times):
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return conduct


async def keeps_silent(writer: asyncio.StreamWriter) -> None:
    """Accept, read, and never answer."""
    await asyncio.Event().wait()


class Peer:
    """A server on loopback that counts connections and keeps what it was asked.

    hears_first: whether it waits for a complete request before it does anything.
    """

    def __init__(
        self, conduct: Conduct, *, host: str = "127.0.0.1", hears_first: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        self._conduct = conduct
        self._host = host
        self._hears_first = hears_first
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.requests: list[bytes] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, self._host, 0, backlog=1024, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{self._host}:{self.port}/health"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._hears_first:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await self._until_hung_up(reader, self._conduct(writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the prober hung up, as it may
        finally:
            writer.close()

    async def _until_hung_up(self, reader: asyncio.StreamReader, conduct: Coroutine[Any, Any, None]) -> None:
        conducting, listening = asyncio.create_task(conduct), asyncio.create_task(reader.read())
        try:
            await asyncio.wait((conducting, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            conducting.cancel()
            listening.cancel()
            await asyncio.gather(conducting, listening, return_exceptions=True)
