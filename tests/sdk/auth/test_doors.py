"""Who is let into applications: FastAPI, ASGI, WSGI and Django behave alike, since one gate stands in all of them."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

import httpx2
import pytest
from django.http import HttpRequest, JsonResponse
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from fastapi import Depends, FastAPI, Request

from xerpium_sdk.auth import CallContext, TokenVerifier
from xerpium_sdk.auth.fastapi import (
    CompanyContext,
    get_company_context,
    protect,
    require_permission,
    require_scope,
    verify_service_auth,
)
from xerpium_sdk.auth.middleware import KEY, AsgiServiceAuth, WsgiServiceAuth
from xerpium_sdk.django import auth as django_auth
from xerpium_sdk.testing import TestIssuer

Headers = list[tuple[str, str]]
Answer = tuple[int, dict[str, Any], dict[str, str]]
Door = Callable[[str, Headers], Answer]
"""Sends a GET to an application behind one of the doors: path and headers in, status, JSON and headers out."""


def fastapi_app(verifier: TokenVerifier) -> FastAPI:
    app = FastAPI()
    protect(app, verifier)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.get("/who")
    def who(request: Request, call: Annotated[CallContext, Depends(verify_service_auth)]) -> dict[str, Any]:
        return {"service": call.service_name, "company": request.state.call_context.company_id}

    @app.get("/company")
    def company(request: Request, company: Annotated[CompanyContext, Depends(get_company_context)]) -> dict[str, Any]:
        return {"company": company.company_id, "user": request.state.company_context.user_id}

    @app.get("/scope", dependencies=[require_scope("menus:read", "menus:write")])
    def scope() -> dict[str, Any]:
        return {}

    @app.get("/permission")
    def permission(call: Annotated[CallContext, require_permission("product.delete")]) -> dict[str, Any]:
        return {"user": call.user_id}

    return app


async def bare_asgi(scope: Any, receive: Any, send: Any) -> None:
    call = scope.get(KEY)
    body = json.dumps({"service": call and call.service_name, "company": call and call.company_id}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def bare_wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    call = environ.get(KEY)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"service": call and call.service_name, "company": call and call.company_id}).encode()]


def told(answer: httpx2.Response) -> Answer:
    return answer.status_code, answer.json(), dict(answer.headers)


def asgi_door(app: Any) -> Door:
    async def send(path: str, headers: Headers) -> Answer:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
            return told(await http.get(path, headers=headers))

    return lambda path, headers: asyncio.run(send(path, headers))


def wsgi_door(app: Any) -> Door:
    def send(path: str, headers: Headers) -> Answer:
        with httpx2.Client(transport=httpx2.WSGITransport(app), base_url="http://service") as http:
            return told(http.get(path, headers=headers))

    return send


@django_auth.service_auth_required()
def who_view(request: HttpRequest) -> JsonResponse:
    call = django_auth.call_context(request)
    assert call is not None
    return JsonResponse({"service": call.service_name, "company": call.company_id})


@django_auth.service_auth_required()
async def awho_view(request: HttpRequest) -> JsonResponse:
    return who_view(request)


def of_django(response: Any) -> Answer:
    return response.status_code, json.loads(response.content), {k.lower(): v for k, v in response.headers.items()}


def django_door() -> Door:
    def send(path: str, headers: Headers) -> Answer:
        view = who_view if path == "/who" else lambda request: JsonResponse({"status": "healthy"})
        request = RequestFactory().get(path, headers=dict(headers))
        return of_django(django_auth.ServiceAuthMiddleware(view)(request))

    return send


def async_django_door() -> Door:
    async def ahealth(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "healthy"})

    async def asend(path: str, headers: Headers) -> Answer:
        request = AsyncRequestFactory().get(path, headers=dict(headers))
        return of_django(await django_auth.ServiceAuthMiddleware(awho_view if path == "/who" else ahealth)(request))

    return lambda path, headers: asyncio.run(asend(path, headers))


DOORS: dict[str, Callable[[TokenVerifier], Door]] = {
    "FastAPI": lambda verifier: asgi_door(fastapi_app(verifier)),
    "ASGI": lambda verifier: asgi_door(AsgiServiceAuth(bare_asgi, verifier)),
    "WSGI": lambda verifier: wsgi_door(WsgiServiceAuth(bare_wsgi, verifier)),
    "Django": lambda verifier: django_door(),
    "Django with coroutines": lambda verifier: async_django_door(),
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch) -> Door:
    """Each of them."""
    verifier = issuer.verifier("products")
    monkeypatch.setattr(django_auth, "verifier", lambda: verifier)
    return DOORS[request.param](verifier)


def test_who_brings_a_good_token_is_let_in(door: Door, issuer: TestIssuer) -> None:
    status, said, _ = door("/who", list(issuer.headers("orders", company_id=7).items()))
    assert (status, said) == (200, {"service": "orders", "company": 7})


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer a b", "Basic b3JkZXJzOmtleQ==", "Bearer a.b.c", "bearer [[[[.."],
    ids=["none", "empty", "no token", "blank", "two words", "another scheme", "no token of ours", "brackets"],
)
def test_others_are_challenged(header: str | None, door: Door) -> None:
    status, said, sent = door("/who", [] if header is None else [("Authorization", header)])
    assert status == 401, said
    assert sent["www-authenticate"].startswith("Bearer")


def test_health_is_open_to_everybody(door: Door) -> None:
    assert door("/health", [])[0] == 200


def test_when_nobody_can_tell_it_is_not_now(door: Door, issuer: TestIssuer) -> None:
    issuer.away = True
    status, _, sent = door("/who", list(issuer.headers("orders").items()))
    assert (status, sent["retry-after"]) == (503, "5")


@pytest.mark.parametrize("name", ["FastAPI", "ASGI"])
def test_two_headers_are_as_good_as_none(name: str, issuer: TestIssuer) -> None:
    door = DOORS[name](issuer.verifier("products"))
    good = [("Authorization", f"Bearer {issuer.token('orders')}")]
    assert door("/who", good)[0] == 200
    assert door("/who", [*good, ("Authorization", "Bearer x.y.z")])[0] == 401


# --- FastAPI --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("/company", {"company_id": 7, "user_id": 42}, 200),
        ("/company", {}, 400),
        ("/scope", {"scopes": ["menus:read", "menus:write", "ui:read"]}, 200),
        ("/scope", {"scopes": ["menus:read"]}, 403),
        ("/permission", {"user_id": 42, "company_id": 7, "permissions": ["product.*"]}, 200),
        ("/permission", {"user_id": 42, "company_id": 7, "permissions": ["product.read"]}, 403),
        ("/permission", {"company_id": 7}, 403),
    ],
    ids=["company", "no company", "scopes", "a scope too few", "permission", "another permission", "a service"],
)
def test_dependencies_of_fastapi(path: str, said: dict[str, Any], status: int, issuer: TestIssuer) -> None:
    door = asgi_door(fastapi_app(issuer.verifier("products")))
    found, body, headers = door(path, list(issuer.headers("orders", **said).items()))
    assert found == status, body
    if path == "/company" and status == 200:
        assert body == {"company": 7, "user": 42}
    if path == "/scope" and status == 403:
        challenge = 'Bearer error="insufficient_scope", scope="menus:read menus:write"'
        assert headers["www-authenticate"] == challenge
    assert door(path, [])[0] == 401


def test_without_a_verifier_of_its_own_an_application_goes_by_the_environment() -> None:
    app = FastAPI()

    @app.get("/who", dependencies=[Depends(verify_service_auth)])
    def who() -> None: ...

    with pytest.raises(ValueError, match="XERPIUM_HUB_URL"):
        asgi_door(app)("/who", [])


def test_the_documents_of_fastapi_say_that_a_token_is_needed(issuer: TestIssuer) -> None:
    document = fastapi_app(issuer.verifier("products")).openapi()
    assert document["paths"]["/scope"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/health"]["get"]


# --- ASGI -----------------------------------------------------------------------------------------------------------


def test_a_websocket_without_a_token_is_closed_and_a_lifespan_is_let_through(issuer: TestIssuer) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], scope.get(KEY) and scope[KEY].service_name))

    async def run() -> None:
        guarded = AsgiServiceAuth(app, issuer.verifier("products"))
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        header = (b"authorization", issuer.headers("orders")["Authorization"].encode())
        await guarded({"type": "lifespan"}, None, send)  # type: ignore[arg-type]
        await guarded({"type": "websocket", "path": "/ws", "headers": []}, None, send)  # type: ignore[arg-type]
        await guarded({"type": "websocket", "path": "/ws", "headers": [header]}, None, send)  # type: ignore[arg-type]
        assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]

    asyncio.run(run())
    assert seen == [("lifespan", None), ("websocket", "orders")]


@pytest.mark.parametrize(("path", "is_open"), [("/health/live", True), ("/healthy", False), ("/", False)])
def test_open_paths_are_whole_names(path: str, is_open: bool, issuer: TestIssuer) -> None:
    door = asgi_door(AsgiServiceAuth(bare_asgi, issuer.verifier("products")))
    assert (door(path, [])[0] == 200) is is_open


# --- Django ---------------------------------------------------------------------------------------------------------


def test_views_of_django_say_what_they_need(issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = issuer.verifier("products")
    monkeypatch.setattr(django_auth, "verifier", lambda: verifier)

    @django_auth.service_auth_required(permissions=["product.read"], scopes=["ui:read"], company=True)
    def view(request: HttpRequest, number: int) -> JsonResponse:
        return JsonResponse({"number": number})

    def status(**said: Any) -> int:
        request = RequestFactory().get("/", headers=issuer.headers("orders", **said))
        return int(django_auth.ServiceAuthMiddleware(lambda request: view(request, 3))(request).status_code)

    everything = {"company_id": 7, "user_id": 42, "permissions": ["product.*"], "scopes": ["ui:read"]}
    assert status(**everything) == 200
    assert status(**everything | {"permissions": []}) == 403
    assert status(**everything | {"scopes": []}) == 403
    assert status(**everything | {"company_id": None}) == 400
    with pytest.raises(RuntimeError, match="MIDDLEWARE"):
        view(RequestFactory().get("/"), 3)


def test_django_goes_by_its_settings_and_a_request_without_a_token_by_the_view() -> None:
    with override_settings(XERPIUM_HUB_URL="http://hub.test/", XERPIUM_SERVICE_NAME="products"):
        assert repr(django_auth.verifier()) == "TokenVerifier('products', hub='http://hub.test')"
        request = RequestFactory().get("/")
        django_auth.ServiceAuthMiddleware(lambda request: JsonResponse({}))(request)
        assert django_auth.call_context(request) is None
