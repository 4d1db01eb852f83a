"""Patterns of messages beside events: ask and answer, and work in bulk.

- `RequestResponsePattern`: ask another service over Redis, and answer those that ask this one
- `BulkProcessingPattern`: collect items and process them in batches, by size or time, whichever comes first
"""

from xerpium_sdk.events.patterns.batchcounts import BulkSnapshot
from xerpium_sdk.events.patterns.bulk import BatchFailed, BulkProcessingPattern
from xerpium_sdk.events.patterns.counts import RequestSnapshot
from xerpium_sdk.events.patterns.errors import (
    RequestAbandoned,
    RequestError,
    RequestFailed,
    RequestNotSent,
    RequestTimedOut,
)
from xerpium_sdk.events.patterns.messages import Request
from xerpium_sdk.events.patterns.requests import RequestResponsePattern

__all__ = [
    "BatchFailed",
    "BulkProcessingPattern",
    "BulkSnapshot",
    "Request",
    "RequestAbandoned",
    "RequestError",
    "RequestFailed",
    "RequestNotSent",
    "RequestResponsePattern",
    "RequestSnapshot",
    "RequestTimedOut",
]
