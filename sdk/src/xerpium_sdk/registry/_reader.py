"""What a catalogue answers from memory: the same for threads and tasks, since nothing here waits."""

import logging
from collections.abc import Callable, Collection
from math import inf
from random import random
from time import monotonic

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.registry._choice import Endpoint
from xerpium_sdk.registry._follow import Follower
from xerpium_sdk.registry._view import View
from xerpium_sdk.wire.registry import ServiceRecord

__all__ = ["CatalogReader", "OnChange"]

OnChange = Callable[[ServiceRecord], None]
log = logging.getLogger("xerpium_sdk.registry")


class CatalogReader:
    """The live local catalogue, as far as it needs no waiting. Safe to use from any thread."""

    def __init__(self, *, zone: str | None, backoff: Backoff) -> None:
        self.zone = zone
        self._view = View()
        self._follower = Follower(self._view, backoff, random)
        self._callbacks: list[OnChange] = []

    @property
    def ready(self) -> bool:
        """Whether a snapshot has been loaded; from then on there is always an answer, however old (`age`)."""
        return self._view.revision is not None

    @property
    def revision(self) -> int:
        """The catalogue's revision that is known here; 0 before the first snapshot."""
        return self._view.revision or 0

    @property
    def age(self) -> float:
        """Seconds since the hub was last heard, infinity before that. It speaks every 15 s: beyond 20 it is away."""
        heard_at = self._follower.heard_at
        return inf if heard_at is None else monotonic() - heard_at

    @property
    def services(self) -> list[ServiceRecord]:
        """All services, by name."""
        return self._view.services

    def get(self, name: str) -> ServiceRecord | None:
        """Return what is known of a service, or None."""
        return self._view.get(name)

    def choose(
        self, name: str, version: str | None = None, zone: str | None = None, *, without: Collection[str] = ()
    ) -> Endpoint:
        """Return an instance of ``name`` for one piece of work; call `Endpoint.done` after it, or use ``with``.

        Healthy instances come before degraded before starting ones, then those of ``zone`` (by default the catalogue's
        own) before others; among these a draw by weight, in favour of the less busy. ``version`` is an npm-style range.
        Instances whose ids are in ``without`` are taken only when there is no other.

        Raises:
            NoInstance: when none can take work; the message tells why.
            VersionRangeError: when ``version`` is no range.
        """
        return self._view.choose(name, version, zone or self.zone, random, without)

    def can_choose(self, name: str, version: str | None = None, *, without: Collection[str] = ()) -> bool:
        """Return whether `choose` has an instance to return that is none of ``without``."""
        return self._view.can_choose(name, version, without)

    def on_change(self, callback: OnChange) -> Callable[[], None]:
        """Call ``callback`` with every record that changes, from the thread or loop that follows the hub.

        A service that left comes with the status deregistered. Returns a function that ends it.
        """
        self._callbacks.append(callback)

        def end() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return end

    def _tell(self, changed: list[ServiceRecord]) -> None:
        for record in changed:
            for callback in tuple(self._callbacks):
                try:
                    callback(record)
                except Exception:  # foreign code: its defect must not end the catalogue
                    log.exception("A callback of the catalogue failed on %s.", record.name)
