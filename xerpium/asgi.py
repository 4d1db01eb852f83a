"""The hub as one ASGI application: the hot routes on the event loop, everything else in Django behind a WSGI bridge.

Django's own ASGI handler costs six times its WSGI one, so it is not used (docs/decisions/0002).
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")

from django.conf import settings

from xerpium.wsgi import application as wsgi_application

# isort: split
from apps.core.asgi import Application, Receive, Scope, Send
from apps.core.bridge import Bridge
from apps.core.quick import Quick
from apps.registry.edge import RegistryEdge

DJANGO_THREADS = 12


class Hub:
    """Answers what it can on the event loop and hands the rest to Django."""

    def __init__(self, django: Application, *, fast_paths: bool) -> None:
        self._django = django
        self._registry = RegistryEdge()
        self._fast_paths = fast_paths

    @property
    def quick(self) -> Quick | None:
        """What a server may ask before it makes an event of a request (`apps.core.quick`); None when switched off."""
        return self._registry.quick if self._fast_paths else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event: a request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and self._fast_paths:
            await self._registry(scope, receive, send, self._django)
        else:
            await self._django(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._registry.open()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._registry.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


django = Bridge(wsgi_application, threads=DJANGO_THREADS, body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
application = Hub(django, fast_paths=settings.EDGE_FAST_PATHS)
