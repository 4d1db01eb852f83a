"""How the catalogue's stream is followed: what to ask for, what to make of it, when to try again. Pure."""

from collections.abc import Iterator

from xerpium_sdk._backoff import Backoff, Random
from xerpium_sdk.registry._sse import Parser
from xerpium_sdk.registry._view import OutOfStep, View
from xerpium_sdk.wire.registry import ServiceRecord

__all__ = ["Follower"]

STEADY_SECONDS = 10.0
RETURN_SECONDS = 90.0
"""How long services may take to come back to a hub that has forgotten them: the usual lease."""


class Follower:
    """Feeds one view from one connection after the other; ``now`` is any clock in seconds that only moves forward."""

    def __init__(self, view: View, backoff: Backoff, random: Random) -> None:
        self.heard_at: float | None = None
        self._view = view
        self._backoff = backoff
        self._random = random
        self._parser = Parser()
        self._resume = False
        self._began = 0.0
        self._failures = 0
        self._set_back_at: float | None = None

    def begin(self, now: float) -> dict[str, str]:
        """Return the headers of the next connection: it goes on after what is known, unless that is in doubt."""
        self._parser = Parser()
        self._began = now
        return {"Last-Event-ID": str(self._view.revision)} if self._resume else {}

    def heard(self, now: float, piece: bytes) -> Iterator[list[ServiceRecord]]:
        """Fold in what a piece of the stream completes and yield the records that each event changed, if any.

        Raises:
            OutOfStep: when the stream cannot be followed; what came before that counts.
        """
        self.heard_at = now
        for event in self._parser.feed(piece):
            try:
                changed = self._view.apply(event)
            except OutOfStep:
                self._resume = False
                raise
            self._resume = self._view.revision is not None
            yield changed
        self._forget(now)

    def lost(self, now: float, *, retry_after: float = 0.0) -> float:
        """Return the seconds to wait before the next connection.

        Only a connection that lasted a while ends the row of failures: a hub that takes connections and drops them at
        once must not be asked again and again by everyone.
        """
        steady = self.heard_at is not None and self.heard_at - self._began >= STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        return self._backoff.delay(self._failures, self._random, retry_after=retry_after)

    def _forget(self, now: float) -> None:
        """Choose no more, after a while, what only the hub of before knew."""
        if not self._view.is_set_back:
            self._set_back_at = None
        elif self._set_back_at is None:
            self._set_back_at = now
        elif now - self._set_back_at >= RETURN_SECONDS:
            self._view.forget()
