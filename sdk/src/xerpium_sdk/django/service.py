"""A `XerpiumService` in a Django project, from its ``AppConfig``.

```python
# shop/apps.py
from xerpium_sdk.django.service import DjangoService, XerpiumConfig


class ShopConfig(XerpiumConfig):
    name = "shop"
    service = DjangoService("shop-service", "1.0.0")
```

With ``path("", include(health_urls(ShopConfig.service.health)))`` among the URLs (`xerpium_sdk.django.health`) and
``xerpium_sdk.django.passing.PassOnMiddleware`` among the middlewares, that is all.
"""

import atexit
import logging
import sys
from collections.abc import Container, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

from xerpium_sdk.auth._environment import value
from xerpium_sdk.service import XerpiumService

if TYPE_CHECKING:
    from xerpium_sdk.events import EventConsumer
    from xerpium_sdk.health import HealthChecker

__all__ = ["DjangoService", "XerpiumConfig", "install", "serves"]

START = "XERPIUM_START"
COMMANDS = ("manage.py", "django-admin", "django")
SERVING = ("runserver", "runserver_plus", "testserver")
SERVERS = ("daphne", "granian", "gunicorn", "hypercorn", "uvicorn", "uwsgi", "waitress", "waitress-serve")
WITHIN = ("uwsgi", "mod_wsgi")
"""Modules that only exist inside of a server."""
log = logging.getLogger("xerpium_sdk.service")


class DjangoService(XerpiumService):
    """A service with Django's database: health asks it, and handlers are given connections that work."""

    def _new_health(self, name: str, version: str) -> "HealthChecker":
        from xerpium_sdk.django.health import health_checker

        return health_checker(name, version)

    def _new_consumer(self, name: str, redis_url: str | None) -> "EventConsumer":
        from xerpium_sdk.django.workers import django_worker, is_database_outage
        from xerpium_sdk.events import EventConsumer

        return EventConsumer(name, redis_url=redis_url, around=django_worker, is_outage=is_database_outage)


class XerpiumConfig(AppConfig):
    """An app whose service starts with the server. Whoever has a ``ready`` of their own calls this one in it."""

    default = False  # whoever imports this class beside their own means their own
    service: XerpiumService

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.default = True

    def ready(self) -> None:
        """Start the service, if this process is a server."""
        install(self.service)


def install(service: XerpiumService, *, start: bool | None = None) -> bool:
    """Start ``service`` in a thread of its own, and stop it when the process ends; return whether it was started.

    ``start``: whether to do so; default: if this process `serves`. Handlers have to be registered by then.
    """
    if not (serves() if start is None else start):
        log.debug("%s is not started: this process is no server. %s=1 says otherwise.", service.name, START)
        return False
    service.start()
    atexit.register(service.stop)
    return True


def serves(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    modules: Container[str] | None = None,
) -> bool:
    """Return whether this process answers requests, and is no command, test, shell or worker of something else.

    ``XERPIUM_START`` set to 1 or 0 says it by hand. Django's own server counts where it serves, and not in the process
    that watches for changes of the code.
    """
    by_hand = value(START, environment)
    if by_hand:
        return by_hand != "0"
    words = list(sys.argv if arguments is None else arguments)
    path = PurePath(words[0] if words else "")
    # `python -m uvicorn` names a file in the package.
    program = path.parent.name if path.name == "__main__.py" else path.name.removesuffix(".exe")
    if program in COMMANDS:
        is_child = bool(value("RUN_MAIN", environment)) or "--noreload" in words
        return len(words) > 1 and words[1] in SERVING and is_child
    known = sys.modules if modules is None else modules
    return program in SERVERS or any(name in known for name in WITHIN)
