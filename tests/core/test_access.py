"""The hub is closed, except to operators, and to programs of this machine where HUB_OPEN=1 says so."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from apps.core.access import Principal, is_loopback, may_enter_open
from tests.core.urls import EchoView

pytestmark = pytest.mark.urls("tests.core.urls")

FORWARDING = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-x",
    "x-original-forwarded-for",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
]


def test_a_program_of_this_machine_enters_an_open_hub(client: Client) -> None:
    assert client.get("/api/v1/echo").json() == {"caller": "open:open"}


@pytest.mark.parametrize("method", ["get", "post", "options", "head", "put", "trace"])
def test_a_closed_hub_asks_everybody(client: Client, settings: Settings, method: str) -> None:
    settings.HUB_OPEN = False
    answer = getattr(client, method)("/api/v1/echo")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert method == "head" or answer.json()["code"] == "not_authenticated"


def test_a_stranger_is_asked_before_anything_is_read(settings: Settings) -> None:
    settings.HUB_OPEN = False
    request = RequestFactory().post("/api/v1/echo?nonsense=1", b"[" * 100, "application/json")
    assert EchoView.as_view()(request).status_code == 401
    assert request.read() == b"[" * 100


@pytest.mark.parametrize(
    "peer", ["10.0.0.1", "192.168.1.5", "8.8.8.8", "::2", "fe80::1", "0.0.0.0", "::", "", "localhost", "x"]
)
def test_other_machines_stay_outside(client: Client, peer: str) -> None:
    assert client.get("/api/v1/echo", REMOTE_ADDR=peer).status_code == 401


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_this_machine(client: Client, peer: str) -> None:
    assert client.get("/api/v1/echo", REMOTE_ADDR=peer).status_code == 200


@pytest.mark.parametrize("name", FORWARDING)
def test_a_forwarded_request_stays_outside(client: Client, name: str) -> None:
    assert client.get("/api/v1/echo", headers={name: "127.0.0.1"}).status_code == 401
    assert not may_enter_open("127.0.0.1", {name: ""})


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["Bearer bad", "Basic YTpi", "", "Bearer"])
def test_a_token_is_judged_and_not_ignored(client: Client, token: str) -> None:
    assert client.get("/api/v1/echo", headers={"Authorization": token}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "enters"),
    [
        ({}, True),
        ({"host": "127.0.0.1:8000"}, True),
        ({"host": "[::1]:8000"}, True),
        ({"host": "localhost"}, True),
        ({"host": "hub.localhost:8000"}, True),
        ({"host": "localhost:8000", "origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, True),
        ({"host": "localhost:8000", "sec-fetch-site": "none"}, True),
        ({"host": "evil.example"}, False),
        ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, False),
        ({"host": "localhost.evil.example"}, False),
        ({"host": "notlocalhost"}, False),
        ({"host": "[::1"}, False),
        ({"host": "10.0.0.1:8000"}, False),
        ({"host": "localhost:8000", "origin": "http://evil.example"}, False),
        ({"host": "localhost:8000", "origin": "http://localhost:3000"}, False),
        ({"host": "localhost:8000", "origin": "null"}, False),
        ({"host": "localhost:8000", "origin": "http://["}, False),
        ({"host": "localhost:8000", "sec-fetch-site": "cross-site"}, False),
        ({"host": "localhost:8000", "sec-fetch-site": "same-site"}, False),
    ],
)
def test_pages_of_other_sites_stay_outside(headers: dict[str, str], enters: bool) -> None:
    assert may_enter_open("127.0.0.1", headers) is enters


def test_what_is_not_an_address_is_not_loopback() -> None:
    assert not any(is_loopback(text) for text in ("", "localhost", "127.1", "2130706433", "127.0.0.1:80"))


@pytest.mark.django_db
class TestOperators:
    @pytest.fixture
    def operator(self, settings: Settings) -> User:
        settings.HUB_OPEN = False
        return User.objects.create_user("ann", is_staff=True)

    @pytest.fixture
    def browser(self, operator: User) -> Client:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(operator)
        return browser

    def test_enters_with_a_session(self, browser: Client) -> None:
        assert browser.get("/api/v1/echo").json() == {"caller": "operator:ann"}

    def test_is_the_operator_in_an_open_hub_too(self, browser: Client, settings: Settings) -> None:
        settings.HUB_OPEN = True
        assert browser.get("/api/v1/echo").json() == {"caller": "operator:ann"}

    @pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
    def test_only_active_staff_enters(self, browser: Client, operator: User, change: dict[str, bool]) -> None:
        User.objects.filter(pk=operator.pk).update(**change)
        assert browser.get("/api/v1/echo").status_code == 401

    def test_a_session_that_is_none_is_no_way_in(self, operator: User) -> None:
        browser = Client()
        browser.cookies["sessionid"] = "made-up"
        assert browser.get("/api/v1/echo").status_code == 401

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_writes_need_the_csrf_token(self, browser: Client, method: str) -> None:
        def write(**headers: str) -> Any:
            return getattr(browser, method)("/api/v1/echo", {"a": 1}, content_type="application/json", headers=headers)

        refused = write()
        assert refused.status_code == 403
        assert refused.json()["code"] == "not_allowed"
        assert "CSRF" in refused.json()["detail"]
        token = "a" * 32
        browser.cookies["csrftoken"] = token
        assert write(**{"X-CSRFToken": token}).json() == {"a": 1}

    def test_a_form_is_refused_as_a_form(self, browser: Client) -> None:
        browser.cookies["csrftoken"] = token = "a" * 32
        answer = browser.post("/api/v1/echo", {"csrfmiddlewaretoken": token, "a": "1"})
        assert answer.status_code == 415


def test_callers_are_told_apart_by_kind_and_name() -> None:
    assert Principal("operator", "open").scope != Principal("open", "open").scope
    assert Principal("open", "open").companies == "*"


def routes(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        else:
            yield path, pattern


CREDENTIAL_IN_BODY = {f"/api/v1/service-auth/{name}" for name in ("token", "validate", "enrol", "report-leak")}


@pytest.mark.urls("xerpium.urls")
def test_every_route_of_the_api_is_closed(client: Client, settings: Settings) -> None:
    settings.HUB_OPEN = False
    paths = {path for path, _ in routes(get_resolver("xerpium.urls").url_patterns) if path.startswith("/api/v1/")}
    assert paths > CREDENTIAL_IN_BODY
    for path in sorted(paths - CREDENTIAL_IN_BODY):
        address = "/".join("1" if "<" in part else part for part in path.split("/"))
        assert client.get(address).status_code == 401, address
        assert client.post(address).status_code == 401, address
