"""What publishing raises.

BusError
├── InvalidEvent   the event cannot travel: every fault with its place; nothing was sent
└── PublishFailed  Redis did not confirm: which events, and whether they may have been written
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BusError", "EventFault", "InvalidEvent", "PublishFailed"]

SHOWN = 10
"""Faults that the text of an error spells out."""


class BusError(Exception):
    """Base of what publishers raise on purpose."""


@dataclass(frozen=True, slots=True)
class EventFault:
    """One thing that is wrong with an event."""

    path: str
    """Where: ``entity_id``, ``data.lines[3].price``; of several events ``events[17].entity_id``."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class InvalidEvent(BusError, ValueError):
    """Raised when events cannot be published as they are; ``faults`` lists all that is wrong, and none was sent."""

    def __init__(self, faults: Sequence[EventFault]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        more = f"; and {len(self.faults) - SHOWN} more" if len(self.faults) > SHOWN else ""
        return "; ".join(map(str, self.faults[:SHOWN])) + more


class PublishFailed(BusError):
    """Raised when Redis did not confirm that it has the events.

    Published again with the same ``event_ids``, events that are there after all are handled once by consumers with an
    idempotency store, and stored once in the journal.
    """

    def __init__(self, message: str, event_ids: Sequence[str], may_be_written: bool) -> None:
        super().__init__(message, event_ids, may_be_written)
        self.message = message
        self.event_ids = tuple(event_ids)
        """The events that are not confirmed; in the order in which they were given."""
        self.may_be_written = may_be_written
        """Whether they may be in their stream all the same: an answer was lost. False: they are not."""

    def __str__(self) -> str:
        return self.message
