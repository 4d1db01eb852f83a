"""What publishers need of asyncio. Its twin is `_threads`; the two are the only pair written by hand."""

import asyncio
from builtins import TimeoutError as BuiltinTimeoutError
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from redis.exceptions import ResponseError, TimeoutError

__all__ = ["Local", "Slots", "exchange", "sleep"]

T = TypeVar("T")
sleep = asyncio.sleep


class Slots:
    """Lets so many at once, and the others wait."""

    def __init__(self, count: int) -> None:
        self._semaphore = asyncio.Semaphore(count)

    async def acquire(self, seconds: float) -> None:
        """Take a slot.

        Raises:
            TimeoutError: there was none within ``seconds``.
        """
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._semaphore.acquire()
        except BuiltinTimeoutError:
            raise TimeoutError(f"no connection was free within {seconds:.1f} s") from None

    def release(self) -> None:
        """Give a slot back."""
        self._semaphore.release()


class Local(Generic[T]):
    """One of something for each event loop: connections belong to the loop on which they were opened."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Return the one of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None:
            found = self._by_loop[loop] = self._make()
        return found

    async def clear(self, close: Callable[[T], Awaitable[None]]) -> None:
        """Forget all, and close each on its own loop; those of loops that have ended are past that."""
        current = asyncio.get_running_loop()
        for loop, one in list(self._by_loop.items()):
            del self._by_loop[loop]
            if loop is current:
                await close(one)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(close(one)), loop))


async def exchange(connection: Any, packed: bytes, count: int, seconds: float) -> list[Any]:
    """Send ``packed`` and return its ``count`` answers; an error that the server answered stands in its place.

    Raises:
        RedisError, OSError: the connection was lost or the answers took longer than ``seconds``.
    """
    replies: list[Any] = []
    try:
        async with asyncio.timeout(seconds):
            await connection.send_packed_command(packed)
            for _ in range(count):
                try:
                    replies.append(await connection.read_response())
                except ResponseError as error:
                    replies.append(error)
    except BuiltinTimeoutError:
        raise TimeoutError(f"no answer within {seconds:.1f} s") from None
    return replies


async def _awaited(one: Awaitable[T]) -> T:
    return await one
