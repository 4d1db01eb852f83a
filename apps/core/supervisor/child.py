"""Keeping one part running: started again when it dies, and watched until it answers."""

import asyncio
import signal
import time
from collections import deque
from contextlib import suppress

from apps.core.supervisor.backoff import SLOW_PAUSE_SECONDS, Backoff
from apps.core.supervisor.life import Life
from apps.core.supervisor.log import Log
from apps.core.supervisor.parts import Part

ASK_AGAIN_SECONDS = 0.05
LAST_LINES = 12


class Child:
    """A part that is kept running until it is stopped."""

    def __init__(self, part: Part, log: Log) -> None:
        """Start to run ``part``; needs a running event loop."""
        self.part = part
        self.answering = asyncio.Event()
        """Set while it works."""
        self.hopeless = asyncio.Event()
        """Set once it died too often to be started again soon."""
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._log = log
        self._stopping = asyncio.Event()
        self._life = Life(part, self._heard)
        self._since = time.monotonic()
        self._task = asyncio.create_task(self._keep_running())

    @property
    def pid(self) -> int | None:
        """The number of its process."""
        return self._life.pid

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask it to end; end it when its time is up or ``hurry`` is set. Returns when nothing of it is left."""
        self._stopping.set()
        self._life.terminate()
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait({self._task, hurried}, timeout=self.part.stop_seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not self._task.done():
            if not hurry.is_set():
                self._log.hub(f"{self.part.name} does not end within {self.part.stop_seconds:g} s and is killed")
            self._life.kill()
        await self._task

    async def _keep_running(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            self._since = time.monotonic()
            code = await self._live()
            if self._stopping.is_set():
                return
            backoff = backoff.after_death(time.monotonic() - self._since)
            self._explain(code, backoff)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff.pause_seconds)

    async def _live(self) -> int | None:
        self._life = Life(self.part, self._heard)
        asking = asyncio.create_task(self._ask())
        try:
            return await self._life.run()
        finally:
            asking.cancel()
            self.answering.clear()

    async def _ask(self) -> None:
        """Ask until it answers; a part that is known by its words is not asked."""
        if self.part.answers is None:
            return
        # Another process sets no event here; and a server can be quicker than the news that it was started.
        while not await asyncio.to_thread(self.part.answers) or self.pid is None:  # noqa: ASYNC110
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        self._now_answering()

    def _heard(self, line: str) -> None:
        self.last_lines.append(line)
        self._log.part(self.part.name, line)
        if self.part.ready_line and self.part.ready_line in line and not self.answering.is_set():
            self._now_answering()

    def _now_answering(self) -> None:
        self.answering.set()
        self.hopeless.clear()
        self._log.hub(f"{self.part.name} answers ({time.monotonic() - self._since:.1f} s, process {self.pid})")

    def _explain(self, code: int | None, backoff: Backoff) -> None:
        name = self.part.name
        if not backoff.is_hopeless:
            self._log.hub(f"{name} ended ({how_it_ended(code)}) and is started again in {backoff.pause_seconds:g} s")
            return
        self.hopeless.set()
        self._log.hub(f"{name} ended {backoff.quick_deaths} times in a row ({how_it_ended(code)}). Its last lines:")
        for line in self.last_lines:
            self._log.hub(f"    {line}")
        self._log.hub(f"Look at {self.part.hint}. {name} is tried again every {SLOW_PAUSE_SECONDS:g} s.")


def how_it_ended(code: int | None) -> str:
    """Return an exit code in words."""
    if code is None:
        return "not started"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
