"""A document of the hub that is kept, and fetched again when it has grown old; one fetch for everybody who waits."""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from math import inf
from typing import Generic, TypeVar

from xerpium_sdk._backoff import Backoff, Random
from xerpium_sdk.auth._background import begin
from xerpium_sdk.errors import HubError, HubUnavailable

__all__ = ["Kept"]

T = TypeVar("T")
log = logging.getLogger("xerpium_sdk.auth")


class Kept(Generic[T]):
    """What was fetched last, how old it is, and when to look again.

    Args:
        name: what it is, for the log.
        fetch: fetches it; it is given what is kept, and may return that again.
        nothing: what there is before the first fetch.
        fresh: seconds after which it is fetched again, in the background.
        now: a clock that only moves forward.
        jitter: spreads the tries of many services.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[T], T],
        nothing: T,
        *,
        fresh: float,
        now: Callable[[], float],
        jitter: Random,
    ) -> None:
        self.value = nothing
        self.generation = 0
        self._name, self._fetch, self._fresh = name, fetch, fresh
        self._now, self._jitter = now, jitter
        self._backoff = Backoff(base=1.0, cap=min(fresh, 30.0))
        self._fetched_at = -inf
        self._asked_at = -inf
        self._not_before = -inf
        self._failures = 0
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._running: Future[T] | None = None

    @property
    def age(self) -> float:
        """Seconds since it was fetched; infinity before that."""
        return self._now() - self._fetched_at

    def refresh(self, *, at_most_every: float | None = None) -> "Future[T] | None":
        """Return the future of a fetch that runs, or is begun because the document is old; None: not now.

        With ``at_most_every``, it is fetched whether it is old or not, unless it was so within so many seconds.
        """
        if self._process != os.getpid():
            self._begin()  # a fork: the parent's threads are not here, and one of them may have held the lock
        with self._lock:
            if self._running is not None:
                return self._running
            now = self._now()
            if at_most_every is None:
                wanted = now - self._fetched_at >= self._fresh
            else:
                wanted = now - self._asked_at >= at_most_every
            if not wanted or now < self._not_before:
                return None
            if at_most_every is not None:
                self._asked_at = now
            self._running = begin(self._name, self._fetched, self._done)
            return self._running

    def put(self, value: T) -> None:
        """Take over what came another way, as if it had been fetched now."""
        with self._lock:
            self._take(value, self._now())

    def _done(self) -> None:
        self._running = None

    def _fetched(self) -> T:
        asked_at = self._now()
        try:
            value = self._fetch(self.value)
        except Exception as error:  # whatever it is, the pauses have to be kept
            wanted = error.retry_after if isinstance(error, HubUnavailable) else 0.0
            with self._lock:
                self._failures += 1
                pause = self._backoff.delay(self._failures, self._jitter, retry_after=wanted)
                self._not_before = self._now() + pause
            level = logging.WARNING if self._failures == 1 else logging.DEBUG
            log.log(level, "The hub's %s could not be fetched: %s", self._name, error)
            raise error if isinstance(error, HubError) else HubError(f"{self._name}: {error}") from error
        with self._lock:
            self._take(value, asked_at)
        return value

    def _take(self, value: T, at: float) -> None:
        if self._failures:
            log.info("The hub's %s could be fetched again.", self._name)
        self._failures, self._not_before, self._fetched_at = 0, -inf, at
        if value != self.value:
            self.value = value
            self.generation += 1
