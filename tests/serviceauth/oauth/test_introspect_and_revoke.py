"""``/oauth/introspect`` (RFC 7662) and ``/oauth/revoke`` (RFC 7009)."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.core import limits
from apps.core.models import AuditEntry
from apps.core.tenancy import system, use
from apps.serviceauth.models import Revocation
from apps.serviceauth.verifying import claims_of
from tests.serviceauth.oauth.asking import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    Service,
    acting,
    basic,
    error_of,
    person,
    post,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders() -> Service:
    return Service("orders", companies={1, 2})


@pytest.fixture
def billing() -> Service:
    return Service("billing")


def bearer(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def test_a_good_token_is_described(orders: Service, billing: Service) -> None:
    token = orders.token(company_id="2")
    claims = claims_of(token)
    answer = billing.post(INTROSPECT, {"token": token, "token_type_hint": "refresh_token"})
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
    assert answer.json() == {
        "active": True,
        "scope": claims.scope,
        "client_id": "orders",
        "username": None,
        "token_type": "Bearer",
        "exp": claims.expires_at,
        "iat": claims.issued_at,
        "nbf": claims.not_before,
        "sub": "orders",
        "aud": "xerpium",
        "iss": claims.issuer,
        "jti": claims.token_id,
        "companies": [2],
        "company_id": 2,
        "user_id": None,
        "permissions": [],
        "service_name": "orders",
        "key_id": claims.key_id,
    }


def test_a_person_is_named(billing: Service) -> None:
    said = billing.introspected(acting("orders").exchange(person()).json()["access_token"])
    assert (said["username"], said["user_id"], said["act"]) == ("user:5", 5, {"sub": "orders"})


@pytest.mark.parametrize("how", ["nonsense", "tampered", "ended", "key", "not for you"])
def test_of_everything_else_nothing_is_said(orders: Service, billing: Service, how: str) -> None:
    token = {
        "nonsense": "what?",
        "tampered": orders.token()[:-3] + "AAA",
        "ended": person(now=timezone.now() - dt.timedelta(hours=1)),
        "key": orders.key,
        "not for you": orders.token(resource="shop"),
    }[how]
    assert billing.introspected(token) == {"active": False}


def test_a_token_for_one_service_is_described_to_it_and_to_whose_it_is(orders: Service, billing: Service) -> None:
    token = orders.token(resource="billing")
    assert billing.introspected(token)["active"]
    assert orders.introspected(token)["active"]


def test_a_caller_may_come_with_a_token(orders: Service) -> None:
    mine = orders.token(scope="auth:introspect")
    assert post(INTROSPECT, {"token": mine}, **bearer(mine)).json()["active"] is True


def test_a_caller_without_the_scope_is_refused(orders: Service) -> None:
    token = orders.token(scope="menus:read")
    refused = post(INTROSPECT, {"token": token}, **bearer(token))
    assert error_of(refused) == (403, "insufficient_scope")
    assert 'scope="auth:introspect"' in refused["WWW-Authenticate"]
    curious = Service("curious", scopes={"menus:read"})
    assert error_of(curious.post(INTROSPECT, {"token": token})) == (403, "insufficient_scope")


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
def test_nobody_asks_without_saying_who_he_is(orders: Service, settings: Settings, path: str) -> None:
    settings.HUB_OPEN = True
    token = orders.token()
    answer = post(path, {"token": token}, REMOTE_ADDR="127.0.0.1", HTTP_HOST="127.0.0.1:8000")
    assert error_of(answer) == (401, "invalid_client")
    assert answer["WWW-Authenticate"].startswith("Basic ")
    bad = post(path, {"token": token}, **bearer("a.b.c"))
    expected = "invalid_token" if path == INTROSPECT else "invalid_client"
    assert error_of(bad) == (401, expected)
    assert bad["WWW-Authenticate"].startswith("Bearer " if path == INTROSPECT else "Basic ")


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
def test_the_token_is_needed(orders: Service, path: str) -> None:
    assert error_of(orders.post(path)) == (400, "invalid_request")


def test_two_ways_at_once_are_refused(orders: Service) -> None:
    token = orders.token()
    assert error_of(orders.post(INTROSPECT, {"token": token}, **bearer(token))) == (400, "invalid_request")


def test_a_client_ends_its_token(orders: Service, billing: Service) -> None:
    token, other = orders.token(), orders.token()
    answer = post(REVOKE, {"token": token, "token_type_hint": "x"}, HTTP_AUTHORIZATION=basic("orders", orders.key))
    assert (answer.status_code, answer.content) == (200, b"")
    assert billing.introspected(token) == {"active": False}
    assert billing.introspected(other)["active"] is True
    with use(system("tests")):
        entry = AuditEntry.objects.get(action="token_revoked")
        assert (entry.actor_kind, entry.actor, entry.source) == ("service", "orders", "203.0.113.9")
    again = orders.post(REVOKE, {"token": token})
    assert again.status_code == 200
    assert Revocation.objects.count() == 1


@pytest.mark.parametrize("token", ["what?", "a.b.c", "x" * 9000])
def test_a_token_that_is_none_is_ended_already(orders: Service, token: str) -> None:
    assert orders.post(REVOKE, {"token": token}).status_code == 200
    assert not Revocation.objects.exists()


def test_nobody_ends_the_token_of_another(orders: Service, billing: Service) -> None:
    token = orders.token()
    assert error_of(billing.post(REVOKE, {"token": token})) == (400, "unauthorized_client")
    assert billing.introspected(token)["active"] is True


def test_a_service_ends_what_it_acts_with_and_not_what_it_was_made_from(billing: Service) -> None:
    orders, own = acting("orders"), person()
    got = orders.exchange(own).json()["access_token"]
    assert orders.post(REVOKE, {"token": got}).status_code == 200
    assert error_of(orders.post(REVOKE, {"token": own})) == (400, "unauthorized_client")
    assert billing.introspected(got) == {"active": False}
    assert billing.introspected(own)["active"] is True


def test_keys_that_accompany_every_call_have_room(orders: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTEMPTS", 3)
    token = orders.token()
    assert {orders.post(INTROSPECT, {"token": token}).status_code for _ in range(5)} == {200}
    grants: Any = [orders.post(TOKEN, {"grant_type": "client_credentials"}).status_code for _ in range(4)]
    assert grants == [200, 200, 429, 429]
