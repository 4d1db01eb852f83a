"""Envelopes to commands that append them, ready for the socket.

A common event is checked and packed in a few microseconds, with orjson and hiredis. Whatever is out of the ordinary
goes the plain way (`checking`, `dump_data`), which knows all the rules and says what is wrong.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from hiredis import pack_command

from xerpium_sdk.events.checking import INTEGER_LIMIT, MAX_DATA_BYTES, faults_of
from xerpium_sdk.events.errors import EventFault, InvalidEvent
from xerpium_sdk.wire.data import dump_data, plain
from xerpium_sdk.wire.envelope import MAX_TEXT, Envelope, EventType, stream_of

__all__ = ["Packer", "all_faults", "checked_fields"]

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
KNOWN_TYPES = 1000
"""How many declared types are remembered as well-named."""


class Packer:
    """Makes an XADD of each envelope, to the stream of its type; ``max_length`` is the hard cap of a stream, about."""

    def __init__(self, max_length: int) -> None:
        self._max_length = max_length
        self._heads: dict[str, tuple[bytes | str | int, ...]] = {kind: self._head(kind) for kind in EventType}

    def pack(self, envelope: Envelope) -> bytes:
        """Return the command.

        Raises:
            InvalidEvent: it cannot be published.
        """
        packed = self._quick(envelope)
        if packed is not None:
            return packed
        if faults := faults_of(envelope):
            raise InvalidEvent(faults)
        kind = envelope.event_type
        head = self._heads.get(kind) or self._head(kind)
        if len(self._heads) < KNOWN_TYPES:
            self._heads[kind] = head
        return _packed(head, envelope, dump_data(envelope.data))

    def pack_many(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """Return the commands of all.

        Raises:
            InvalidEvent: the first of them that cannot be published says so; `all_faults` knows the others.
        """
        return [self._quick(envelope) or self.pack(envelope) for envelope in envelopes]

    def _head(self, event_type: str) -> tuple[bytes | str | int, ...]:
        start = (b"XADD", stream_of(event_type), b"MAXLEN", b"~", self._max_length, b"*")
        return (*start, b"event_type", str(event_type), b"service_name")

    def _quick(self, envelope: Envelope) -> bytes | None:
        """Pack an event in which there is nothing to look at twice; None when there may be."""
        data = envelope.data
        if data.__class__ is not dict:
            return None
        try:
            head = self._heads.get(envelope.event_type)
            if head is None or not _is_common(envelope):
                return None
            datetime.fromisoformat(envelope.timestamp)
            text = orjson.dumps(data, plain, _OPTIONS)
            # orjson writes null for NaN: whether a null was one is seen only in the data.
            if len(text) > MAX_DATA_BYTES or b"null" in text:
                return None
            packed = _packed(head, envelope, text)
        except (TypeError, ValueError, RecursionError):
            return None
        return None if b"\0" in packed else packed


def checked_fields(envelope: Envelope) -> dict[str, str]:
    """Return the eleven text fields of an event that may be published.

    Raises:
        InvalidEvent: it cannot be.
    """
    if faults := faults_of(envelope):
        raise InvalidEvent(faults)
    return envelope.encode()


def all_faults(envelopes: Sequence[Envelope]) -> list[EventFault]:
    """Return the faults of all ``envelopes``, each with its place among them."""
    return [fault for number, one in enumerate(envelopes) for fault in faults_of(one, f"events[{number}].")]


def _packed(head: tuple[bytes | str | int, ...], envelope: Envelope, data: bytes | str) -> bytes:
    entity_id, company_id, user_id = envelope.entity_id, envelope.company_id, envelope.user_id
    packed: bytes = pack_command(
        (  # type: ignore[arg-type]  # its types want a tuple of one
            *head[:6],
            b"event_id",
            envelope.event_id,
            *head[6:],
            envelope.service_name,
            b"entity_type",
            envelope.entity_type,
            b"entity_id",
            b"" if entity_id is None else entity_id,
            b"company_id",
            b"" if company_id is None else company_id,
            b"user_id",
            b"" if user_id is None else user_id,
            b"timestamp",
            envelope.timestamp,
            b"data",
            data,
            b"version",
            envelope.version,
            b"correlation_id",
            envelope.correlation_id or b"",
        )
    )
    return packed


def _is_common(envelope: Envelope) -> bool:
    """Return whether texts and ids are such that they need no second look: short, of plain types, ids integers."""
    event_id, service_name, entity_type = envelope.event_id, envelope.service_name, envelope.entity_type
    timestamp, version, correlation_id = envelope.timestamp, envelope.version, envelope.correlation_id
    if not (event_id and service_name and timestamp and version):
        return False
    length = len(event_id) + len(service_name) + len(entity_type) + len(timestamp) + len(version)
    if correlation_id is not None:
        length += len(correlation_id)
    return (
        length <= MAX_TEXT
        and event_id.__class__ is service_name.__class__ is entity_type.__class__ is timestamp.__class__ is str
        and version.__class__ is str
        and (correlation_id is None or correlation_id.__class__ is str)
        and _is_integer(envelope.entity_id)
        and _is_integer(envelope.company_id)
        and _is_integer(envelope.user_id)
    )


def _is_integer(value: Any) -> bool:
    return value is None or (value.__class__ is int and -INTEGER_LIMIT <= value < INTEGER_LIMIT)
