"""Who is calling: tokens for this service, and those that others bring. Sync and async twins of everything that waits.

- `ServiceAuthClient`, `AsyncServiceAuthClient`: this service's token, fetched ahead of its end
- `ServiceAuth`, `AsyncServiceAuth`: the same for an HTTP client, which then sends it by itself
"""

from xerpium_sdk.auth._async.client import AsyncServiceAuth, AsyncServiceAuthClient
from xerpium_sdk.auth._environment import has_key
from xerpium_sdk.auth._keys import NoKey
from xerpium_sdk.auth._sync.client import ServiceAuth, ServiceAuthClient

__all__ = ["AsyncServiceAuth", "AsyncServiceAuthClient", "NoKey", "ServiceAuth", "ServiceAuthClient", "has_key"]
