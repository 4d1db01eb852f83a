"""Tools for the routes that are answered on the event loop, before Django: requests, answers, who may come in.

A fast route answers only what it is sure of. Everything else it leaves to its ordinary twin in Django: bad input, other
credentials, headers that it does not know.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from django.conf import settings

from apps.core.access import FORWARDING, may_enter_open
from apps.core.csp import STRICT
from apps.core.requestid import request_id_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = (b"content-type", b"application/json")
# What Django's middleware puts on every answer of the API, over TLS one more; a test holds both to the same.
SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", STRICT.encode()),
)
LARGEST_BODY = 65_536
LONGEST_SEND_SECONDS = 30

_LEFT_TO_DJANGO = frozenset({b"cookie", b"idempotency-key", b"expect", b"origin"})
# Without a token each of them keeps the caller of an open hub outside.
_FORWARDED = frozenset(name.encode() for name in FORWARDING)
# RFC 6750, 2.1: the scheme's name is in any case, the token of these characters.
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/-]+=*)")


def bearer_token(authorization: bytes) -> bytes | None:
    """Return the token in the value of an ``Authorization`` header; None when it is of another kind."""
    match = _BEARER.fullmatch(authorization)
    return match[1] if match else None


def is_secure(scheme: str, forwarded_proto: bytes | None) -> bool:
    """Return whether a request came over TLS, by what Django goes by: the connection, or a proxy that is believed."""
    header = settings.SECURE_PROXY_SSL_HEADER
    if header is not None and forwarded_proto is not None:
        return bool(forwarded_proto.decode("latin-1").split(",", 1)[0].strip() == header[1])
    return scheme == "https"


def security_headers(*, secure: bool) -> tuple[Header, ...]:
    """Return what Django's middleware puts on every answer of the API."""
    return (*SECURITY, (b"strict-transport-security", _transport_security())) if _wants_hsts(secure) else SECURITY


def must_redirect(*, secure: bool) -> bool:
    """Return whether Django would send the caller to the address with ``https``."""
    return bool(settings.SECURE_SSL_REDIRECT and not secure)


def _wants_hsts(secure: bool) -> bool:
    return bool(secure and settings.SECURE_HSTS_SECONDS)


def _transport_security() -> bytes:
    parts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    parts += ["includeSubDomains"] if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else []
    parts += ["preload"] if settings.SECURE_HSTS_PRELOAD else []
    return "; ".join(parts).encode()


class Request:
    """One request, read as far as a fast route needs it.

    Attributes:
        method: the verb.
        path: the path without a trailing slash.
        headers: by lower-case name; of a repeated one the last.
        token: of a request with ``Authorization: Bearer …``, which it stands for; None without.
        usable: whether a fast route may answer at all; one with a ``token`` only if that is good.
    """

    __slots__ = ("headers", "method", "path", "receive", "scope", "secure", "send", "token", "usable")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"].removesuffix("/")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.token: bytes | None = None
        self.secure = is_secure(scope.get("scheme", "http"), self.headers.get(b"x-forwarded-proto"))
        self.usable = self._is_usable()

    @property
    def is_forwarded(self) -> bool:
        """Whether somebody stands between the caller and the hub, or says so."""
        headers = self.headers
        return not _FORWARDED.isdisjoint(headers) or any(name.startswith(b"x-forwarded-") for name in headers)

    @property
    def peer(self) -> str:
        """The address that the connection comes from."""
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def query(self) -> bytes:
        """The query string, not decoded."""
        return self.scope["query_string"]  # type: ignore[no-any-return]  # ASGI says bytes

    def _is_usable(self) -> bool:
        headers = self.headers
        if not _LEFT_TO_DJANGO.isdisjoint(headers) or must_redirect(secure=self.secure):
            return False
        if b"authorization" in headers:
            self.token = bearer_token(headers[b"authorization"])
            is_one = sum(name == b"authorization" for name, _ in self.scope["headers"]) == 1
            return self.token is not None and is_one
        if self.is_forwarded:
            return False
        return may_enter(self.peer, headers.get(b"host", b""), headers.get(b"sec-fetch-site", b""))

    def common_headers(self) -> list[Header]:
        """Return the headers of every answer: the request's id, and the browser's instructions."""
        given = self.headers.get(b"x-request-id")
        request_id = request_id_of(given.decode("latin-1") if given else None)
        return [(b"x-request-id", request_id.encode()), *security_headers(secure=self.secure)]

    async def body(self) -> bytes | None:
        """Return the whole body, or None when it is not declared as JSON of a modest size (nothing is read then)."""
        media_type = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        length = self.headers.get(b"content-length", b"")
        if media_type != b"application/json" or not length.isdigit() or int(length) > LARGEST_BODY:
            return None
        message = await self.receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await self.receive()
            body += message.get("body", b"")
        return body

    async def begin(self, status: int, headers: Iterable[Header]) -> None:
        """Send the head of an answer, with the headers that all answers have."""
        complete = [*headers, *self.common_headers()]
        await self.send({"type": "http.response.start", "status": status, "headers": complete})

    async def answer(self, status: int, headers: Iterable[Header], body: bytes = b"") -> None:
        """Send a whole answer; HEAD gets the headers only."""
        length = [] if status in (204, 304) else [(b"content-length", b"%d" % len(body))]
        await self.begin(status, [*headers, *length])
        await self.send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone; what else it sends until then is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_stream(request: "Request", frames: AsyncGenerator[bytes], headers: Mapping[str, str]) -> None:
    """Answer ``request`` with ``frames`` as they come, until they end or the client is gone; close them then."""
    await request.begin(200, [(name.lower().encode(), value.encode()) for name, value in headers.items()])
    gone = asyncio.ensure_future(disconnected(request.receive))
    try:
        await send_until_gone(frames, gone, request.send)
    finally:
        gone.cancel()
        await frames.aclose()


async def send_until_gone(frames: AsyncGenerator[bytes], gone: "asyncio.Future[None]", send: Send) -> None:
    """Send the parts of an answer that was begun, until they end, or the client is gone or reads no more."""
    while True:
        following = asyncio.ensure_future(anext(frames, None))
        either: set[asyncio.Future[Any]] = {following, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when the server ends this: frames that are still being asked for the next one cannot be closed.
            if not following.done():
                await _cancelled(following)
        if gone.done():
            return
        frame = following.result()
        if frame is None:
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            async with asyncio.timeout(LONGEST_SEND_SECONDS):
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        except TimeoutError:
            # It has stopped reading. An answer that ends too early makes the server close the connection.
            return


async def _cancelled(task: "asyncio.Future[Any]") -> None:
    """Return when ``task``, which is cancelled here, has ended."""
    task.cancel()
    await asyncio.wait({task})


def replaying(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives ``body`` once more, for handing a request over after its body was read."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


@lru_cache(maxsize=4096)
def may_enter(peer: str, host: bytes, fetch_site: bytes) -> bool:
    """Return whether the hub is open to a request without credentials and without forwarding headers."""
    headers = {"host": host.decode("latin-1")}
    if fetch_site:
        headers["sec-fetch-site"] = fetch_site.decode("latin-1")
    return settings.HUB_OPEN and may_enter_open(peer, headers)
