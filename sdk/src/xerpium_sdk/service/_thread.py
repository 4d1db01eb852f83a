"""A service that lives on an event loop of its own, in a thread, beside a program that has none."""

import asyncio
import threading
from concurrent.futures import Future

from xerpium_sdk.service._life import Life

__all__ = ["LifeThread"]


class LifeThread:
    """Runs a `Life` from `start` to `stop`. The thread is a daemon: a program that ends does not hang on it."""

    def __init__(self, life: Life, name: str) -> None:
        self._life = life
        self._begun: Future[None] = Future()
        self._seconds = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._run, name=f"xerpium {name}", daemon=True)

    def start(self) -> None:
        """Start it and wait until it has; raises what `Life.begin` does."""
        self._thread.start()
        self._begun.result()

    @property
    def is_here(self) -> bool:
        """Whether it is this very thread, which cannot wait for its own end."""
        return threading.current_thread() is self._thread

    def stop(self, seconds: float) -> bool:
        """End it within ``seconds``; False when something is left then."""
        self._seconds = seconds * 0.9
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._life.begin()
        except BaseException as error:  # it is raised where somebody waits
            self._begun.set_exception(error)
            return
        self._begun.set_result(None)
        await self._stop.wait()
        await self._life.end(self._seconds)
