"""Background work as asyncio tasks. Its twin is `_threads`; the two are the only pair written by hand."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from inspect import isawaitable
from typing import Any, TypeVar

import httpx2

__all__ = ["Signal", "Supplier", "Worker", "call", "sleep"]

T = TypeVar("T")
Supplier = Callable[[], T | Awaitable[T]]
RESTART_SECONDS = 5.0
log = logging.getLogger("xerpium_sdk.registry")
sleep = asyncio.sleep


async def call(supplier: Supplier[T]) -> T:
    """Return what a caller's function says; it may be a coroutine function."""
    value = supplier()
    return await value if isawaitable(value) else value


class Worker:
    """One function that runs in the background from `start` to `stop`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start ``run``."""
        self._wake = asyncio.Event()  # the former one may belong to another loop
        self._task = asyncio.create_task(self._supervise(run), name=self._name)

    async def stop(self) -> None:
        """Cancel the work, wherever it waits, and return when it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the next `wake`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # not `wait_for`: in Python 3.11 it can lose a cancellation
                await self._wake.wait()
        self._wake.clear()

    def wake(self) -> None:
        """End the current or the next `sleep`; may be called from any thread."""
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._wake.set)

    @contextmanager
    def reading(self, response: httpx2.Response) -> Iterator[None]:
        """Nothing to do here: cancelling a task ends its reading."""
        yield

    async def _supervise(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await run()
            except Exception:  # a defect must not silently end a membership: it is shown, and the work starts again
                log.exception("%s failed and starts again in %g s.", self._name, RESTART_SECONDS)
            await asyncio.sleep(RESTART_SECONDS)


class Signal:
    """Lets tasks wait until something has become true."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Make everyone who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Return True as soon as ``predicate`` holds, False when it does not within ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not predicate():
                    await self._changed.wait()
        except TimeoutError:
            return predicate()
        return True
