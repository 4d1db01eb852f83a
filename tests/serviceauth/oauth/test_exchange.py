"""Token exchange (RFC 8693): what comes out is never more than what went in, and never of nobody."""

import datetime as dt
import time
from typing import Any

import pytest
from django.utils import timezone

from apps.core.scopes import DEFAULT_SCOPES
from apps.core.tenancy import system, use
from apps.serviceauth.services.accounts import account_disable
from apps.serviceauth.services.authenticating import authenticate_key
from apps.serviceauth.services.exchanging import ACCESS_TOKEN, JWT, LONGEST_SECONDS
from apps.serviceauth.services.keys import key_disable
from apps.serviceauth.services.revoking import revoke_account, revoke_token, revoke_user
from apps.serviceauth.tokens import MOST_ACTORS
from apps.serviceauth.verifying import claims_of, verify
from tests.serviceauth.oauth.asking import Service, acting, error_of, person, role
from tests.support.accounts import key_row

pytestmark = pytest.mark.django_db

ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"


@pytest.fixture
def orders() -> Service:
    return acting("orders")


def test_a_service_acts_for_a_person(orders: Service) -> None:
    role(5, 7, "product.*", "report.view")
    answer = orders.exchange(person())
    said = answer.json()
    assert answer.status_code == 200
    assert said.keys() == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (said["issued_token_type"], said["token_type"], said["expires_in"]) == (ACCESS_TOKEN, "Bearer", 300)
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
    caller = verify(said["access_token"])
    assert (caller.kind, caller.name, caller.user_id, caller.speaks_for) == ("user", "user:5", 5, "orders")
    assert (caller.company_id, caller.companies) == (7, frozenset({7}))
    assert (caller.actors, caller.permissions) == (("orders",), ("product.*", "report.view"))
    claims = claims_of(said["access_token"])
    assert (claims.client_id, claims.account, claims.to_json()["act"]) == ("orders", "orders", {"sub": "orders"})


def test_the_chain_grows_and_ends(orders: Service) -> None:
    token = person()
    names = [f"hop-{number}" for number in range(MOST_ACTORS)]
    for name in names:
        token = acting(name).exchange(token).json()["access_token"]
    claims = claims_of(token)
    assert claims.actors == tuple(reversed(names))
    assert claims.to_json()["act"]["sub"] == names[-1]
    assert claims.to_json()["act"]["act"]["act"]["act"] == {"sub": names[0]}
    assert claims.client_id == names[-1]
    assert error_of(orders.exchange(token)) == (400, "invalid_request")


def test_nobody_acts_twice(orders: Service) -> None:
    mine = orders.exchange(person()).json()["access_token"]
    assert error_of(orders.exchange(mine)) == (400, "invalid_request")
    through = acting("billing").exchange(mine).json()["access_token"]
    assert error_of(orders.exchange(through)) == (400, "invalid_request")


def test_scopes_are_what_all_have_in_common() -> None:
    service = acting("orders", scopes={"menus:read", "ui:read", "registry:read"}, act_scopes={"menus:read", "ui:read"})
    token = person(scopes={"menus:read", "registry:read", "events:read"})
    answer = service.exchange(token).json()
    assert answer["scope"] == "menus:read"
    for scope in ("ui:read", "registry:read", "events:read", "nonsense"):
        assert error_of(service.exchange(token, scope=scope)) == (400, "invalid_scope")
    nothing = service.exchange(person(scopes={"events:read"})).json()
    assert nothing["scope"] == ""
    assert verify(nothing["access_token"]).scopes == frozenset()


