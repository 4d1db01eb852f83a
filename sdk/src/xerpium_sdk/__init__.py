"""What a service needs to live with a XERPIUM hub.

Importing this package costs nothing: each name below is loaded with its part when it is first used.

- `XerpiumService`: one object for everything, or take what you need from the parts
- ``xerpium_sdk.registry``: join the hub, find other services, choose an instance
- ``xerpium_sdk.calls``: call other services, through whatever instances work
- ``xerpium_sdk.auth``: this service's tokens, and who brings which
- ``xerpium_sdk.events``: publish and handle events
- ``xerpium_sdk.ui``: the menus, pages and widgets of a service
- ``xerpium_sdk.health``: how this service is
- ``xerpium_sdk.resilience``: breakers, retries, bulkheads
- ``xerpium_sdk.fastapi``, ``xerpium_sdk.django``: the same for an application of theirs
- ``xerpium_sdk.testing``: a hub, a bus and an issuer for tests
- ``xerpium_sdk.wire``: the contract as frozen dataclasses, standard library only
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xerpium_sdk.auth import ServiceAuthClient
    from xerpium_sdk.auth.fastapi import CompanyContext, get_company_context, verify_service_auth
    from xerpium_sdk.calls import CallError, CallPolicy, ServiceEndpoint
    from xerpium_sdk.calls.ambient import ServiceClient
    from xerpium_sdk.connections import get_redis_async_connection, get_redis_connection
    from xerpium_sdk.events import (
        BulkProcessingPattern,
        EventConsumer,
        EventPayload,
        EventPublisher,
        EventType,
        RequestResponsePattern,
    )
    from xerpium_sdk.health import HealthChecker
    from xerpium_sdk.registry import Registration, ServiceRegistry
    from xerpium_sdk.resilience import (
        BreakerPolicy,
        CircuitBreaker,
        CircuitOpenError,
        CircuitState,
        RetryPolicy,
        retry_with_exponential_backoff,
    )
    from xerpium_sdk.service import XerpiumService
    from xerpium_sdk.ui import Manifest, MenuItem, MenuRegistrationClient, UIComponent, UIRegistryClient, UIWidget

__all__ = [
    "BreakerPolicy",
    "BulkProcessingPattern",
    "CallError",
    "CallPolicy",
    "CircuitBreaker",
    "CircuitOpenError",
    "CircuitState",
    "CompanyContext",
    "EventConsumer",
    "EventPayload",
    "EventPublisher",
    "EventType",
    "HealthChecker",
    "Manifest",
    "MenuItem",
    "MenuRegistrationClient",
    "Registration",
    "RequestResponsePattern",
    "RetryPolicy",
    "ServiceAuthClient",
    "ServiceClient",
    "ServiceEndpoint",
    "ServiceRegistry",
    "UIComponent",
    "UIRegistryClient",
    "UIWidget",
    "XerpiumService",
    "__version__",
    "get_company_context",
    "get_redis_async_connection",
    "get_redis_connection",
    "retry_with_exponential_backoff",
    "verify_service_auth",
]

__version__ = "0.1.0"

_HOMES = {
    "auth": ["ServiceAuthClient"],
    "auth.fastapi": ["CompanyContext", "get_company_context", "verify_service_auth"],
    "calls": ["CallError", "CallPolicy", "ServiceEndpoint"],
    "calls.ambient": ["ServiceClient"],
    "connections": ["get_redis_async_connection", "get_redis_connection"],
    "events": [
        "BulkProcessingPattern",
        "EventConsumer",
        "EventPayload",
        "EventPublisher",
        "EventType",
        "RequestResponsePattern",
    ],
    "health": ["HealthChecker"],
    "registry": ["Registration", "ServiceRegistry"],
    "resilience": [
        "BreakerPolicy",
        "CircuitBreaker",
        "CircuitOpenError",
        "CircuitState",
        "RetryPolicy",
        "retry_with_exponential_backoff",
    ],
    "service": ["XerpiumService"],
    "ui": ["Manifest", "MenuItem", "MenuRegistrationClient", "UIComponent", "UIRegistryClient", "UIWidget"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return a name of a part, which is loaded now (PEP 562).

    Raises:
        AttributeError: there is no such name.
        ImportError: the part needs an extra that is not installed; the message names it.
    """
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        raise ImportError(f"{name} needs {missing}: pip install 'xerpium-sdk[{_EXTRAS[missing]}]'") from error
    globals()[name] = value
    return value


_EXTRAS = {"redis": "redis", "orjson": "redis", "jwt": "auth", "fastapi": "fastapi", "django": "django"}


def __dir__() -> list[str]:
    """Return the names that there are, also those that nobody has used yet."""
    return sorted(__all__)
