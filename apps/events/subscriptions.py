"""How an app of the hub says what it wants to hear: groups of the hub, each a consumer of its own on the bus."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from xerpium_sdk.events import Handler, Received
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM

__all__ = ["CORE_GROUP", "OWN_PREFIX", "Copier", "Subscription"]

OWN_PREFIX = "hub-"
"""The hub's own groups begin with this, so that services can tell them from theirs."""
CORE_GROUP = "hub-core"
"""The group of the handlers that apps declare by type of event."""

Copier = Callable[[Sequence[Received]], object]
"""Takes entries as they came, many at a time, and must take them all: what it raises is an outage, no entry's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One group of the hub.

    Attributes:
        group: its name.
        streams: what it reads.
        handlers: by type of event, what is called for each.
        copier: or instead, what takes every entry, readable or not.
        is_last: with ``--once`` it runs when the others are done, because it reads what they write.
    """

    group: str
    streams: tuple[str, ...] = (STREAM_EVENTS, STREAM_EVENTS_CUSTOM)
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    copier: Copier | None = None
    is_last: bool = False

    def __post_init__(self) -> None:
        if not self.group.startswith(OWN_PREFIX):
            raise ValueError(f"{self.group}: the hub's own groups begin with {OWN_PREFIX}.")
        if bool(self.handlers) == bool(self.copier):
            raise ValueError(f"{self.group} has either handlers or a copier.")
