"""Asking a hub with its fast paths, and the same one without: both have to answer alike."""

import asyncio
from typing import Any

from apps.core.asgi import Application
from apps.registry.live import live
from tests.support.asgi import LOOPBACK, Answer, call, lifespan
from tests.support.wait import wait_until_async
from xerpium.asgi import Hub, django

API = "/api/v1"
JSON = ("content-type", "application/json")
ID = ("x-request-id", "the-same-for-both")


class Counting:
    """Django behind its bridge, and how often it was asked."""

    def __init__(self, django: Application) -> None:
        self.calls, self._django = 0, django

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on."""
        self.calls += 1
        await self._django(scope, receive, send)


def ask(
    *requests: Any, twin: bool, client: tuple[str, int] = LOOPBACK, django: Application = django
) -> tuple[list[Answer], int]:
    """Send requests to the hub with or without its fast paths; return the answers, and how many came from Django."""
    behind = Counting(django)
    hub = Hub(behind, fast_paths=not twin)

    async def run() -> list[Answer]:
        async with lifespan(hub):
            await wait_until_async(_loaded, 5, "the catalogue")
            return [await _send(hub, *request, client=client) for request in requests]

    return asyncio.run(run()), behind.calls


async def _loaded() -> bool:
    return live.is_loaded


async def _send(
    hub: Application, verb: str, path: str, body: bytes = b"", *headers: tuple[str, str], client: tuple[str, int]
) -> Answer:
    if not any(name.lower() == "x-request-id" for name, _ in headers):
        headers = (*headers, ID)
    answer = await call(hub, verb, API + path, body=body, headers=headers, client=client)
    if verb == "HEAD":
        answer.body = b""  # servers send none, whatever the application says
    return answer
