"""Events over Redis streams: at least once, nothing lost, nothing stuck.

- `EventPublisher`, `AsyncEventPublisher`: events to their streams
- `EventConsumer`: one consumer of a group; calls a handler for each event, retries, gives up into the dead letters
- `RequestResponsePattern`: ask another service and wait for its answer
- `BulkProcessingPattern`: process what comes singly in batches, by size or time
- `RedisIdempotencyStore`: effects once per event
- `connect`: a Redis client whose timeouts and retries fit a bus
"""

from xerpium_sdk.events._async.publisher import AsyncEventPublisher
from xerpium_sdk.events._sync.publisher import EventPublisher
from xerpium_sdk.events.connection import connect
from xerpium_sdk.events.consumer import EventConsumer
from xerpium_sdk.events.engine import Report
from xerpium_sdk.events.errors import BusError, EventFault, InvalidEvent, PublishFailed
from xerpium_sdk.events.idempotency import (
    Claim,
    ClaimingStore,
    IdempotencyStore,
    RedisIdempotencyStore,
    WrappingStore,
)
from xerpium_sdk.events.lag import StreamLag
from xerpium_sdk.events.metrics import HandlerSnapshot, Snapshot
from xerpium_sdk.events.patterns import (
    BatchFailed,
    BulkProcessingPattern,
    Request,
    RequestAbandoned,
    RequestError,
    RequestFailed,
    RequestNotSent,
    RequestResponsePattern,
    RequestTimedOut,
)
from xerpium_sdk.events.subscriptions import BatchHandler, Handler, Received
from xerpium_sdk.wire.envelope import DecodeError, Envelope, EventPayload, EventType

__all__ = [
    "AsyncEventPublisher",
    "BatchFailed",
    "BatchHandler",
    "BulkProcessingPattern",
    "BusError",
    "Claim",
    "ClaimingStore",
    "DecodeError",
    "Envelope",
    "EventConsumer",
    "EventFault",
    "EventPayload",
    "EventPublisher",
    "EventType",
    "Handler",
    "HandlerSnapshot",
    "IdempotencyStore",
    "InvalidEvent",
    "PublishFailed",
    "Received",
    "RedisIdempotencyStore",
    "Report",
    "Request",
    "RequestAbandoned",
    "RequestError",
    "RequestFailed",
    "RequestNotSent",
    "RequestResponsePattern",
    "RequestTimedOut",
    "Snapshot",
    "StreamLag",
    "WrappingStore",
    "connect",
]
