"""Closed by default: nobody comes in without an operator's session, and an open hub opens to this machine alone."""

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.core.asgi import may_enter
from apps.registry.models import HistoryEntry, Service
from tests.support import services
from tests.support.api import Api
from tests.support.asgi import call, lifespan
from tests.support.registry import NOW, body, id_of
from xerpium.asgi import Hub, django

INSTANCE = f"/services/orders/instances/{id_of()}"
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/services", None),
    ("HEAD", "/services", None),
    ("OPTIONS", "/services", None),
    ("PATCH", "/services", {}),
    ("POST", "/services/register", body()),
    ("POST", "/services/register", {"name": "Not A Name"}),
    ("POST", "/services/health", {"service_name": "orders", "status": "healthy"}),
    ("GET", "/services/graph", None),
    ("GET", "/services/orders", None),
    ("GET", "/services/nobody", None),
    ("GET", "/services/orders?wait=30&revision=99", None),
    ("GET", "/services/orders?zome=x", None),
    ("DELETE", "/services/orders", None),
    ("GET", "/services/orders/history", None),
    ("DELETE", INSTANCE, None),
    ("POST", f"{INSTANCE}/drain", {}),
    ("POST", f"{INSTANCE}/resume", {}),
    ("GET", "/catalog/stream", None),
]


@pytest.fixture
def orders(api: Api) -> Api:
    """A caller who has registered the service ``orders``."""
    api.register(body())
    return api


def assert_refused(answer: Any, verb: str = "GET", *, said_token: bool = False) -> None:
    assert answer.status_code == 401, answer.content
    assert answer.headers["WWW-Authenticate"] == ('Bearer error="invalid_token"' if said_token else "Bearer")
    if verb != "HEAD":
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == ("invalid_token" if said_token else "not_authenticated")


@pytest.mark.parametrize(("verb", "path", "sent"), REQUESTS)
def test_a_closed_hub_lets_nobody_in(verb: str, path: str, sent: Any, orders: Api, settings: Any) -> None:
    settings.HUB_OPEN = False
    assert_refused(orders.send(verb, path, sent), verb)
    assert HistoryEntry.objects.count() == 1
    assert Service.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Anything", ""),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 proxy"),
        ("X-Real-IP", "127.0.0.1"),
        ("Authorization", "Bearer nonsense"),
        ("Authorization", "Basic b3BlbjpvcGVu"),
        ("Authorization", ""),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Host", "evil.example"),
    ],
)
def test_an_open_hub_is_closed_to_what_did_not_come_from_here(name: str, value: str, orders: Api) -> None:
    for verb, path, sent in REQUESTS:
        answer = orders.send(verb, path, sent, headers={name: value})
        assert_refused(answer, verb, said_token=value.startswith("Bearer"))
    assert HistoryEntry.objects.count() == 1


@pytest.mark.parametrize("address", ["10.0.0.9", "192.168.1.1", "::ffff:10.0.0.9", "2001:db8::1", "", "unix:"])
def test_an_open_hub_is_closed_to_other_machines(address: str, orders: Api) -> None:
    assert_refused(orders.get("/services", REMOTE_ADDR=address))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_an_open_hub_is_open_to_this_machine(address: str, orders: Api) -> None:
    assert orders.get("/services", REMOTE_ADDR=address).status_code == 200


@pytest.fixture
def operator(orders: Api, settings: Any) -> Client:
    """The browser of an operator who is logged in to a closed hub."""
    settings.HUB_OPEN = False
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("ann"))
    return browser


def test_an_operator_reads(operator: Client) -> None:
    assert Api(operator).get("/services/orders").status_code == 200


def test_an_operator_writes_with_the_token_of_the_page(operator: Client) -> None:
    refused = Api(operator).post(f"{INSTANCE}/drain", {"reason": "disk"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert HistoryEntry.objects.count() == 1
    token = "t" * 32
    operator.cookies["csrftoken"] = token
    done = Api(operator).post(f"{INSTANCE}/drain", {"reason": "disk"}, headers={"X-CSRFToken": token})
    assert (done.status_code, done.json()["status"]) == (200, "draining")
    entry = HistoryEntry.objects.first()
    assert entry is not None
    assert (entry.actor, entry.cause) == ("operator:ann", "drained: disk")


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_a_session_of_somebody_else_is_none(change: dict[str, bool], operator: Client) -> None:
    User.objects.update(**change)
    assert_refused(Api(operator).get("/services/orders"))


@pytest.mark.parametrize(
    ("verb", "path", "sent"),
    [
        ("GET", "/api/v1/services/orders", b""),
        ("GET", "/api/v1/services/orders?wait=30&revision=99", b""),
        ("GET", "/api/v1/catalog/stream", b""),
        ("POST", "/api/v1/services/health", b'{"service_name":"orders","status":"healthy"}'),
    ],
)
def test_the_hot_routes_are_as_closed_as_the_others(
    verb: str, path: str, sent: bytes, hub: None, settings: Any
) -> None:
    services.report(services.register("orders", now=NOW), now=NOW)
    settings.HUB_OPEN = False
    may_enter.cache_clear()

    async def run() -> None:
        app = Hub(django, fast_paths=True)
        async with lifespan(app):
            answer = await call(app, verb, path, body=sent, headers=[("content-type", "application/json")])
            assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")

    try:
        asyncio.run(run())
    finally:
        may_enter.cache_clear()
