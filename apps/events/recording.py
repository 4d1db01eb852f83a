"""From an entry of a stream to a row of the journal, whatever the entry holds. Pure.

Columns that are indexed hold texts of bounded length, since an index takes no others; data beyond a size is kept in
part; an entry that cannot be read keeps its fields as texts. Only the columns that say where an entry stood are never
changed.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import orjson

from apps.events.texts import clean, clean_json, cut, integer, show_fields
from apps.events.verdicts import Judgement
from xerpium_sdk.wire.envelope import FIELDS, Envelope

__all__ = ["COLUMNS", "MAX_DATA_BYTES", "Received", "Record", "bare", "record"]

MAX_TEXT = 200
MAX_FAULT = 2000
MAX_DATA_BYTES = 1024 * 1024
"""More is kept in part: it is also the most that the hub takes over REST."""
KEPT_OF_TOO_MUCH = 64 * 1024


class Received(Protocol):
    """An entry as the consumer engine gives it to raw batch handlers."""

    @property
    def stream(self) -> str:
        """Where it stood."""

    @property
    def entry_id(self) -> str:
        """Its id there."""

    @property
    def fields(self) -> Mapping[bytes, bytes]:
        """What it held."""

    @property
    def envelope(self) -> Envelope | None:
        """The event in it, None when it cannot be read."""

    @property
    def fault(self) -> str:
        """Why it cannot be read."""


class Record(NamedTuple):
    """A row of the journal but for the time of storing; JSON as text."""

    stream: str
    stream_id: str
    event_id: str
    event_type: str
    service_name: str
    entity_type: str
    entity_id: str
    company_id: int | None
    user_id: str
    timestamp: str
    occurred_at: str | None
    data: str | None
    version: str
    correlation_id: str
    verdict: str
    fault: str
    extra: str | None

    @property
    def size(self) -> int:
        """Characters of what may be long."""
        return len(self.data or "") + len(self.extra or "")


COLUMNS = Record._fields
JudgeOf = Callable[[str, Envelope, int], Judgement]
_NAMES = tuple(name.encode() for name in FIELDS)
_KNOWN = frozenset(_NAMES)
_INDEXED = (
    "event_type",
    "service_name",
    "entity_type",
    "entity_id",
    "user_id",
    "timestamp",
    "version",
    "correlation_id",
)


def record(entry: Received, judge: JudgeOf) -> Record:
    """Return the row for ``entry``; never raises."""
    try:
        if entry.envelope is None:
            return _unreadable(entry, entry.fault or "It is no event.")
        return _event(entry, entry.envelope, judge)
    except Exception as error:  # an entry of others must never stop the journal, whatever it found out
        return _unreadable(entry, f"The hub could not store it as an event: {type(error).__name__}: {error}")


def bare(entry: Received, why: str) -> Record:
    """Return the least that can be stored of ``entry``: that it was there, and ``why`` there is not more."""
    names = [cut(clean(name[:800]), MAX_TEXT) for name in list(entry.fields)[:50]]
    extra = orjson.dumps({"fields": names, "bytes": sum(map(len, entry.fields.values()))}).decode()
    return _bare(entry, "undecodable", why, extra)


def _event(entry: Received, event: Envelope, judge: JudgeOf) -> Record:
    fields = entry.fields
    data = fields.get(b"data") or b"{}"
    verdict, fault = judge(entry.stream, event, len(data))
    extra = {} if len(fields) == len(_NAMES) else _beyond(fields)
    texts = [
        event.event_type,
        event.service_name,
        event.entity_type,
        "" if event.entity_id is None else str(event.entity_id),
        "" if event.user_id is None else str(event.user_id),
        event.timestamp,
        event.version,
        event.correlation_id or "",
    ]
    if _is_odd(fields):
        texts = [clean(text) for text in texts]
    if max(map(len, texts)) > MAX_TEXT or len(event.event_id) > MAX_TEXT:
        fault = _told(fault, f"Texts of more than {MAX_TEXT} characters are cut; the whole is in “extra”.")
        extra |= show_fields(
            {name: value for name, value in fields.items() if len(value) > MAX_TEXT and name != b"data"}
        )
        texts = [cut(text, MAX_TEXT) for text in texts]
    text, kept = _data(data)
    if kept is not None:
        fault = _told(fault, f"Of its {len(data):,} bytes of data the journal keeps the first {KEPT_OF_TOO_MUCH:,}.")
        extra["data"] = kept
    event_type, service_name, entity_type, entity_id, user_id, timestamp, version, correlation_id = texts
    return Record(
        entry.stream,
        entry.entry_id,
        _event_id(entry, event.event_id),
        event_type,
        service_name,
        entity_type,
        entity_id,
        event.company_id,
        user_id,
        timestamp,
        event.occurred_at.isoformat(),
        text,
        version,
        correlation_id,
        verdict,
        cut(clean(fault), MAX_FAULT),
        orjson.dumps(extra).decode() if extra else None,
    )


def _event_id(entry: Received, event_id: str) -> str:
    """An id that cannot be a key, because it is too long or holds NUL, is replaced by the place of the entry."""
    return event_id if len(event_id) <= MAX_TEXT and "\0" not in event_id else _place(entry)


def _data(data: bytes) -> tuple[str | None, str | None]:
    """Return the data as JSON text that PostgreSQL takes; or, of too much, nothing and what is kept of it."""
    if len(data) > MAX_DATA_BYTES:
        return None, clean(data[:KEPT_OF_TOO_MUCH])
    text = data.decode()
    # Escapes of NUL, and halves of surrogate pairs: jsonb takes neither.
    if "\\u0000" in text or "\\ud" in text or "\\uD" in text:
        return clean_json(text), None
    return text, None


def _is_odd(fields: Mapping[bytes, bytes]) -> bool:
    return b"\0" in b"".join(fields.values())


def _beyond(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return show_fields({name: value for name, value in fields.items() if name not in _KNOWN})


def _unreadable(entry: Received, fault: str) -> Record:
    fields = entry.fields
    known = {name: cut(clean(fields.get(name.encode(), b"")[: 4 * MAX_TEXT]), MAX_TEXT) for name in _INDEXED}
    extra = orjson.dumps(show_fields(fields)).decode()
    return _bare(entry, "undecodable", fault, extra)._replace(company_id=integer(fields.get(b"company_id")), **known)


def _bare(entry: Received, verdict: str, fault: str, extra: str) -> Record:
    fault = cut(clean(fault), MAX_FAULT)
    where = (entry.stream, entry.entry_id, _place(entry))
    return Record(*where, "", "", "", "", None, "", "", None, None, "", "", verdict, fault, extra)


def _place(entry: Received) -> str:
    return f"{entry.stream}/{entry.entry_id}"


def _told(fault: str, more: str) -> str:
    return f"{fault} {more}".strip()


def day_of(moment: dt.datetime) -> dt.date:
    """Return the day, in UTC, whose partition ``moment`` belongs to."""
    return moment.astimezone(dt.UTC).date()
