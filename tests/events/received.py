"""Entries as the engine gives them to raw batch handlers."""

from collections.abc import Mapping
from typing import Any

from tests.events.conftest import make_event
from xerpium_sdk.events import Received
from xerpium_sdk.wire.envelope import DecodeError, Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_DEAD


def received(fields: Mapping[Any, Any], *, stream: str = STREAM_EVENTS, entry_id: str = "1-0") -> Received:
    """Return an entry of ``stream`` with ``fields``, texts or bytes, read as the engine reads it."""
    raw = {_bytes(name): _bytes(value) for name, value in fields.items()}
    try:
        envelope: Envelope | None = Envelope.decode(raw, text_ids=stream != STREAM_EVENTS)
    except DecodeError as error:
        return Received(stream, entry_id, raw, None, str(error))
    return Received(stream, entry_id, raw, envelope)


def event(
    number: int = 1, event_type: str = "product_created", *, stream: str = STREAM_EVENTS, **fields: Any
) -> Received:
    """Return a good entry, but for ``fields``; its place in the stream is its number."""
    good = make_event(number, event_type).encode()
    return received({**good, **fields}, stream=stream, entry_id=f"{number}-0")


def dead(number: int = 1, *, original: Mapping[Any, Any] | None = None, **fields: Any) -> Received:
    """Return an entry of the stream of dead letters."""
    about = {
        "dead_group": "shop-group",
        "dead_handler": "shop.handlers.stock",
        "dead_reason": "max_attempts",
        "dead_error": "Traceback\nValueError: no shelf",
        "dead_attempts": "5",
        "dead_stream": STREAM_EVENTS,
        "dead_stream_id": f"{number}-7",
        "dead_at": "2026-01-02T03:04:05.678Z",
    }
    body = make_event(number, "product_created").encode() if original is None else original
    return received({**body, **about, **fields}, stream=STREAM_EVENTS_DEAD, entry_id=f"{number}-0")


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
