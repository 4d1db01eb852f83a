"""Threads for handlers that are plain functions; one that hangs does not keep the process from ending."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from contextvars import copy_context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeAlias

from xerpium_sdk.events.options import Around

__all__ = ["Crowded", "Threads"]

Job: TypeAlias = tuple[Future[Any], Callable[[], Any]]


class Crowded(Exception):
    """Raised when every thread is at work and no more may be begun."""


class Threads:
    """Up to ``most`` threads, begun as they are needed; ``around`` makes what surrounds each call."""

    def __init__(self, most: int, *, around: Around | None, name: str) -> None:
        self._most, self._around, self._name = most, around or nullcontext, name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._all = self._idle = 0

    def call(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have ``function`` called, in the context of the caller.

        Raises:
            Crowded: nobody could call it.
        """
        context = copy_context()
        future: Future[Any] = Future()
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._all < self._most:
                self._all += 1
                Thread(target=self._live, name=self._name, daemon=True).start()
            else:
                raise Crowded(f"All {self._most} threads are at work; some of them hang.")
            self._jobs.put((future, lambda: context.run(function, *arguments)))
        return future

    def close(self) -> None:
        """Let idle threads go, and busy ones after what they are at."""
        with self._lock:
            for _ in range(self._all):
                self._jobs.put(None)

    def _live(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                try:
                    with self._around():
                        result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del future, call, job
            with self._lock:
                self._idle += 1
