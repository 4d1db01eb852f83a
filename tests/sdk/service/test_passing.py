"""What a request hands on: taken over, answered, given to calls, and forgotten when the request is over."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Annotated, Any

import httpx2
import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.responses import StreamingResponse

from xerpium_sdk.auth.fastapi import CompanyContext, get_company_context, protect
from xerpium_sdk.auth.middleware import AsgiServiceAuth, WsgiServiceAuth
from xerpium_sdk.calls import asgi, wsgi
from xerpium_sdk.django import auth as django_auth
from xerpium_sdk.django.passing import PassOnMiddleware
from xerpium_sdk.passing import Passing, current, note_company, passing_on
from xerpium_sdk.testing import TestIssuer
from xerpium_sdk.trace import TraceParent

pytestmark = pytest.mark.anyio

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GIVEN = {"X-Request-ID": "till-7", "traceparent": TRACE}
ISSUER = TestIssuer()
Environ = dict[str, Any]


def told() -> dict[str, Any]:
    """Return what calls would carry here."""
    passing = current()
    return {"request_id": passing.request_id, "traceparent": passing.traceparent, "company_id": passing.company_id}


def application() -> FastAPI:
    """Return an application that says what calls would carry, in a task, in a thread and while it streams."""
    app = FastAPI()
    protect(app, ISSUER.verifier("orders"))

    @app.get("/task")
    async def task() -> dict[str, Any]:
        return told()

    @app.get("/company")
    def company(context: Annotated[CompanyContext, Depends(get_company_context)]) -> dict[str, Any]:
        return told()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            yield str(told()["request_id"])

        return StreamingResponse(pieces())

    @app.websocket("/socket")
    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        await connection.send_json(told())
        await connection.close()

    app.add_middleware(asgi.PassOnMiddleware)
    return app


def caller() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(application()), base_url="http://orders")


async def test_an_application_takes_over_and_answers_what_a_request_brings() -> None:
    async with caller() as call:
        answer = await call.get("/task", headers=GIVEN)
        assert answer.json() == {"request_id": "till-7", "traceparent": TRACE, "company_id": None}
        assert (answer.headers["x-request-id"], answer.headers["traceresponse"]) == ("till-7", TRACE)
        assert (await call.get("/stream", headers=GIVEN)).text == "till-7"
    assert current() == Passing()


async def test_what_a_request_does_not_bring_well_formed_begins_anew() -> None:
    async with caller() as call:
        answer = await call.get("/task", headers={"X-Request-ID": "two words", "traceparent": "00-0-0-01"})
        twice = await call.get("/task", headers=[("X-Request-ID", "a"), ("X-Request-ID", "b")])
    passing = answer.json()
    trace = TraceParent.parse(passing["traceparent"])
    assert trace is not None
    assert passing["request_id"] == trace.trace_id == answer.headers["x-request-id"]
    assert twice.json()["request_id"] not in ("a", "b")


async def test_the_company_of_a_token_holds_for_its_own_request_only() -> None:
    seven, eight = (ISSUER.headers("till", company_id=number) for number in (7, 8))
    async with caller() as call:
        answers = await asyncio.gather(*(call.get("/company", headers=who) for who in (seven, eight) * 10))
        assert [answer.json()["company_id"] for answer in answers] == [7, 8] * 10
        assert (await call.get("/task")).json()["company_id"] is None


def test_a_websocket_takes_over_what_its_request_brings() -> None:
    with TestClient(application()) as client, client.websocket_connect("/socket", headers=GIVEN) as socket:
        assert socket.receive_json() == {"request_id": "till-7", "traceparent": TRACE, "company_id": None}


async def test_the_asgi_door_notes_the_company() -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(current().company_id).encode()})

    app = asgi.PassOnMiddleware(AsgiServiceAuth(inner, ISSUER.verifier("orders")))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://orders") as call:
        assert (await call.get("/", headers=ISSUER.headers("till", company_id=7))).text == "7"
        assert (await call.get("/health")).text == "None"


def serve(app: Callable[..., Iterable[bytes]], **environ: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body that a WSGI application answers with."""
    answered: dict[str, str] = {}

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        answered.update({name.lower(): value for name, value in headers})

    body = app({"PATH_INFO": "/", **environ}, start)
    try:
        return answered, b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_a_thread_of_wsgi_keeps_nothing_of_a_request(streams: bool) -> None:
    closed: list[int | None] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield f"{current().request_id} ".encode()
            yield str(current().company_id).encode()

        def close(self) -> None:
            closed.append(current().company_id)

    def inner(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Pieces() if streams else [f"{current().request_id} {current().company_id}".encode()]

    app = wsgi.PassOnMiddleware(WsgiServiceAuth(inner, ISSUER.verifier("orders")))
    token = ISSUER.headers("till", company_id=7)["Authorization"]
    headers, body = serve(app, HTTP_X_REQUEST_ID="till-7", HTTP_TRACEPARENT=TRACE, HTTP_AUTHORIZATION=token)
    assert (body, headers["x-request-id"], headers["traceresponse"]) == (b"till-7 7", "till-7", TRACE)
    assert closed == ([7] if streams else [])
    assert current() == Passing()
    no_company = ISSUER.headers("till")["Authorization"]
    assert serve(app, HTTP_X_REQUEST_ID="till-8", HTTP_AUTHORIZATION=no_company)[1] == b"till-8 None"


def test_a_company_that_is_noted_outside_of_a_request_is_forgotten() -> None:
    note_company(7)
    assert current().company_id is None
    with passing_on(Passing(request_id="a")):
        worker = threading.Thread(target=note_company, args=(9,))
        worker.start()
        worker.join()
        assert current() == Passing(request_id="a")
        note_company(7)
        assert current() == Passing(request_id="a", company_id=7)
    assert current() == Passing()


@pytest.fixture
def of_company(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the header of a call in company 7."""
    monkeypatch.setattr(django_auth, "verifier", lambda: ISSUER.verifier("orders"))
    return ISSUER.headers("till", company_id=7)["Authorization"]


def test_django_takes_over_answers_and_forgets(of_company: str) -> None:
    def view(request: HttpRequest) -> HttpResponseBase:
        if request.path == "/stream":
            return StreamingHttpResponse(f"{current().company_id}" for _ in range(2))
        return HttpResponse(f"{current().request_id} {current().company_id}")

    serving = PassOnMiddleware(django_auth.ServiceAuthMiddleware(view))
    request = RequestFactory().get("/", headers={**GIVEN, "Authorization": of_company})
    answer = serving(request)
    assert (answer.content, answer.headers["X-Request-ID"]) == (b"till-7 7", "till-7")
    assert answer.headers["traceresponse"] == TRACE
    streamed = serving(RequestFactory().get("/stream", headers={"Authorization": of_company}))
    assert current() == Passing()
    assert list(streamed.streaming_content) == [b"7", b"7"]
    assert serving(RequestFactory().get("/", headers={"X-Request-ID": "b"})).content == b"b None"


async def test_django_does_so_on_an_event_loop_too(of_company: str) -> None:
    async def view(request: HttpRequest) -> HttpResponseBase:
        async def pieces() -> AsyncIterator[str]:
            yield f"{current().company_id}"

        if request.path == "/stream":
            return StreamingHttpResponse(pieces())
        return HttpResponse(f"{current().request_id} {current().company_id}")

    serving = PassOnMiddleware(django_auth.ServiceAuthMiddleware(view))
    answer = await serving(RequestFactory().get("/", headers={**GIVEN, "Authorization": of_company}))
    assert answer.content == b"till-7 7"
    streamed = await serving(RequestFactory().get("/stream", headers={"Authorization": of_company}))
    assert [piece async for piece in streamed.streaming_content] == [b"7"]
    assert current() == Passing()
