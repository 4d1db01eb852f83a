"""Call other services by their names, through whatever instances of them work."""

from xerpium_sdk.calls._async.client import AsyncServiceClient
from xerpium_sdk.calls._sync.client import ServiceClient
from xerpium_sdk.calls.endpoint import ServiceEndpoint
from xerpium_sdk.calls.errors import (
    CallError,
    CallNotMade,
    CallRefused,
    CircuitOpen,
    NoAnswer,
    NoInstanceToCall,
    ServiceFailed,
    TookTooLong,
    TooManyCalls,
)
from xerpium_sdk.calls.policy import CallPolicy
from xerpium_sdk.passing import Passing, passing_on

__all__ = [
    "AsyncServiceClient",
    "CallError",
    "CallNotMade",
    "CallPolicy",
    "CallRefused",
    "CircuitOpen",
    "NoAnswer",
    "NoInstanceToCall",
    "Passing",
    "ServiceClient",
    "ServiceEndpoint",
    "ServiceFailed",
    "TooManyCalls",
    "TookTooLong",
    "passing_on",
]
