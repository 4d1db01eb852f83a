"""Starting parts, waiting until they answer, and stopping them in the order in which they need each other."""

import asyncio
from collections.abc import Callable, Iterable

from apps.core.engines import StartError
from apps.core.supervisor.child import Child
from apps.core.supervisor.keys import KEY_PREFIX
from apps.core.supervisor.life import Life
from apps.core.supervisor.log import Log
from apps.core.supervisor.parts import Part

STILL_WAITING_SECONDS = 10.0


class Supervisor:
    """Every child of this process."""

    def __init__(self, log: Log) -> None:
        """Begin with none."""
        self._log = log
        self._children: list[Child] = []
        self._hurry = asyncio.Event()

    def start(self, parts: Iterable[Part]) -> list[Child]:
        """Start ``parts`` together and return their children."""
        started = [Child(part, self._log) for part in parts]
        self._children += started
        return started

    async def until_answering(self, children: Iterable[Child]) -> None:
        """Wait until all of them answer, however long that takes, and say now and then which do not."""
        waiting = {asyncio.create_task(child.answering.wait(), name=child.part.name) for child in children}
        try:
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=STILL_WAITING_SECONDS)
                if waiting:
                    names = ", ".join(sorted(task.get_name() for task in waiting))
                    self._log.hub(f"still waiting for: {names}")
        finally:
            for task in waiting:
                task.cancel()

    async def until_answering_or_hopeless(self, child: Child) -> None:
        """Wait until a part answers without which nothing can go on.

        Raises:
            StartError: it dies each time it is started.
        """
        outcomes = [asyncio.create_task(event.wait()) for event in (child.answering, child.hopeless)]
        try:
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in outcomes:
                task.cancel()
        if not child.answering.is_set():
            raise StartError(f"{child.part.name} does not start: look at {child.part.hint}.")

    async def run_to_end(self, part: Part) -> list[str]:
        """Run a part that does its work and ends, and return what it said.

        Raises:
            StartError: it failed.
        """
        lines: list[str] = []

        def say(line: str) -> None:
            lines.append(line)
            self._log.part(part.name, line)

        await self._run_to_end(part, say, lines)
        return lines

    async def ask_for_key(self, part: Part) -> str:
        """Run a part that says a key, in a line of its own, and ends; return the key, which stands in no log.

        Raises:
            StartError: it failed, or said none.
        """
        keys: list[str] = []
        lines: list[str] = []

        def say(line: str) -> None:
            if line.startswith(KEY_PREFIX):
                keys.append(line.strip())
                return
            lines.append(line)
            self._log.part(part.name, line)

        await self._run_to_end(part, say, lines)
        if len(keys) != 1:
            raise StartError(f"{part.name} said {len(keys)} keys where one was asked for.")
        return keys[0]

    async def _run_to_end(self, part: Part, say: Callable[[str], None], lines: list[str]) -> None:
        if await Life(part, say).run() != 0:
            raise StartError(f"{part.name} failed ({lines[-1] if lines else 'without a word'}): look at {part.hint}.")

    def hurry(self) -> None:
        """Stop waiting for parts that are being stopped: kill them."""
        self._hurry.set()

    async def stop(self) -> None:
        """Stop everything, the highest level first; nothing is left when this returns."""
        while self._children:
            level = max(child.part.level for child in self._children)
            group = [child for child in self._children if child.part.level == level]
            self._log.hub(f"stopping {', '.join(child.part.name for child in group)}")
            await asyncio.gather(*(child.stop(self._hurry) for child in group))
            self._children = [child for child in self._children if child not in group]
