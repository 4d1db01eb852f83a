"""Commands that run until they are told to stop."""

import logging
import random
import signal
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, ClassVar

import psycopg
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections

from apps.core import redis
from apps.core.postgres.refusing import refuse_unfit_role

__all__ = ["OUTAGES", "RunForever", "StopFlag"]

logger = logging.getLogger(__name__)

# What is raised when PostgreSQL or Redis is away. Anything else is a defect: it ends the command with its traceback.
OUTAGES: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    *redis.AWAY,
)


class StopFlag:
    """A flag that a signal handler may set while the same thread waits for it.

    ``threading.Event`` may not: its ``set`` takes the lock that the interrupted ``wait`` holds. ``SimpleQueue.put`` is
    reentrant by contract.
    """

    def __init__(self) -> None:
        self._set = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Raise the flag; has the shape of a signal handler."""
        self._set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Return whether it was raised."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for it to be raised; return whether it is."""
        if not self._set and seconds > 0:
            with suppress(Empty):
                self._wake.get(timeout=seconds)
        return self._set


class RunForever(BaseCommand):
    """Base of the endless commands: subclasses write `step`, the loop and its manners are here.

    SIGTERM and SIGINT raise ``stopping``; the step in progress ends, then the command does. While PostgreSQL or Redis
    is away the command waits, with growing jittered pauses, and says so once when it begins and once when it is over.
    """

    name: ClassVar[str]
    idle_seconds: float = 1.0
    """Pause after a step that had nothing to do."""
    longest_pause: float = 2.0
    """Greatest pause during an outage, in seconds: how late the command may notice that it is over."""
    # The checks would import every view of the hub, and these processes serve none.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare ``--once``."""
        parser.add_argument("--once", action="store_true", help="do what is waiting now, then stop")

    def begin(self, **options: Any) -> None:
        """Prepare the first step from the command's options; called once, before any connection is needed."""

    def step(self) -> bool:
        """Do the next piece of work; return True when there may be more at once.

        Raises:
            Exception: one of ``OUTAGES`` is waited out; anything else ends the command.
        """
        raise NotImplementedError

    def end(self) -> str:
        """Let go of what is held and return the closing summary; called once, also after a failure."""
        return ""

    def run_from_argv(self, argv: list[str]) -> None:
        """Run as a process of its own, which refuses to work as a role for which row-level security does not hold."""
        refuse_unfit_role()
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run `step` until a signal comes; with ``--once`` until nothing is left, and an outage is then an error."""
        self.stopping = StopFlag()
        self._ready, self._failures, self._away_since = False, 0, 0.0
        self.begin(**options)
        try:
            with _flag_on_signals(self.stopping):
                while not self.stopping.is_set():
                    more = self._try_step(patient=not options["once"])
                    if options["once"] and not more:
                        break
                    if not more:
                        self.stopping.wait(self._pause())
        finally:
            self._say(f"{self.name} stopped. {self.end()}".rstrip())

    def _try_step(self, *, patient: bool) -> bool:
        try:
            more = self.step()
        except OUTAGES as error:
            if not patient:
                raise
            self._note_outage(error)
            return False
        finally:
            close_old_connections()
        self._note_success()
        return more

    def _note_outage(self, error: Exception) -> None:
        if not self._failures:
            self._away_since = time.monotonic()
            cause = " ".join(str(error).split()) or type(error).__name__
            logger.warning("%s: PostgreSQL or Redis is away, trying again until it is back: %s", self.name, cause)
        self._failures += 1

    def _note_success(self) -> None:
        if self._failures:
            away = time.monotonic() - self._away_since
            logger.warning("%s: back after %.1f s and %d attempts", self.name, away, self._failures)
            self._failures = 0
        if not self._ready:
            self._ready = True
            self._say(f"{self.name} is now running")

    def _pause(self) -> float:
        """Return how long to wait before the next step, in seconds."""
        if not self._failures:
            return self.idle_seconds
        return min(self.longest_pause, 0.05 * 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1)

    def _say(self, line: str) -> None:
        """Print a line at once: a supervisor waits for it."""
        self.stdout.write(line)
        self.stdout.flush()


@contextmanager
def _flag_on_signals(flag: StopFlag) -> Iterator[None]:
    """Let SIGTERM and SIGINT raise ``flag`` instead of ending the process."""
    previous = {number: signal.signal(number, flag.set) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
