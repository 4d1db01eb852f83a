"""A TCP proxy that breaks the connections that go through it, in a thread of its own.

Whatever a network does to a client of Redis can be done here: a connection that is reset, also in the midst of a
command or of an answer; one on which nothing moves for a while; one half of it closed, so that a command arrives and
its answer does not; answers that vanish while the connection stays; a connection that is gone for one side only; and
nobody who takes connections.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Self, TypeVar

Result = TypeVar("Result")

HOST = "127.0.0.1"
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0
FUSE_SECONDS = 2.0
"""How long a connection may last that is to be cut within a command, if none comes."""


class Proxy:
    """Listens on ``port`` and passes everything on to ``target``. Its methods may be called from any thread.

    Methods that break something return how many connections it happened to.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._pairs: set[Pair] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections go through it now."""
        return len(self._pairs)

    def cut(self, rng: random.Random, share: float = 1.0) -> int:
        """Reset connections."""
        return self._to_some(rng, share, Pair.reset)

    def cut_within(self, rng: random.Random, share: float, most_bytes: int) -> int:
        """Reset connections after a few more bytes in one direction: mostly in the midst of a command or an answer."""

        def light(pair: Pair) -> None:
            pair.cut_after(rng.randrange(most_bytes), answers=rng.random() < 0.5)

        return self._to_some(rng, share, light)

    def stall(self, rng: random.Random, share: float, seconds: float) -> int:
        """Let nothing through for ``seconds``, in either direction; what was sent meanwhile arrives then."""
        return self._to_some(rng, share, partial(Pair.stall, seconds=seconds))

    def half_close(self, rng: random.Random, share: float, seconds: float) -> int:
        """Tell clients that no more answers come, while what they send goes on to Redis; reset after ``seconds``."""
        return self._to_some(rng, share, partial(Pair.half_close, seconds=seconds))

    def swallow(self, rng: random.Random, share: float, seconds: float) -> int:
        """Let commands through and answers vanish; reset after ``seconds``."""
        return self._to_some(rng, share, partial(Pair.swallow, seconds=seconds))

    def desert(self, rng: random.Random, share: float, seconds: float) -> int:
        """Reset connections for clients while Redis takes them for alive, for ``seconds``."""
        return self._to_some(rng, share, partial(Pair.desert, seconds=seconds))

    def refuse(self) -> int:
        """Take no connections any more, and reset those that are there; `accept` ends it."""
        return self._do(self._refuse())

    def accept(self) -> None:
        """Take connections again."""
        self._do(self._listen())

    def _to_some(self, rng: random.Random, share: float, deed: "Callable[[Pair], None]") -> int:
        async def run() -> int:
            chosen = [pair for pair in sorted(self._pairs, key=lambda pair: pair.number) if rng.random() < share]
            for pair in chosen:
                deed(pair)
            return len(chosen)

        return self._do(run())

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await self._loop.create_server(lambda: Pair(self._target, self._pairs), HOST, self.port)

    async def _refuse(self) -> int:
        if self._server is not None:
            self._server.close()
            self._server = None
        count = len(self._pairs)
        for pair in list(self._pairs):
            pair.reset()
        return count

    async def _close(self) -> None:
        await self._refuse()
        await asyncio.sleep(0)  # lets the transports say that they are gone
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class Pair(asyncio.Protocol):
    """One connection of a client, and the one to the target that belongs to it."""

    count = 0

    def __init__(self, target: int, pairs: "set[Pair]") -> None:
        Pair.count += 1
        self.number = Pair.count
        self._target, self._pairs = target, pairs
        self._client: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._fuses: dict[bool, int] = {}
        self._stalled = self._swallowing = self._is_deserted = False
        self._waiting: list[tuple[bool, bytes]] = []

    # --- what happens to it

    def reset(self) -> None:
        """End it without a word."""
        self._pairs.discard(self)
        for transport in (self._client, self._server):
            if transport is not None:
                transport.abort()

    def cut_after(self, size: int, *, answers: bool) -> None:
        """Reset it after ``size`` more bytes of commands, or of answers."""
        self._fuses[answers] = size
        asyncio.get_running_loop().call_later(FUSE_SECONDS, self.reset)

    def stall(self, seconds: float) -> None:
        """Hold everything back for ``seconds``."""
        self._stalled = True
        asyncio.get_running_loop().call_later(seconds, self._go_on)

    def half_close(self, seconds: float) -> None:
        """End the answers, not the commands; reset it after ``seconds``."""
        if self._client is not None and self._client.can_write_eof():
            self._swallowing = True
            with suppress(OSError):
                self._client.write_eof()
        asyncio.get_running_loop().call_later(seconds, self.reset)

    def swallow(self, seconds: float) -> None:
        """Drop the answers; reset it after ``seconds``."""
        self._swallowing = True
        asyncio.get_running_loop().call_later(seconds, self.reset)

    def desert(self, seconds: float) -> None:
        """Reset it on the client's side; on the other after ``seconds``."""
        self._is_deserted = self._swallowing = True
        if self._client is not None:
            self._client.abort()
        asyncio.get_running_loop().call_later(seconds, self.reset)

    # --- what it does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the target."""
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        self._pairs.add(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        """Pass commands on."""
        self._pass(data, answers=False)

    def answered(self, data: bytes) -> None:
        """Pass an answer on."""
        if not self._swallowing:
            self._pass(data, answers=True)

    def eof_received(self) -> bool:
        """End the other side as well."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """End the other side, after what is on its way."""
        if not self._is_deserted:
            self.ended(self._server)

    def ended(self, other: asyncio.Transport | None) -> None:
        """One side is gone: end the other after what is on its way."""
        self._pairs.discard(self)
        if other is not None:
            other.close()

    def server_ended(self) -> None:
        """The target is gone."""
        self.ended(self._client)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, _ = await loop.create_connection(lambda: _Answers(self), HOST, self._target)
        except OSError:
            self.reset()
            return
        self._server = transport
        if self._client is None or self._client.is_closing():
            transport.abort()
            return
        for data in self._early:
            transport.write(data)
        self._early.clear()

    def _pass(self, data: bytes, *, answers: bool) -> None:
        if self._stalled:
            self._waiting.append((answers, data))
            return
        if (left := self._fuses.get(answers)) is not None:
            if left <= len(data):
                self._write(data[:left], answers=answers)
                asyncio.get_running_loop().call_later(0.002, self.reset)
                self._fuses, self._swallowing, self._stalled = {}, True, True
                return
            self._fuses[answers] = left - len(data)
        self._write(data, answers=answers)

    def _write(self, data: bytes, *, answers: bool) -> None:
        to = self._client if answers else self._server
        if to is not None:
            to.write(data)
        elif not answers:
            self._early.append(data)

    def _go_on(self) -> None:
        self._stalled = False
        waiting, self._waiting = self._waiting, []
        for answers, data in waiting:
            self._pass(data, answers=answers)


class _Answers(asyncio.Protocol):
    """The side of a `Pair` on which the target answers."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def data_received(self, data: bytes) -> None:
        self._pair.answered(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._pair.server_ended()
