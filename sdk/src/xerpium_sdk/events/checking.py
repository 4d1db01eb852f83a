"""What an event must be like to be published. Pure.

Types of the seed travel on a stream whose consumers read integer ids only; types that services declare have names in
lower_snake_case and may have text for ids (contract, "Events").
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from xerpium_sdk.events.errors import EventFault
from xerpium_sdk.wire.data import dump_data
from xerpium_sdk.wire.envelope import MAX_TEXT, MAX_TEXT_ID, Envelope, stream_of
from xerpium_sdk.wire.keys import STREAM_EVENTS
from xerpium_sdk.wire.times import parse_time

__all__ = ["MAX_DATA_BYTES", "MAX_TYPE", "faults_of"]

MAX_TYPE = 100
MAX_DATA_BYTES = 1024 * 1024
"""The longest ``data`` as JSON text in UTF-8."""
INTEGER_LIMIT = 2**63
_TYPE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_REQUIRED = frozenset({"event_id", "service_name", "timestamp", "version"})


def faults_of(envelope: Envelope, place: str = "") -> list[EventFault]:
    """Return everything that keeps ``envelope`` from being published; paths begin with ``place``."""
    return [EventFault(place + path, message) for path, message in _faults(envelope)]


def _faults(envelope: Envelope) -> Iterator[tuple[str, str]]:
    for name in ("event_id", "service_name", "entity_type", "timestamp", "version", "correlation_id"):
        yield from _text_faults(name, getattr(envelope, name))
    yield from _type_faults(envelope.event_type)
    yield from _time_faults(envelope.timestamp)
    integers_only = isinstance(envelope.event_type, str) and stream_of(envelope.event_type) == STREAM_EVENTS
    yield from _id_faults("entity_id", envelope.entity_id, envelope.event_type if integers_only else None)
    yield from _id_faults("user_id", envelope.user_id, envelope.event_type if integers_only else None)
    yield from _company_faults(envelope.company_id)
    yield from _data_faults(envelope.data)


def _text_faults(name: str, value: object) -> Iterator[tuple[str, str]]:
    if value is None and name == "correlation_id":
        return
    if not isinstance(value, str):
        yield name, f"is text, not {_kind(value)}"
    elif not value and name in _REQUIRED:
        yield name, "is missing"
    elif len(value) > MAX_TEXT:
        yield name, f"is longer than {MAX_TEXT} characters"
    elif not _is_clean(value):
        yield name, "holds a NUL character or half of a surrogate pair"


def _type_faults(value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str) or len(value) > MAX_TYPE or not _TYPE.fullmatch(value):
        yield "event_type", f"{str(value)[:80]!r} is not lower_snake_case of up to {MAX_TYPE} characters"


def _time_faults(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value:
        try:
            parse_time(value)
        except ValueError:
            yield "timestamp", f"{value[:80]!r} is not an ISO 8601 time"


def _id_faults(name: str, value: object, seed_type: str | None) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, int) and not isinstance(value, bool):
        yield from _size_faults(name, value)
    elif seed_type is not None:
        yield name, f"is an integer for {seed_type}, not {_kind(value)}; only declared types may have text"
    elif not isinstance(value, str):
        yield name, f"is an integer or text, not {_kind(value)}"
    elif not 0 < len(value) <= MAX_TEXT_ID or not _is_clean(value):
        yield name, f"as text has 1 to {MAX_TEXT_ID} characters, none of them NUL"


def _company_faults(value: object) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        yield "company_id", f"is an integer, not {_kind(value)}"
    else:
        yield from _size_faults("company_id", value)


def _size_faults(name: str, value: int) -> Iterator[tuple[str, str]]:
    if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        yield name, "does not fit into 64 bits"


def _data_faults(data: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(data, Mapping):
        yield "data", f"is a mapping, not {_kind(data)}"
        return
    try:
        size = len(dump_data(data).encode())
    except (TypeError, ValueError) as error:
        path, _, message = str(error).partition(": ")
        yield (path, message) if message else ("data", path)
    else:
        if size > MAX_DATA_BYTES:
            yield "data", f"has {size:,} bytes of JSON, more than {MAX_DATA_BYTES:,}; send a reference instead"


def _is_clean(value: str) -> bool:
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
