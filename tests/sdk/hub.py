"""A hub small enough to read: it speaks the contract over real sockets, from memory, and does as it is told.

The SDK's tests need a hub that can be away, forget, refuse, and break off mid-sentence on command. The real one is
driven by the end-to-end tests.
"""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.wait import wait_until
from xerpium_sdk.wire import examples

JSON = dict[str, Any]
Handler = Callable[[Request, JSON], Response]
PAGE = 2
PROBLEM = "application/problem+json"


def service(name: str, revision: int = 1, instances: list[JSON] | None = None, **changes: Any) -> JSON:
    """Return a record like the golden one, with the instances given (default: one healthy one)."""
    inside = [instance()] if instances is None else instances
    on_top = {key: value for key, value in inside[0].items() if key in examples.load("service")} if inside else {}
    fixed: JSON = {"name": name, "company_id": None, "status": "healthy", "impaired": [], "revision": revision}
    return on_top | fixed | {"instances": inside} | changes


def instance(instance_id: str = "a", **changes: Any) -> JSON:
    """Return an instance like the golden one."""
    return dict(examples.load("instance"), **({"instance_id": instance_id, "zone": None} | changes))


def event(name: str, data: JSON, revision: int) -> bytes:
    """Return a server-sent event."""
    return f"event: {name}\nid: {revision}\ndata: {json.dumps(data)}\n\n".encode()


def snapshot(revision: int, *services: JSON) -> bytes:
    """Return the event that a stream begins with."""
    return event("snapshot", {"revision": revision, "services": list(services)}, revision)


def change(record: JSON) -> bytes:
    """Return the event of one changed service."""
    return event("change", record, record["revision"])


@dataclass
class Call:
    """One request that came in."""

    method: str
    path: str
    body: JSON
    headers: dict[str, str]
    query: dict[str, str]


