"""Who is calling: tokens for this service, and those that others bring. Sync and async twins of everything that waits.

- `ServiceAuthClient`, `AsyncServiceAuthClient`: this service's token, fetched ahead of its end
- `ServiceAuth`: the same for an HTTP client, which then sends it by itself
- `TokenVerifier`: who brings a token, without asking the hub about each; needs the extra ``auth``
- `CallContext`: what a good token says: the service, the company, the person and what they may do
- ``xerpium_sdk.auth.fastapi``, ``xerpium_sdk.django.auth``, ``xerpium_sdk.auth.middleware`` (ASGI, WSGI),
  ``xerpium_sdk.auth.gate`` (anything else): the same at the door of an application
"""

from xerpium_sdk.auth._async.client import AsyncServiceAuthClient
from xerpium_sdk.auth._bearer import ServiceAuth
from xerpium_sdk.auth._environment import has_key
from xerpium_sdk.auth._keys import NoKey
from xerpium_sdk.auth._sync.client import ServiceAuthClient
from xerpium_sdk.auth.context import CallContext
from xerpium_sdk.auth.verifier import CannotVerify, InvalidToken, TokenVerifier

__all__ = [
    "AsyncServiceAuthClient",
    "CallContext",
    "CannotVerify",
    "InvalidToken",
    "NoKey",
    "ServiceAuth",
    "ServiceAuthClient",
    "TokenVerifier",
    "has_key",
]
