"""A hub whose fast paths answer on an event loop of the test's own, and what happens beside it in other threads."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from django.db import connection

from apps.core.asgi import Application, Receive, Scope, Send
from apps.registry.feed import Feed
from apps.registry.live import live
from tests.support.asgi import lifespan
from tests.support.wait import wait_until_async
from xerpium.asgi import Hub

SERVICE = "/api/v1/services/orders"


async def no_django(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand where Django does in tests that must not get there."""
    raise AssertionError(f"{scope['path']} was left to Django")


class Refusing:
    """Stands where Django does: notes what was left to it, and answers 503."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.asked.append(f"{scope['path']}?{scope['query_string'].decode()}".removesuffix("?"))
        if scope["method"] == "POST":
            self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def on_the_loop(test: Callable[[Hub], Coroutine[Any, Any, None]], *, behind: Application = no_django) -> None:
    """Run ``test`` with a hub whose catalogue is loaded; afterwards nobody may be left waiting."""

    async def run() -> None:
        hub = Hub(behind, fast_paths=True)
        async with lifespan(hub):
            await loaded()
            await test(hub)
            feed = feed_of(hub)
            await wait_until_async(lambda: _nobody(feed), 1, "everybody to be gone")

    asyncio.run(run())


async def loaded() -> None:
    """Return when the catalogue is loaded."""
    await wait_until_async(_loaded, 5, "the catalogue")


async def _loaded() -> bool:
    return live.is_loaded


async def _nobody(feed: Feed) -> bool:
    return not (feed._waiting or feed._waiting_count or feed._streams)


def feed_of(hub: Hub) -> Feed:
    """Return where those who wait for this hub are written down."""
    feed = hub._registry._feed
    assert feed is not None
    return feed


async def in_thread(function: Callable[[], Any]) -> Any:
    """Call a service as another thread of the process would."""

    def run() -> Any:
        try:
            return function()
        finally:
            connection.close()

    return await asyncio.to_thread(run)
