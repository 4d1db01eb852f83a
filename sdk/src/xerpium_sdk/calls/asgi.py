"""Requests of an ASGI application: their id and trace go on to whatever is called for them, and into the answer."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from xerpium_sdk.passing import Passing, passing_on

__all__ = ["PassOnMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class PassOnMiddleware:
    """Takes over the id and the trace of each request, or begins them, and answers with them.

    >>> app.add_middleware(PassOnMiddleware)

    Calls by `ServiceClient` that are made for the request carry both, and the company of its token once a door of
    `xerpium_sdk.auth` has verified that. Nothing of it is left when the request is over.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        passing = Passing.begin(_headers(scope))
        answered = [(name.encode(), value.encode()) for name, value in passing.answered().items()]

        async def answer(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                given = list(message.get("headers", ()))
                known = {name.lower() for name, _ in given}
                message["headers"] = given + [header for header in answered if header[0] not in known]
            await send(message)

        with passing_on(passing):
            await self._app(scope, receive, answer)


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers that matter, unless somebody sent two of them: nobody can tell which one is meant."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in ("x-request-id", "traceparent"):
            found[name] = "" if name in found else value.decode("latin-1")
    return found