@dataclass
class Hub:
    """The hub, on a port of its own; `start` and `stop` as often as wanted."""

    port: int = 0
    known: dict[tuple[str, str], JSON] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    """What the next requests (not streams) get instead of an answer; a pretended failure."""
    opening: list[bytes] = field(default_factory=lambda: [snapshot(1)])
    """What every stream begins with."""
    lease_seconds: float = 90
    good_token: str | None = None
    """The one token that it lets in; None: it is open."""
    issue: Callable[[JSON], str] | None = None
    """Makes the tokens that it issues; None: they are ``token-1``, ``token-2``, …"""

    def __post_init__(self) -> None:
        self._streams: set[asyncio.Queue[bytes | None]] = set()
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    def requests(self, method: str, path: str) -> list[Call]:
        """Return the calls to one route."""
        return [call for call in self.calls if (call.method, call.path) == (method, path)]

    def say(self, *pieces: bytes | None) -> None:
        """Send bytes on every open stream; None ends them."""
        for piece in pieces:
            for stream in list(self._streams):
                self._loop.call_soon_threadsafe(stream.put_nowait, piece)

    def reset(self) -> None:
        """Answer, know nothing, and forget what was said before."""
        if self._server is None:
            self.start()
        self.say(None)
        wait_until(lambda: not self._streams, description="the streams of the test before have ended")
        self.known, self.calls, self.answers = {}, [], []
        self.opening, self.lease_seconds = [snapshot(1)], 90
        self.good_token = self.issue = None

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._application(), ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        self._thread.start()
        wait_until(lambda: server.started, description="the small hub listens")

    def stop(self) -> None:
        """Be away: nothing listens on the port, and every stream is cut."""
        if self._server is not None:
            self.say(None)
            self._server.should_exit = True
            self._thread.join(10)
            self._server = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be away for the duration of the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _serve(self, listener: socket.socket) -> None:
        with asyncio.Runner() as runner, listener:
            self._loop = runner.get_loop()
            assert self._server is not None
            runner.run(self._server.serve(sockets=[listener]))

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return what it answers, by verb and path below ``/api/v1``."""
        return {
            ("POST", "/service-auth/token"): self._token,
            ("POST", "/service-auth/validate"): self._validate,
            ("POST", "/services/register"): self._register,
            ("POST", "/services/health"): self._report,
            ("GET", "/services/"): self._list,
            ("GET", "/services/graph"): self._graph,
            ("GET", "/services/{name}"): self._get,
            ("GET", "/services/{name}/history"): self._history,
            ("DELETE", "/services/{name}/instances/{instance_id}"): self._leave,
            ("POST", "/services/{name}/instances/{instance_id}/{verb}"): self._drain,
        }

    def _application(self) -> Starlette:
        routes = [
            Route(f"/api/v1{path}", self._answering(handler), methods=[verb])
            for (verb, path), handler in self.handlers().items()
        ]
        return Starlette(routes=[*routes, Route("/api/v1/catalog/stream", self._stream)])

    def _answering(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            await self._note(request)
            if self.answers:
                return self.answers.pop(0)
            if not self._lets_in(request):
                return problem(401, code="invalid_token")
            return handler(request, self.calls[-1].body)

        return endpoint

    async def _note(self, request: Request) -> None:
        raw = await request.body()
        path = request.url.path.removeprefix("/api/v1/")
        body = json.loads(raw) if raw else {}
        self.calls.append(Call(request.method, path, body, dict(request.headers), dict(request.query_params)))

    def _lets_in(self, request: Request) -> bool:
        is_free = self.good_token is None or "/service-auth/" in request.url.path
        return is_free or request.headers.get("authorization") == f"Bearer {self.good_token}"

    def _token(self, request: Request, body: JSON) -> Response:
        number = len(self.requests("POST", "service-auth/token"))
        token = self.issue(body) if self.issue else f"token-{number}"
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": ""})

    def _validate(self, request: Request, body: JSON) -> Response:
        if body["token"] != "token-1":
            return problem(401, code="invalid_token")
        return JSONResponse({"active": True, "service_name": "orders", "company_id": None, "permissions": []})

    def _register(self, request: Request, body: JSON) -> Response:
        identity = body["name"], body.get("instance_id") or f"{body['host']}:{body['port']}"
        self.known[identity] = body | {"instance_id": identity[1], "status": "starting"}
        return JSONResponse(self._record(body["name"]), 201)

    def _report(self, request: Request, body: JSON) -> Response:
        known = self.known.get((body["service_name"], body.get("instance_id", "")))
        if known is None:
            return not_found()
        known["status"] = body["status"]
        return JSONResponse({"status": body["status"], "lease_seconds": self.lease_seconds, "revision": 1})

    def _get(self, request: Request, body: JSON) -> Response:
        name = request.path_params["name"]
        return JSONResponse(self._record(name)) if self._instances(name) else not_found()

    def _list(self, request: Request, body: JSON) -> Response:
        names = sorted({name for name, _ in self.known})
        start = int(request.query_params.get("cursor", 0))
        after = str(start + PAGE) if start + PAGE < len(names) else None
        page = [self._record(name) for name in names[start : start + PAGE]]
        return JSONResponse({"results": page, "next": after})

    def _history(self, request: Request, body: JSON) -> Response:
        return JSONResponse({"results": [{"cause": "registered"}], "next": None})

    def _graph(self, request: Request, body: JSON) -> Response:
        return JSONResponse({"nodes": [], "edges": [], "missing": [], "cycles": []})

    def _leave(self, request: Request, body: JSON) -> Response:
        gone = self.known.pop((request.path_params["name"], request.path_params["instance_id"]), None)
        return not_found() if gone is None else Response(status_code=204)

    def _drain(self, request: Request, body: JSON) -> Response:
        draining = request.path_params["verb"] == "drain"
        return JSONResponse(instance(request.path_params["instance_id"], draining=draining))

    def _instances(self, name: str) -> list[JSON]:
        return [instance() | document for (service, _), document in self.known.items() if service == name]

    def _record(self, name: str) -> JSON:
        return service(name, instances=self._instances(name))

    async def _stream(self, request: Request) -> Response:
        await self._note(request)
        if not self._lets_in(request):
            return problem(401, code="invalid_token")
        return StreamingResponse(self._pieces(), media_type="text/event-stream")

    async def _pieces(self) -> AsyncIterator[bytes]:
        said: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams.add(said)
        try:
            for piece in self.opening:
                yield piece
            while (piece_or_end := await said.get()) is not None:
                yield piece_or_end
        finally:
            self._streams.discard(said)


def problem(status: int, **changes: Any) -> Response:
    """Return an error answer."""
    document = examples.load("problem") | {"status": status} | changes
    return JSONResponse(document, status, media_type=PROBLEM)


def not_found() -> Response:
    """Return the answer for what is not there."""
    return problem(404, code="not_found", title="Not found", detail="There is no such service.", errors=[])
