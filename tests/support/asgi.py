"""Driving an ASGI application in-process, one message at a time: slow readers and clients that leave included."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from apps.core.asgi import Application, Message

LOOPBACK = ("127.0.0.1", 50_000)
SECONDS = 10.0


@dataclass
class Answer:
    """What came back; header names are in lower case, sorted with their values."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the value of a header, None when there is none."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name.encode()), None)


class Exchange:
    """One request in flight. The client reads a message of the answer only when the test asks for one."""

    def __init__(
        self,
        app: Application,
        verb: str,
        target: str,
        *,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        client: tuple[str, int] = LOOPBACK,
    ) -> None:
        path, _, query = target.partition("?")
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        if body and not any(name == b"content-length" for name, _ in sent):
            sent.append((b"content-length", b"%d" % len(body)))
        if not any(name == b"host" for name, _ in sent):
            sent.insert(0, (b"host", b"127.0.0.1:8000"))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": verb,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": sent,
            "client": client,
            "server": ("127.0.0.1", 8000),
        }
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._inbox.put_nowait({"type": "http.request", "body": body, "more_body": False})
        self._outbox: asyncio.Queue[Message] = asyncio.Queue(1)
        self.task = asyncio.ensure_future(app(scope, self._inbox.get, self._outbox.put))
        self.answer = Answer()
        self._ended = False

    def leave(self) -> None:
        """Hang up."""
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def begin(self) -> Answer:
        """Read the head of the answer."""
        message = await self._message()
        assert message["type"] == "http.response.start"
        self.answer.status = message["status"]
        self.answer.headers = sorted((name.lower(), value) for name, value in message["headers"])
        return self.answer

    async def chunk(self) -> bytes | None:
        """Read the next piece of the body, None after the last."""
        if self._ended:
            return None
        message = await self._message()
        self._ended = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body or (None if self._ended else b"")

    async def _message(self) -> Message:
        getting = asyncio.ensure_future(self._outbox.get())
        await asyncio.wait({getting, self.task}, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done() and self.task.done():
            self.task.result()
            # What it sent last may have come in the same moment as its end.
            await asyncio.wait({getting}, timeout=0.1)
        if not getting.done():
            getting.cancel()
            raise AssertionError("the application sent nothing")
        return getting.result()

    async def whole(self) -> Answer:
        """Read everything and wait for the application to end."""
        await self.begin()
        while (piece := await self.chunk()) is not None:
            self.answer.body += piece
        await asyncio.wait_for(self.task, SECONDS)
        return self.answer


async def call(app: Application, verb: str, target: str, **options: Any) -> Answer:
    """Send a request and return the whole answer."""
    return await Exchange(app, verb, target, **options).whole()


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """Start the application as a server does, and stop it at the end."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan"}, inbox.get, outbox.put))
    inbox.put_nowait({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        inbox.put_nowait({"type": "lifespan.shutdown"})
        assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
        await task
