"""Join a hub, find other services, choose an instance. Sync and async twins of everything that waits."""

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.errors import (
    Conflict,
    HubError,
    HubUnavailable,
    Invalid,
    NoInstance,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    UnreadableAnswer,
)
from xerpium_sdk.registry._async.catalog import AsyncCatalog
from xerpium_sdk.registry._async.client import AsyncHubClient
from xerpium_sdk.registry._async.member import AsyncMember
from xerpium_sdk.registry._choice import Endpoint
from xerpium_sdk.registry._flows import Renewal, Retry
from xerpium_sdk.registry._service_registry import ServiceRegistry
from xerpium_sdk.registry._sync.catalog import Catalog
from xerpium_sdk.registry._sync.client import HubClient
from xerpium_sdk.registry._sync.member import Member
from xerpium_sdk.wire.registry import InstanceRecord, Registration, ServiceRecord, Status
from xerpium_sdk.wire.versions import VersionRangeError

__all__ = [
    "AsyncCatalog",
    "AsyncHubClient",
    "AsyncMember",
    "Backoff",
    "Catalog",
    "Conflict",
    "Endpoint",
    "HubClient",
    "HubError",
    "HubUnavailable",
    "InstanceRecord",
    "Invalid",
    "Member",
    "NoInstance",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Refused",
    "Registration",
    "Renewal",
    "Retry",
    "ServiceRecord",
    "ServiceRegistry",
    "Status",
    "UnreadableAnswer",
    "VersionRangeError",
]
