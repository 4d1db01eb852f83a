"""Tools for the routes that are answered on the event loop, before Django: requests, answers, who may come in.

A fast route answers only what it is sure of. Everything else it leaves to its ordinary twin in Django: bad input, other
credentials, headers that it does not know.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from django.conf import settings

from apps.core.access import may_enter_open
from apps.core.requestid import request_id_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = (b"content-type", b"application/json")
# What Django's middleware puts on every answer of the API; a test holds both to the same.
SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
LARGEST_BODY = 65_536

_LEFT_TO_DJANGO = frozenset(
    {b"authorization", b"cookie", b"forwarded", b"via", b"x-real-ip", b"idempotency-key", b"expect", b"origin"}
)


class Request:
    """One request, read as far as a fast route needs it.

    Attributes:
        method: the verb.
        path: the path without a trailing slash.
        headers: by lower-case name; of a repeated one the last.
        usable: whether a fast route may answer at all.
    """

    __slots__ = ("headers", "method", "path", "receive", "scope", "send", "usable")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"].removesuffix("/")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.usable = self._is_usable()

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
        if not _LEFT_TO_DJANGO.isdisjoint(headers):
            return False
        if any(name.startswith(b"x-forwarded-") for name in headers):
            return False
        return may_enter(self.peer, headers.get(b"host", b""), headers.get(b"sec-fetch-site", b""))

    def common_headers(self) -> list[Header]:
        """Return the headers of every answer: the request's id, and the browser's instructions."""
        given = self.headers.get(b"x-request-id")
        request_id = request_id_of(given.decode("latin-1") if given else None)
        return [(b"x-request-id", request_id.encode()), *SECURITY]

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
