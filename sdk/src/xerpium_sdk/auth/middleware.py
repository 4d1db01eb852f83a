"""Middleware for applications without a framework of their own for this: ASGI and WSGI.

Both let in who brings a good token, put the `CallContext` where the application finds it under `KEY`, and answer
everybody else themselves.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from xerpium_sdk.auth.gate import Denied, aadmit, admit
from xerpium_sdk.auth.verifier import TokenVerifier
from xerpium_sdk.passing import note_company

__all__ = ["KEY", "AsgiServiceAuth", "WsgiServiceAuth"]

KEY = "xerpium.call"
"""Where ASGI's scope and WSGI's environment have the `CallContext`."""
OPEN_PATHS = ("/health",)
MEDIA_TYPE = "application/problem+json"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class AsgiServiceAuth:
    """Lets requests with a good token through to an ASGI application; websockets too, and lifespans always.

    Args:
        app: the application.
        verifier: judges the tokens.
        open_paths: paths that anybody may ask for, everything below them included; the hub asks ``/health``.
    """

    def __init__(self, app: AsgiApp, verifier: TokenVerifier, *, open_paths: Collection[str] = OPEN_PATHS) -> None:
        self._app, self._verifier, self._open = app, verifier, tuple(open_paths)

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and not _is_open(scope["path"], self._open):
            try:
                scope[KEY] = context = await aadmit(self._verifier, _header(scope))
                note_company(context.company_id)
            except Denied as denied:
                if scope["type"] == "http":
                    await _answer(send, denied)
                else:
                    await send({"type": "websocket.close", "code": 1008, "reason": denied.problem.code})
                return
        await self._app(scope, receive, send)


class WsgiServiceAuth:
    """Lets requests with a good token through to a WSGI application; see `AsgiServiceAuth`."""

    def __init__(self, app: WsgiApp, verifier: TokenVerifier, *, open_paths: Collection[str] = OPEN_PATHS) -> None:
        self._app, self._verifier, self._open = app, verifier, tuple(open_paths)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        if not _is_open(environ.get("PATH_INFO", ""), self._open):
            try:
                environ[KEY] = context = admit(self._verifier, environ.get("HTTP_AUTHORIZATION"))
                note_company(context.company_id)
            except Denied as denied:
                status = HTTPStatus(denied.status)
                start_response(f"{status.value} {status.phrase}", list(_headers(denied).items()))
                return [_body(denied)]
        return self._app(environ, start_response)


def _is_open(path: str, open_paths: tuple[str, ...]) -> bool:
    return any(path == one or path.startswith(f"{one.rstrip('/')}/") for one in open_paths)


def _header(scope: Scope) -> str | None:
    """Return the ``Authorization`` header; two of them are as good as none, since others may read the other one."""
    found = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    return found[0].decode("latin-1") if len(found) == 1 else None


def _headers(denied: Denied) -> dict[str, str]:
    return {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(_body(denied))), **denied.headers}


def _body(denied: Denied) -> bytes:
    return json.dumps(denied.problem.to_json()).encode()


async def _answer(send: Callable[[Message], Awaitable[None]], denied: Denied) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in _headers(denied).items()]
    await send({"type": "http.response.start", "status": denied.status, "headers": headers})
    await send({"type": "http.response.body", "body": _body(denied)})
