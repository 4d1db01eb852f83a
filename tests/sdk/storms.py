"""Calls of one service by another, from threads and from tasks at once, while its instances die."""

import asyncio
import threading
from time import monotonic
from types import TracebackType
from typing import Self

from tests.sdk._tasks import wait_until
from tests.sdk.fleet import Fleet
from xerpium_sdk.calls import CallError
from xerpium_sdk.resilience import CircuitState
from xerpium_sdk.service import XerpiumService

__all__ = ["STOCK", "Storm", "dying"]

STOCK = "stock-service"
PAUSE_SECONDS = 0.05


class Storm:
    """Calls without an end, while the block lasts, of ``made``, a service that runs on this event loop."""

    def __init__(self, made: XerpiumService, *, threads: int = 16, tasks: int = 50) -> None:
        self.made = made
        self.at_once = threads + tasks
        self.calls = 0
        self.failures: list[CallError] = []
        self.longest = 0.0
        self._last_failure = monotonic()
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._in_a_thread) for _ in range(threads)]
        self._number = tasks
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def attempts(self) -> int:
        """How many requests were sent, retries included."""
        clients = self.made.services, self.made.services_sync
        return sum(client.metrics()[STOCK]["breaker"]["admitted"] for client in clients if client.metrics())

    @property
    def circuits(self) -> set[CircuitState]:
        """The states of the breakers."""
        return {self.made.services.lines[STOCK].breaker.state, self.made.services_sync.lines[STOCK].breaker.state}

    def is_calm(self) -> bool:
        """Return whether no call has failed for a while."""
        return monotonic() - self._last_failure > 0.3

    async def __aenter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._tasks = [asyncio.create_task(self._in_a_task()) for _ in range(self._number)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)
        while any(thread.is_alive() for thread in self._threads):  # noqa: ASYNC110 - threads tell no loop
            await asyncio.sleep(0.01)

    def _in_a_thread(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            began = monotonic()
            try:
                self.made.services_sync.get(STOCK, "items")
            except CallError as error:
                self._failed(error)
            self._count(began)

    async def _in_a_task(self) -> None:
        while not self._over.is_set():
            began = monotonic()
            try:
                await self.made.services.get(STOCK, "items")
            except CallError as error:
                self._failed(error)
            self._count(began)
            await asyncio.sleep(PAUSE_SECONDS * 2)

    def _failed(self, error: CallError) -> None:
        with self._guard:
            self.failures.append(error)
            self._last_failure = monotonic()

    def _count(self, began: float) -> None:
        with self._guard:
            self.calls += 1
            self.longest = max(self.longest, monotonic() - began)


async def dying(fleet: Fleet, storm: Storm, *, calls_between: int) -> None:
    """Let all instances of ``fleet`` die but the last, one after another, with calls between."""
    for one in [*fleet.instances[:-1], None]:
        seen = storm.calls
        await wait_until(lambda: storm.calls > seen + calls_between, description="more calls")  # noqa: B023
        if one is not None:
            await asyncio.to_thread(one.die)
