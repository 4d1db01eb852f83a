"""Events in the transactions of a Django service: add ``xerpium_sdk.django`` to ``INSTALLED_APPS`` and migrate.

- `publish_event`, `publish_business_event`, `publish_many`: write events in the transaction that they tell of
- ``manage.py relay_outbox``: brings what was committed to Redis, in order, at least once
- `DjangoIdempotencyStore`: effects in the same database happen once per event
- `django_worker`, `is_database_outage`: what a consumer in a Django service should know of the database
- `DjangoService`, `XerpiumConfig`, `install`: a `XerpiumService` that lives with the server (``django.service``)
- ``xerpium_sdk.django.passing``: the middleware that hands on the id, the trace and the company of a request
- ``xerpium_sdk.django.auth``: verifies tokens of the hub; needs neither events nor ``INSTALLED_APPS``

Settings: ``XERPIUM_SERVICE_NAME`` (needed by the functions above), ``XERPIUM_REDIS_URL`` (default: ``REDIS_URL`` of the
environment).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xerpium_sdk.django.idempotency import DjangoIdempotencyStore
    from xerpium_sdk.django.outbox import OutboxPublisher, publish_business_event, publish_event, publish_many
    from xerpium_sdk.django.service import DjangoService, XerpiumConfig, install
    from xerpium_sdk.django.workers import django_worker, is_database_outage

__all__ = [
    "DjangoIdempotencyStore",
    "DjangoService",
    "OutboxPublisher",
    "XerpiumConfig",
    "django_worker",
    "install",
    "is_database_outage",
    "publish_business_event",
    "publish_event",
    "publish_many",
]

_HOMES = {
    "DjangoIdempotencyStore": "idempotency",
    "DjangoService": "service",
    "OutboxPublisher": "outbox",
    "XerpiumConfig": "service",
    "django_worker": "workers",
    "install": "service",
    "is_database_outage": "workers",
    "publish_business_event": "outbox",
    "publish_event": "outbox",
    "publish_many": "outbox",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: a service without events has no Redis client (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
