"""What the relay keeps in Redis besides the streams: projections, each fed by one stream.

An app registers its projection in ``AppConfig.ready``. Entries of a stream with a projection need not be kept once they
are relayed: whatever Redis loses of them, ``rebuild`` brings back from PostgreSQL.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from apps.core.redis import Pipeline, Redis

__all__ = ["Projection", "register", "registered"]


class Projection(Protocol):
    """Keys in Redis that say what PostgreSQL says, up to some entry of a stream. Only the relay calls it."""

    def project(self, pipeline: Pipeline, entries: Sequence[Mapping[str, str]]) -> None:
        """Add to ``pipeline`` what ``entries`` (the fields of each, in stream order) change.

        The commands run in the transaction that appends the entries. An entry may come twice, and after a `rebuild`
        entries come that it has already seen in PostgreSQL: passing over what is not newer keeps it from going back.
        An exception means that an entry cannot be read; the relay finds out which, parks it, and calls `rebuild`.
        """

    def is_missing(self, client: Redis) -> bool:
        """Return whether the keys are absent, or behind what was projected (Redis came back with an older state).

        Asked when a relay takes over, and at least once a second.
        """

    def rebuild(self, client: Redis) -> None:
        """Write the keys anew from PostgreSQL."""


_projections: dict[str, Projection] = {}


def register(stream: str, projection: Projection) -> None:
    """Let ``projection`` be fed by ``stream``.

    Raises:
        ValueError: the stream has one.
    """
    if stream in _projections:
        raise ValueError(f"{stream} already feeds a projection.")
    _projections[stream] = projection


def registered() -> Mapping[str, Projection]:
    """Return the projections by the stream that feeds them."""
    return _projections
