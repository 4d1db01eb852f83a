"""Publishing for services over REST: checked, then appended to the streams in one transaction of Redis."""

import datetime as dt
from collections.abc import Iterator, Sequence

from apps.core import redis
from apps.core.errors import FieldError, InvalidInput, Unavailable
from apps.events import streams
from apps.events.declarations import declared
from apps.events.schemas import data_faults
from apps.events.visibility import Companies, visible
from xerpium_sdk.wire.envelope import DecodeError, Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["events_publish"]

MAX_FAULTS = 100


def events_publish(
    *,
    envelopes: Sequence[Envelope],
    now: dt.datetime,
    companies: Companies = "*",
    pointers: Sequence[str] | None = None,
) -> list[str]:
    """Append ``envelopes`` in this order to the streams of their types, all or none; return their stream ids.

    Args:
        envelopes: the events; the seed's types go to ``xerpium:events``, where every consumer of today can read them,
            declared ones to ``xerpium:events:custom``.
        now: the present.
        companies: whose declarations the caller may see; a type that only another company knows is undeclared.
        pointers: where each event stands in the request (default: ``/0``, ``/1``, …).

    Raises:
        InvalidInput: a type is undeclared, data does not fit its schema, or consumers could not read an event.
        Unavailable: Redis is away or full, or the journal is so far behind that entries would be lost. When Redis went
            away in between, the events may be there: sending them again with the same ``event_id`` does no harm.
    """
    where = pointers or [f"/{index}" for index in range(len(envelopes))]
    faults = _faults(envelopes, where, companies, fresh=False)
    if faults:  # perhaps of a second ago: a caller sees its own declarations at once
        faults = _faults(envelopes, where, companies, fresh=True)
    if faults:
        raise InvalidInput(errors=faults[:MAX_FAULTS])
    entries = [(streams.stream_of(envelope.event_type), envelope.encode()) for envelope in envelopes]
    try:
        streams.require_room({stream for stream, _ in entries}, now=now)
        return streams.append(entries)
    except redis.RedisError as error:
        raise Unavailable("The event streams cannot be written at the moment.") from error


def _faults(
    envelopes: Sequence[Envelope], pointers: Sequence[str], companies: Companies, *, fresh: bool
) -> list[FieldError]:
    known = declared(fresh=fresh)
    found: list[FieldError] = []
    for envelope, pointer in zip(envelopes, pointers, strict=True):
        declaration = known.get(envelope.event_type)
        if declaration is not None and not visible(declaration.company_id, companies):
            declaration = None
        if declaration is None and envelope.event_type not in streams.SEED:
            text = f"Nobody has declared the event type {envelope.event_type[:100]!r}: POST it to events/types/ first."
            found.append(FieldError(f"{pointer}/event_type", "undeclared", text))
            continue
        found += data_faults(declaration.schema if declaration else None, envelope.data, f"{pointer}/data")
        found += _unreadable(envelope, pointer)
    return found


def _unreadable(envelope: Envelope, pointer: str) -> Iterator[FieldError]:
    """Look at an event as its consumers will: what they cannot read must not get into their pending lists."""
    try:
        Envelope.decode(envelope.encode(), text_ids=streams.stream_of(envelope.event_type) != STREAM_EVENTS)
    except DecodeError as error:
        yield FieldError(pointer, "unreadable", str(error))
    except (TypeError, ValueError) as error:
        yield FieldError(f"{pointer}/data", "invalid", f"The data has no JSON form: {error}.")
