"""The envelope of every event: eleven flat text fields on a Redis stream (contract, "Events")."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID, uuid4

from xerpium_sdk.wire.data import dump_data, load_data
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM
from xerpium_sdk.wire.times import format_time, parse_time

__all__ = [
    "FIELDS",
    "MAX_TEXT",
    "MAX_TEXT_ID",
    "DecodeError",
    "Envelope",
    "EventPayload",
    "EventType",
    "dump_data",
    "stream_of",
]

FIELDS = (
    "event_id",
    "event_type",
    "service_name",
    "entity_type",
    "entity_id",
    "company_id",
    "user_id",
    "timestamp",
    "data",
    "version",
    "correlation_id",
)
"""The fields of an entry in their order on the wire."""

MAX_TEXT_ID = 64
"""The longest ``entity_id`` or ``user_id`` that is text, in characters."""
MAX_TEXT = 255
"""The longest of the other texts, in characters: what any database can index."""
_REQUIRED = ("event_id", "event_type", "service_name", "timestamp")
_TEXTS = ("event_id", "event_type", "service_name", "entity_type", "timestamp", "version", "correlation_id")
_INTEGER_LIMIT = 2**63


class EventType(StrEnum):
    """The types that every consumer of today knows; only these travel on ``xerpium:events``.

    Members are text and equal to their value, so an event type may be given as a member or as a plain string.
    """

    USER_CREATED = "user_created"
    USER_UPDATED = "user_updated"
    USER_DELETED = "user_deleted"
    USER_LOGIN = "user_login"
    COMPANY_CREATED = "company_created"
    COMPANY_UPDATED = "company_updated"
    PARTNER_CREATED = "partner_created"
    PARTNER_UPDATED = "partner_updated"
    PARTNER_DELETED = "partner_deleted"
    PRODUCT_CREATED = "product_created"
    PRODUCT_UPDATED = "product_updated"
    PRODUCT_DELETED = "product_deleted"
    PRODUCT_PRICE_CHANGED = "product_price_changed"
    STOCK_MOVEMENT = "stock_movement"
    STOCK_LOW = "stock_low"
    WAREHOUSE_CREATED = "warehouse_created"
    ORDER_CREATED = "order_created"
    ORDER_CONFIRMED = "order_confirmed"
    ORDER_SHIPPED = "order_shipped"
    ORDER_DELIVERED = "order_delivered"
    QUOTE_CREATED = "quote_created"
    QUOTE_SENT = "quote_sent"
    QUOTE_APPROVED = "quote_approved"
    QUOTE_CONVERTED = "quote_converted"
    SYSTEM_ERROR = "system_error"
    AUDIT_LOG_CREATED = "audit_log_created"


_SEED_TYPES = {kind.value: kind for kind in EventType}


def stream_of(event_type: str) -> str:
    """Return the stream on which events of ``event_type`` travel: the types of `EventType` have one of their own."""
    return STREAM_EVENTS if event_type in _SEED_TYPES else STREAM_EVENTS_CUSTOM


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event.

    Decoded, or made by `create`, it has a member of `EventType` as ``event_type`` if there is one for it, else text.
    The ids are integers, or text of up to 64 characters for types that services declare; an absent value is None.
    ``timestamp`` stays the text that it was, so that what is passed on is what came; `occurred_at` reads it.
    """

    event_id: str
    event_type: str
    service_name: str
    entity_type: str
    entity_id: int | str | None
    company_id: int | None
    user_id: int | str | None
    timestamp: str
    data: Mapping[str, Any]
    version: str = "1.0"
    correlation_id: str | None = None

    @classmethod
    def create(
        cls,
        event_type: str,
        entity_type: str,
        entity_id: int | str | UUID | None = None,
        company_id: int | None = None,
        user_id: int | str | UUID | None = None,
        data: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        *,
        service_name: str,
        event_id: str | UUID | None = None,
        timestamp: datetime | str | None = None,
    ) -> Self:
        """Return a new event: with an id of its own and the present time unless they are given. Nothing is checked.

        ``event_type`` may be a member of any enumeration of texts; a UUID as an id becomes its text.
        """
        kind = getattr(event_type, "value", event_type)
        return cls(
            event_id=str(event_id or uuid4()),
            event_type=_SEED_TYPES.get(kind, kind),
            service_name=service_name,
            entity_type=entity_type,
            entity_id=str(entity_id) if isinstance(entity_id, UUID) else entity_id,
            company_id=company_id,
            user_id=str(user_id) if isinstance(user_id, UUID) else user_id,
            timestamp=timestamp if isinstance(timestamp, str) else format_time(timestamp or datetime.now(UTC)),
            data={} if data is None else data,
            correlation_id=correlation_id,
        )

    @property
    def occurred_at(self) -> datetime:
        """The time of the event, aware, in UTC."""
        return parse_time(self.timestamp)

    def encode(self) -> dict[str, str]:
        """Return the eleven text fields of the stream entry.

        Raises:
            TypeError, ValueError: ``data`` holds what has no JSON form (see `xerpium_sdk.wire.data`).
        """
        return {
            "event_id": self.event_id,
            "event_type": str(self.event_type),
            "service_name": self.service_name,
            "entity_type": self.entity_type,
            "entity_id": _id_text(self.entity_id),
            "company_id": _id_text(self.company_id),
            "user_id": _id_text(self.user_id),
            "timestamp": self.timestamp,
            "data": dump_data(self.data),
            "version": self.version,
            "correlation_id": self.correlation_id or "",
        }

    @classmethod
    def decode(cls, fields: Mapping[Any, Any], *, text_ids: bool = False) -> Self:
        """Read a stream entry; keys and values may be text or bytes, fields beyond the eleven are ignored.

        ``text_ids`` allows text for ``entity_id`` and ``user_id``, as the types that services declare may have.
        ``data`` is read whatever its size; other texts are refused when no database could index them (`MAX_TEXT`).

        Raises:
            DecodeError: when it is no event; its ``fields`` are the ones given.
        """
        try:
            text = {_text(key): _text(value) for key, value in fields.items()}
            if missing := [name for name in _REQUIRED if not text.get(name)]:
                raise ValueError(f"{', '.join(missing)} missing")
            if long := [name for name in _TEXTS if len(text.get(name, "")) > MAX_TEXT]:
                raise ValueError(f"{', '.join(long)} longer than {MAX_TEXT} characters")
            parse_time(text["timestamp"])
            read_id = _any_id if text_ids else _integer
            return cls(
                event_id=text["event_id"],
                event_type=_SEED_TYPES.get(text["event_type"], text["event_type"]),
                service_name=text["service_name"],
                entity_type=text.get("entity_type", ""),
                entity_id=read_id("entity_id", text),
                company_id=_integer("company_id", text),
                user_id=read_id("user_id", text),
                timestamp=text["timestamp"],
                data=load_data(text.get("data") or "{}"),
                version=text.get("version") or "1.0",
                correlation_id=text.get("correlation_id") or None,
            )
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            raise DecodeError(f"Not an event: {error}.", fields) from error


EventPayload = Envelope
"""The seed's name for `Envelope`."""


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _id_text(value: int | str | None) -> str:
    return "" if value is None else str(value)


def _integer(name: str, text: Mapping[str, str]) -> int | None:
    """Read one id; only what a 64-bit column holds is an integer here, whatever else ``int()`` would take."""
    value = text.get(name)
    if not value:
        return None
    if (number := _canonical_integer(value)) is None:
        raise ValueError(f"{name} {value[:80]!r} is not an integer")
    return number


def _any_id(name: str, text: Mapping[str, str]) -> int | str | None:
    value = text.get(name)
    if not value:
        return None
    if len(value) > MAX_TEXT_ID:
        raise ValueError(f"{name} is longer than {MAX_TEXT_ID} characters")
    number = _canonical_integer(value)
    return value if number is None else number


def _canonical_integer(value: str) -> int | None:
    if len(value) > 20 or not value.isascii() or not value.removeprefix("-").isdigit():
        return None
    number = int(value)
    return number if str(number) == value and -_INTEGER_LIMIT <= number < _INTEGER_LIMIT else None
