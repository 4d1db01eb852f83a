"""The message that everybody carries: the envelope's eleven fields with some 200 bytes of data."""

import uuid
from typing import Any

from redis import Redis

from xerpium_sdk.wire.envelope import Envelope, EventType

__all__ = ["ENTITIES", "TYPE", "connected", "data_of", "envelope_of", "fields_of", "fill"]

TYPE = EventType.ORDER_CREATED
ENTITIES = 1000
"""Messages go round among so many entities."""
_DATA = {
    "number": 0,
    "sent": 0,
    "customer": "Example Trading Company Ltd.",
    "currency": "EUR",
    "total": "1250.00",
    "line_items": [{"product_id": 4711, "quantity": 12, "price": "99.90"}, {"product_id": 4712, "quantity": 1}],
}


def data_of(number: int, sent: int = 0) -> dict[str, Any]:
    """Return the data of message ``number``, which was sent at ``sent`` (nanoseconds of the monotonic clock)."""
    return {**_DATA, "number": number, "sent": sent}


def envelope_of(number: int, sent: int = 0) -> Envelope:
    """Return message ``number``."""
    return Envelope(
        event_id=str(uuid.uuid4()),
        event_type=TYPE,
        service_name="benchmark",
        entity_type="order",
        entity_id=number % ENTITIES + 1,
        company_id=1,
        user_id=7,
        timestamp="2026-01-01T12:00:00.000000",
        data=data_of(number, sent),
        correlation_id="0f8fad5b-d9cb-469f-a165-70867728950e",
    )


def fields_of(number: int, sent: int = 0) -> dict[str, str]:
    """Return message ``number`` as the eleven text fields of a stream entry."""
    return envelope_of(number, sent).encode()


def connected(url: str) -> Any:
    """Return a client as redis-py makes it unless told otherwise; its types fit no answer of a stream."""
    return Redis.from_url(url)


def fill(client: Any, stream: str, count: int, first: int = 0) -> None:
    """Append ``count`` messages to ``stream``."""
    for start in range(first, first + count, 1000):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, min(start + 1000, first + count)):
            pipeline.xadd(stream, fields_of(number))
        pipeline.execute()
