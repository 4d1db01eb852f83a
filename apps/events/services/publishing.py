"""Publishing for services over REST: checked, then appended to the streams in one transaction of Redis."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from apps.core import redis
from apps.core.errors import FieldError, InvalidInput, Unavailable
from apps.events import streams
from apps.events.declarations import Declared, declared
from apps.events.schemas import Checks
from apps.events.seed import SEED_TYPES
from apps.events.visibility import Companies, visible
from xerpium_sdk.wire.envelope import DecodeError, Envelope, stream_of
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["events_faults", "events_publish"]

MAX_HINTS = 5


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
        InvalidInput: a type is undeclared or another company's, data does not fit its schema, or consumers could not
            read an event.
        Unavailable: Redis is away or full, or the journal is so far behind that entries would be lost. When Redis went
            away in between, the events may be there: sending them again with the same ``event_id`` does no harm.
    """
    if faults := events_faults(envelopes=envelopes, companies=companies, pointers=pointers):
        raise InvalidInput(errors=faults)
    entries = [(stream_of(envelope.event_type), envelope.encode()) for envelope in envelopes]
    try:
        streams.require_room({stream for stream, _ in entries}, now=now)
        return streams.append(entries)
    except redis.RedisError as error:
        raise Unavailable("The event streams cannot be written at the moment.") from error


def events_faults(
    *, envelopes: Sequence[Envelope], companies: Companies = "*", pointers: Sequence[str] | None = None
) -> list[FieldError]:
    """Return why ``envelopes`` would not be published; the arguments are those of `events_publish`."""
    where = pointers or [f"/{index}" for index in range(len(envelopes))]
    # What is known may be half a second old, and a caller sees its own declarations at once.
    if not _faults(envelopes, where, companies, declared()):
        return []
    return _faults(envelopes, where, companies, declared(fresh=True))


def _faults(
    envelopes: Sequence[Envelope], pointers: Sequence[str], companies: Companies, known: Mapping[str, Declared]
) -> list[FieldError]:
    found: list[FieldError] = []
    hints, checks = _Hints(known, companies), Checks()
    for envelope, pointer in zip(envelopes, pointers, strict=True):
        declaration = known.get(envelope.event_type)
        if declaration is not None and not visible(declaration.company_id, companies):
            declaration = None
        if declaration is None and envelope.event_type not in SEED_TYPES:
            name = envelope.event_type[:100]
            text = f"Nobody has declared the event type {name!r}: POST it to events/types/ first.{hints.of(name)}"
            found.append(FieldError(f"{pointer}/event_type", "undeclared", text))
            continue
        if declaration is not None and declaration.company_id not in (None, envelope.company_id):
            # As the journal has it: what a company declares holds for its own events.
            if envelope.event_type not in SEED_TYPES:
                text = f"The type is one of company {declaration.company_id}, and so are its events."
                found.append(FieldError(f"{pointer}/company_id", "other_company", text))
            declaration = None
        found += checks.faults(declaration.schema if declaration else None, envelope.data, f"{pointer}/data")
        found += _unreadable(envelope, pointer)
    return found


class _Hints:
    """What may have been meant by an unknown type; comparing is slow, so only for the first few names of a request."""

    def __init__(self, known: Mapping[str, Declared], companies: Companies) -> None:
        self._known, self._companies = known, companies
        self._given: dict[str, str] = {}

    def of(self, name: str) -> str:
        if name not in self._given and len(self._given) < MAX_HINTS:
            names = [one.event_type for one in self._known.values() if visible(one.company_id, self._companies)]
            near = get_close_matches(name, sorted(SEED_TYPES.union(names)), n=1)
            self._given[name] = f" Did you mean “{near[0]}”?" if near else ""
        return self._given.get(name, "")


def _unreadable(envelope: Envelope, pointer: str) -> Iterator[FieldError]:
    """Look at an event as its consumers will: what they cannot read must not get into their pending lists."""
    try:
        Envelope.decode(envelope.encode(), text_ids=stream_of(envelope.event_type) != STREAM_EVENTS)
    except DecodeError as error:
        yield FieldError(pointer, "unreadable", str(error))
    except (TypeError, ValueError) as error:
        yield FieldError(f"{pointer}/data", "invalid", f"The data has no JSON form: {error}.")
