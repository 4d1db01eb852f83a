"""What publishers need of threads. Its twin is `_tasks`; the two are the only pair written by hand."""

import os
import threading
from collections.abc import Callable
from time import sleep
from typing import Any, Generic, TypeVar

from redis.exceptions import ResponseError, TimeoutError

__all__ = ["Local", "Slots", "exchange", "sleep"]

T = TypeVar("T")


class Slots:
    """Lets so many at once, and the others wait."""

    def __init__(self, count: int) -> None:
        self._semaphore = threading.BoundedSemaphore(count)

    def acquire(self, seconds: float) -> None:
        """Take a slot.

        Raises:
            TimeoutError: there was none within ``seconds``.
        """
        if not self._semaphore.acquire(timeout=seconds):
            raise TimeoutError(f"no connection was free within {seconds:.1f} s")

    def release(self) -> None:
        """Give a slot back."""
        self._semaphore.release()


class Local(Generic[T]):
    """One of something for all threads of a process, made when it is first asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._one: T | None = None

    def get(self) -> T:
        """Return it."""
        if self._process != os.getpid():
            self._begin()  # a fork: the connections are the parent's, and its threads may have held the lock
        if (one := self._one) is not None:
            return one
        with self._lock:
            if self._one is None:
                self._one = self._make()
            return self._one

    def clear(self, close: Callable[[T], None]) -> None:
        """Forget it, and close it."""
        with self._lock:
            one, self._one = self._one, None
        if one is not None:
            close(one)


def exchange(connection: Any, packed: bytes, count: int, seconds: float) -> list[Any]:
    """Send ``packed`` and return its ``count`` answers; an error that the server answered stands in its place.

    Raises:
        RedisError, OSError: the connection was lost or an answer took longer than ``seconds``.
    """
    connection.send_packed_command([packed])
    replies: list[Any] = []
    for _ in range(count):
        try:
            replies.append(connection.read_response(timeout=seconds))
        except ResponseError as error:
            replies.append(error)
    return replies
