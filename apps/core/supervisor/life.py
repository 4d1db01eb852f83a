"""One life of one process: from its start, over all that it says, to its end."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

from apps.core.engines.base import as_stand_in, bound_to_parent
from apps.core.supervisor.lines import LineSplitter
from apps.core.supervisor.parts import Part

LAST_WORDS_SECONDS = 1.0


class Life(asyncio.SubprocessProtocol):
    """A process of a part, in a session of its own: the Ctrl-C of a terminal reaches the supervisor alone.

    A protocol rather than asyncio's stream pair, whose ``wait`` lasts until nobody holds the pipe any more,
    grandchildren included.
    """

    def __init__(self, part: Part, say: Callable[[str], None]) -> None:
        """Prepare to run ``part``; every line of its output goes to ``say``."""
        self._part, self._say = part, say
        self._splitter = LineSplitter()
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended, self._silent = asyncio.Event(), asyncio.Event()
        self._unwanted = False

    async def run(self) -> int | None:
        """Run the process to its end and return its exit code (negative: the signal), None if it cannot be started.

        Whatever happens, nothing of the process and of its own children is left; cancelling kills it.
        """
        try:
            self._transport = transport = await self._spawn()
        except OSError as error:
            self._say(f"cannot be started: {error}")
            return None
        if self._unwanted:
            self.terminate()
        try:
            await self._ended.wait()
            return transport.get_returncode()
        finally:
            self.kill()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._silent.wait(), LAST_WORDS_SECONDS)
            transport.close()

    def terminate(self) -> None:
        """Ask the process to end, as soon as it has started."""
        self._unwanted = True
        if self._transport and not self._ended.is_set():
            self._transport.send_signal(self._part.stop_signal)

    def kill(self) -> None:
        """End the process and its children at once."""
        if self._transport:
            with suppress(ProcessLookupError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    @property
    def pid(self) -> int | None:
        """The process's number; None before it was started."""
        return self._transport.get_pid() if self._transport else None

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Say the lines that are complete; asyncio calls this."""
        for line in self._splitter.feed(data):
            self._say(line)

    def process_exited(self) -> None:
        """Note the end of the process; asyncio calls this."""
        self._ended.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Note that it ended and that its output is read to the end; asyncio calls this."""
        for line in self._splitter.rest():
            self._say(line)
        self._silent.set()

    async def _spawn(self) -> asyncio.SubprocessTransport:
        part = self._part
        command = bound_to_parent(part.command, part.last_signal)
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            *(as_stand_in(command) if part.is_engine else command),
            cwd=part.cwd,
            env=part.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=part.inherits,
            start_new_session=True,
        )
        return transport
