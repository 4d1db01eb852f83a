"""How a consumer behaves: its options, checked once."""

import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

from xerpium_sdk.events.idempotency import IdempotencyStore
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["Around", "Options", "allows_text", "host_name"]

Around: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Makes what surrounds a stretch of work of a handler's thread, such as the tidying of database connections."""

GONE_BEATS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `EventConsumer`, described there."""

    group: str
    streams: Sequence[str]
    base_name: str
    consumer_name: str | None
    ordered: bool
    start_at: str
    batch: int
    max_in_hand: int
    claim_idle_ms: int
    lease_seconds: float
    grace_seconds: float
    block_ms: int
    idempotency: IdempotencyStore | None
    is_outage: Callable[[Exception], bool]
    around: Around | None
    text_ids: Callable[[str], bool]
    own_streams: Collection[str] = frozenset()
    beat_seconds: float = 1.0

    @property
    def look_seconds(self) -> float:
        """How often to look for entries of consumers that are gone."""
        return min(self.claim_idle_ms / 2000, self.beat_seconds * GONE_BEATS)

    @property
    def gone_ms(self) -> int:
        """After how many milliseconds without a sign of life a consumer counts as gone."""
        return int(self.beat_seconds * GONE_BEATS * 1000)

    def __post_init__(self) -> None:
        if self.batch < 1 or self.max_in_hand < self.batch:
            raise ValueError("batch must be at least 1, and max_in_hand at least batch.")
        if self.lease_seconds * 1000 <= self.block_ms:
            raise ValueError(f"lease_seconds must be above {self.block_ms / 1000} s, the longest blocking read.")
        if not self.streams:
            raise ValueError("Name at least one stream.")


def allows_text(stream: str) -> bool:
    """Return whether ids may be text: only types that services declare may have such, and they travel elsewhere."""
    return stream != STREAM_EVENTS


def host_name() -> str:
    """Return this host's name."""
    return socket.gethostname()