@pytest.mark.parametrize(
    ("roles", "token", "expected"),
    [
        (("product.*",), ("*",), ("product.*",)),
        (("*",), ("product.*",), ("product.*",)),
        (("product.*",), ("product.view",), ("product.view",)),
        (("product.view", "report.*"), ("product.*", "menu.read"), ("product.view",)),
        (("product.*",), (), ()),
    ],
)
def test_permissions_are_those_of_now_and_of_the_token(
    orders: Service, roles: tuple[str, ...], token: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    role(5, 7, *roles)
    got = orders.exchange(person(permissions=token)).json()["access_token"]
    assert verify(got).permissions == expected


def test_it_lives_no_longer_than_the_token_it_is_made_from(orders: Service) -> None:
    now = timezone.now()
    old = person(now=now - dt.timedelta(seconds=540))
    assert 55 <= orders.exchange(old).json()["expires_in"] <= 60
    assert orders.exchange(person()).json()["expires_in"] == LONGEST_SECONDS


@pytest.mark.parametrize(
    ("policy", "form", "expected"),
    [
        ({"may_act": False}, {}, "unauthorized_client"),
        ({"act_companies": frozenset({8})}, {}, "invalid_target"),
        ({"act_companies": frozenset()}, {}, "invalid_target"),
        ({"act_companies": frozenset({7, 8})}, {"company_id": "8"}, "invalid_target"),
        ({"act_companies": "*"}, {"company_id": "8"}, "invalid_target"),
        ({}, {"resource": "https://elsewhere.example"}, "invalid_target"),
        ({}, {"resource": "billing", "audience": "shop"}, "invalid_target"),
        ({}, {"requested_token_type": ID_TOKEN}, "invalid_request"),
        ({}, {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({}, {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({}, {"subject_token_type": ""}, "invalid_request"),
        ({}, {"subject_token_type": ID_TOKEN}, "invalid_request"),
        ({}, {"subject_token": ""}, "invalid_request"),
        ({}, {"subject_token": "a.b.c"}, "invalid_request"),
        ({}, {"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({}, {"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({}, {"client_secret": "x"}, "invalid_client"),
    ],
)
def test_a_refusal_says_why(policy: dict[str, Any], form: dict[str, str], expected: str) -> None:
    service = acting("orders", **policy)
    status = 401 if expected == "invalid_client" else 400
    assert error_of(service.exchange(person(), **form)) == (status, expected)


def test_what_may_be_said_of_the_same_thing(orders: Service) -> None:
    role(5, 7)
    answer = orders.exchange(
        person(), company_id="7", requested_token_type=JWT, subject_token_type=JWT, audience="billing"
    ).json()
    assert answer["issued_token_type"] == JWT
    assert claims_of(answer["access_token"]).audience == ("billing",)


def test_nobody_acts_with_the_token_of_a_service(orders: Service) -> None:
    mine, others = orders.token(), Service("billing").token()
    for token in (mine, others):
        assert error_of(orders.exchange(token)) == (400, "invalid_request")


def test_a_token_meant_for_another_service_is_not_to_be_exchanged(orders: Service) -> None:
    shown = person(audience=("billing",))
    assert error_of(orders.exchange(shown)) == (400, "invalid_request")
    assert orders.exchange(person(audience=("orders",))).status_code == 200


def test_a_key_that_is_good_for_some_companies_acts_in_them_only() -> None:
    from tests.support.accounts import key

    service = acting("orders", act_companies="*")
    service.key = key(service.account, companies=[8])
    assert error_of(service.exchange(person())) == (400, "invalid_target")
    assert service.exchange(person(company_id=8)).status_code == 200


def test_what_was_revoked_is_not_exchanged(orders: Service) -> None:
    token = person()
    got = orders.exchange(token).json()["access_token"]
    with use(system("tests")):
        revoke_user(5, reason="gone", actor="tests", now=timezone.now())
    assert error_of(orders.exchange(token)) == (400, "invalid_request")
    assert error_of(orders.exchange(got)) == (400, "invalid_request")
    assert orders.introspected(got) == {"active": False}


def test_a_chain_is_as_good_as_its_weakest_link(orders: Service) -> None:
    through = acting("billing").exchange(orders.exchange(person()).json()["access_token"]).json()["access_token"]
    assert orders.introspected(through)["act"] == {"sub": "billing", "act": {"sub": "orders"}}
    with use(system("tests")):
        revoke_account("orders", reason="stolen", actor="tests", now=timezone.now())
    assert Service("shop").introspected(through) == {"active": False}


def test_what_was_exchanged_ends_with_a_key_in_the_middle_and_with_its_subject(orders: Service) -> None:
    mine = person()
    first = orders.exchange(mine).json()["access_token"]
    second = acting("billing").exchange(first).json()["access_token"]
    another = acting("mail").exchange(orders.exchange(person()).json()["access_token"]).json()["access_token"]
    with use(system("tests")):
        revoke_token(claims_of(mine), reason="pasted somewhere", actor="tests", now=timezone.now())
    shop = Service("shop")
    assert [shop.introspected(one)["active"] for one in (first, second, another)] == [False, False, True]
    with use(system("tests")):
        key_disable(key=key_row(orders.key), reason="found by somebody", actor="tests", now=timezone.now())
    assert shop.introspected(another) == {"active": False}


def test_an_account_that_is_disabled_while_it_gets_a_token_gets_none_that_is_good(
    orders: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.serviceauth.views import oauth

    def slowly(**said: Any) -> Any:
        found = authenticate_key(**said)
        with use(system("tests")):
            account_disable(account=orders.account, actor="tests", now=timezone.now())
        time.sleep(2.1)  # a process that was stopped: what it has looked up is of before
        return found

    monkeypatch.setattr(oauth, "authenticate_key", slowly)
    token = orders.token()
    monkeypatch.undo()
    assert Service("shop").introspected(token) == {"active": False}


def test_with_the_key_its_tokens_go(orders: Service) -> None:
    got = orders.exchange(person()).json()["access_token"]
    with use(system("tests")):
        key_disable(key=key_row(orders.key), reason="lost", actor="tests", now=timezone.now())
    assert Service("shop").introspected(got) == {"active": False}
    assert error_of(orders.exchange(person())) == (401, "invalid_client")


def test_an_ended_token_is_not_exchanged(orders: Service) -> None:
    assert error_of(orders.exchange(person(now=timezone.now() - dt.timedelta(minutes=11)))) == (400, "invalid_request")


def test_default_scopes_are_what_the_policy_says() -> None:
    assert acting("orders").exchange(person()).json()["scope"] == " ".join(sorted(DEFAULT_SCOPES))
    assert acting("shop", act_scopes=()).exchange(person()).json()["scope"] == ""


def test_a_person_with_more_permissions_than_a_token_holds_gets_none_that_everybody_would_refuse(
    orders: Service,
) -> None:
    role(5, 7, *(f"warehouse.{number:03}.{'x' * 40}" for number in range(200)))
    answer = orders.exchange(person())
    assert error_of(answer) == (400, "invalid_request")
    assert "patterns" in answer.json()["error_description"]
