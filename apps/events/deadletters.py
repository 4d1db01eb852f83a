"""Dead letters from their stream into PostgreSQL, where operators find and decide on them."""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.db import DatabaseError, connection, transaction

from apps.events.journal import is_refusal
from apps.events.recording import Received
from apps.events.texts import clean, cut, integer, is_text, show_fields
from xerpium_sdk.wire.times import parse_time

__all__ = ["store"]

logger = logging.getLogger(__name__)

MAX_TEXT = 200
MAX_ERROR = 8000
MAX_BYTES = 8 * 1024 * 1024
"""A larger entry is shown in part and cannot be sent again."""
MAX_INTEGER = 2**31 - 1
_ABOUT = frozenset(
    name.encode()
    for name in (
        *("dead_group", "dead_handler", "dead_reason", "dead_error", "dead_attempts"),
        *("dead_stream", "dead_stream_id", "dead_at", "replay_of", "replay_stream"),
    )
)
_COLUMNS = {
    "entry_id": "text",
    "group": "text",
    "handler": "text",
    "reason": "text",
    "error": "text",
    "attempts": "integer",
    "stream": "text",
    "stream_id": "text",
    "dead_at": "timestamptz",
    "event_id": "text",
    "event_type": "text",
    "service_name": "text",
    "entity_type": "text",
    "entity_id": "text",
    "company_id": "bigint",
    "correlation_id": "text",
    "fields": "jsonb",
    "is_text": "boolean",
    "replay_of": "bigint",
}
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS if name != "replay_of")
_DEFINITION = ", ".join(f'"{name}" {kind}' for name, kind in _COLUMNS.items())
_STORE = f"""
INSERT INTO events_deadletter ({_NAMES}, state, decided_by, replay_of_id)
SELECT {_NAMES}, 'waiting', '', (SELECT d.id FROM events_deadletter d WHERE d.id = r.replay_of)
FROM jsonb_to_recordset(%s::jsonb) AS r({_DEFINITION})
ON CONFLICT (entry_id) DO NOTHING
"""


def store(entries: Sequence[Received], *, now: dt.datetime) -> int:
    """Store the dead letters in ``entries``, those that are there already excepted; return how many are new.

    Raises:
        DatabaseError: PostgreSQL is away. Nothing that an entry holds is a reason.
    """
    return _store(entries, [_letter(entry, now) for entry in entries])


def _store(entries: Sequence[Received], rows: Sequence[dict[str, Any]]) -> int:
    if not rows:
        return 0
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_STORE, [orjson.dumps(rows).decode()])
            return int(cursor.rowcount)
    except DatabaseError as error:
        if not is_refusal(error):
            raise
        if len(rows) > 1:
            middle = len(rows) // 2
            return _store(entries[:middle], rows[:middle]) + _store(entries[middle:], rows[middle:])
        if not rows[0]["fields"]:
            raise
        why = f"PostgreSQL refuses its fields: {str(error).splitlines()[0]}"
        logger.warning("Dead letter %s is stored in part: %s", rows[0]["entry_id"], why)
        return _store(entries, [{**rows[0], "fields": {}, "is_text": False, "error": cut(why, MAX_ERROR)}])


def _letter(entry: Received, now: dt.datetime) -> dict[str, Any]:
    fields = entry.fields
    original = {name: value for name, value in fields.items() if name not in _ABOUT}
    too_large = sum(map(len, original.values())) > MAX_BYTES
    whole = (
        not too_large
        and _has_a_way_back(fields)
        and all(is_text(name) and is_text(value) for name, value in original.items())
    )
    error = cut(_text(fields, "dead_error", MAX_ERROR), MAX_ERROR)
    if too_large:
        error = cut(f"The entry has more than {MAX_BYTES:,} bytes and is kept in part. {error}", MAX_ERROR)
    company = integer(fields.get(b"company_id"))
    return {
        "entry_id": entry.entry_id,
        "group": _text(fields, "dead_group"),
        "handler": _text(fields, "dead_handler"),
        "reason": _text(fields, "dead_reason") or "unknown",
        "error": error,
        "attempts": max(0, min(integer(fields.get(b"dead_attempts")) or 0, MAX_INTEGER)),
        "stream": _text(fields, "replay_stream") or _text(fields, "dead_stream"),
        "stream_id": _text(fields, "dead_stream_id"),
        "dead_at": _time(fields, now),
        **{
            name: _text(fields, name)
            for name in ("event_id", "event_type", "service_name", "entity_type", "entity_id", "correlation_id")
        },
        "company_id": company,
        "fields": {name.decode(): value.decode() for name, value in original.items()}
        if whole
        else show_fields(original),
        "is_text": whole,
        "replay_of": integer(fields.get(b"replay_of")),
    }


def _has_a_way_back(fields: Mapping[bytes, bytes]) -> bool:
    """Whether the name of the group is kept as it is: what is replayed to another name would reach nobody."""
    group = fields.get(b"dead_group", b"")
    return bool(group) and is_text(group) and len(group.decode()) <= MAX_TEXT


def _text(fields: Mapping[bytes, bytes], name: str, length: int = MAX_TEXT) -> str:
    return cut(clean(fields.get(name.encode(), b"")[: 4 * length]), length)


def _time(fields: Mapping[bytes, bytes], now: dt.datetime) -> str:
    try:
        return parse_time(fields[b"dead_at"].decode()).isoformat()
    except (KeyError, ValueError):
        return now.isoformat()
