"""The hub as one ASGI application: the hot routes on the event loop, everything else in Django behind a WSGI bridge.

Django's own ASGI handler costs six times its WSGI one, so it is not used (docs/decisions/0002).
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")

from django.conf import settings

from xerpium.wsgi import application as wsgi_application

# isort: split
from apps.core.asgi import Application, Receive, Scope, Send, bearer_token
from apps.core.bridge import Bridge
from apps.core.quick import Quick
from apps.menus.edge import MENUS, MenusEdge
from apps.registry.edge import RegistryEdge
from apps.serviceauth import verifying

DJANGO_THREADS = 12
MEMORY_THREADS = 2
SERVICES = "/api/v1/services"


class Lanes:
    """Django in two groups of threads: while an engine hangs, every thread of the one may wait for it.

    Being alive and discovery need no engine, and are answered by the other.
    """

    def __init__(self, memory: Application, rest: Application) -> None:
        self._memory, self._rest = memory, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request in its group."""
        lane = self._memory if is_answered_from_memory(scope) else self._rest
        await lane(scope, receive, send)


def is_answered_from_memory(scope: Scope) -> bool:
    """Whether neither an engine nor a change has to be waited for: a probe, or a look-up without a session.

    Of look-ups with a token those whose token this process knows to be good: to find out about another may take a
    database.
    """
    path = scope["path"].removesuffix("/")
    if scope["method"] not in ("GET", "HEAD"):
        return False
    if path == "/health/live":
        return True
    is_lookup = SERVICES in (path, path.rpartition("/")[0])
    if not is_lookup or b"wait" in scope["query_string"]:
        return False
    asking = {name: value for name, value in scope["headers"] if name in (b"cookie", b"authorization")}
    if not asking:
        return True
    token = bearer_token(asking.get(b"authorization", b""))
    return b"cookie" not in asking and token is not None and verifying.verify_cached(token) is not None


class Hub:
    """Answers what it can on the event loop and hands the rest to Django."""

    def __init__(self, django: Application, *, fast_paths: bool) -> None:
        self._django = django
        self._registry = RegistryEdge()
        self._menus = MenusEdge()
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
            edge = self._menus if scope["path"].startswith(MENUS) else self._registry
            await edge(scope, receive, send, self._django)
        else:
            await self._django(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._registry.open()
                self._menus.open()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._registry.close()
                await self._menus.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def bridge(threads: int) -> Bridge:
    """Return Django in that many threads of its own."""
    return Bridge(wsgi_application, threads=threads, body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


django = Lanes(memory=bridge(MEMORY_THREADS), rest=bridge(DJANGO_THREADS))
application = Hub(django, fast_paths=settings.EDGE_FAST_PATHS)
