"""What is in hand here: the correlation of the event that is being handled, and the W3C trace that it continues.

A handler that publishes passes its correlation on without saying so: `EventPublisher` asks `current_correlation_id`.
No field is added to the envelope: a ``correlation_id`` that is a W3C ``traceparent`` is the trace.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_hex

from xerpium_sdk.wire.envelope import Envelope

__all__ = [
    "TraceParent",
    "correlated",
    "current_correlation_id",
    "current_event",
    "current_traceparent",
    "event_in_hand",
]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

event_in_hand: ContextVar[Envelope | None] = ContextVar("xerpium_event_in_hand", default=None)
"""The event that is being handled here; the engine sets it before each call of a handler."""

_given: ContextVar[str | None] = ContextVar("xerpium_correlation_id", default=None)


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A W3C ``traceparent`` (Trace Context, level 1): which trace, and which step of it."""

    trace_id: str
    span_id: str
    flags: str = "01"

    @classmethod
    def parse(cls, text: str | None) -> "TraceParent | None":
        """Return what ``text`` says, or None when it is no traceparent (also when its ids are all zeros)."""
        found = _TRACEPARENT.fullmatch(text) if text else None
        return cls(*found.groups()) if found else None

    @classmethod
    def begin(cls) -> "TraceParent":
        """Return the first step of a new trace."""
        return cls(token_hex(16), token_hex(8))

    def step(self, event_id: str) -> "TraceParent":
        """Return the step below this one that handling ``event_id`` is: the same for each attempt at it."""
        span = blake2b(f"{self.span_id}{event_id}".encode(), digest_size=8).hexdigest()
        return TraceParent(self.trace_id, span, self.flags)

    def __str__(self) -> str:
        """Return the header's text."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def current_event() -> Envelope | None:
    """Return the event that is being handled here; None outside of handlers and in handlers of batches."""
    return event_in_hand.get()


def current_correlation_id() -> str | None:
    """Return the correlation id for what is published here; None when there is nothing to be correlated with.

    Within `correlated` it is the one given there. Within a handler it is that of the event in hand, or the event's own
    id when it has none; a traceparent is continued: same trace, one step further.
    """
    if (given := _given.get()) is not None:
        return given
    if (event := event_in_hand.get()) is None:
        return None
    if trace := TraceParent.parse(event.correlation_id):
        return str(trace.step(event.event_id))
    return event.correlation_id or event.event_id


def current_traceparent() -> str | None:
    """Return the ``traceparent`` for calls made here, or None when what is in hand belongs to no trace."""
    trace = TraceParent.parse(current_correlation_id())
    return str(trace) if trace else None


@contextmanager
def correlated(correlation_id: str | None) -> Iterator[None]:
    """Give what is published in this block ``correlation_id``; None: what it would have without an enclosing block."""
    token = _given.set(correlation_id)
    try:
        yield
    finally:
        _given.reset(token)
