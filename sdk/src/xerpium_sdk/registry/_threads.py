"""Background work as threads. Its twin is `_tasks`; the two are the only pair written by hand."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import sleep
from typing import TypeVar

import httpx2

__all__ = ["Signal", "Supplier", "Worker", "call", "sleep"]

T = TypeVar("T")
Supplier = Callable[[], T]
RESTART_SECONDS = 5.0
JOIN_SECONDS = 10.0
log = logging.getLogger("xerpium_sdk.registry")


def call(supplier: Supplier[T]) -> T:
    """Return what a caller's function says."""
    return supplier()


class Stopped(Exception):
    """Raised inside the work when it is to end; never leaves this module."""


class Worker:
    """One function that runs in the background from `start` to `stop`.

    The thread is a daemon: a program that ends without `stop` does not hang on it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._condition = threading.Condition()
        self._woken = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._response: httpx2.Response | None = None

    def start(self, run: Callable[[], None]) -> None:
        """Start ``run``."""
        self._stopping = self._woken = False
        self._thread = threading.Thread(target=self._supervise, args=(run,), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the work, wherever it waits, and return when it has ended (or after 10 s, leaving a daemon behind)."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
            if self._response is not None:
                _break(self._response)
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
            self._thread = None

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the next `wake`."""
        with self._condition:
            self._condition.wait_for(lambda: self._woken or self._stopping, seconds)
            self._woken = False
            self._stop_if_asked()

    def wake(self) -> None:
        """End the current or the next `sleep`; may be called from any thread."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    @contextmanager
    def reading(self, response: httpx2.Response) -> Iterator[None]:
        """Let `stop` end the reading of ``response``, which may wait for its next byte."""
        with self._condition:
            self._stop_if_asked()
            self._response = response
        try:
            yield
        finally:
            with self._condition:
                self._response = None
                self._stop_if_asked()  # then whatever went wrong with the reading is our own doing

    def _supervise(self, run: Callable[[], None]) -> None:
        with suppress(Stopped):
            while True:
                try:
                    run()
                except Stopped:
                    raise
                except Exception:  # a defect must not silently end a membership: it is shown, and the work starts again
                    log.exception("%s failed and starts again in %g s.", self._name, RESTART_SECONDS)
                self.sleep(RESTART_SECONDS)

    def _stop_if_asked(self) -> None:
        if self._stopping:
            raise Stopped


class Signal:
    """Lets threads wait until something has become true."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def notify(self) -> None:
        """Make everyone who waits look again."""
        with self._condition:
            self._condition.notify_all()

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Return True as soon as ``predicate`` holds, False when it does not within ``timeout`` seconds."""
        with self._condition:
            return self._condition.wait_for(predicate, timeout)


def _break(response: httpx2.Response) -> None:
    """End the read that another thread waits in. Closing the socket would leave it there; shutting it down does not."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
