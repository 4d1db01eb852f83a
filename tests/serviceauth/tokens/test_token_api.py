"""Tokens over REST: who gets one, what it says, and how little a guesser learns and costs."""

import datetime as dt
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.core.models import AuditEntry, IdempotencyRecord
from apps.serviceauth import verifying
from apps.serviceauth.keys import new_key
from apps.serviceauth.models import Operator, Role, RoleAssignment
from apps.serviceauth.services.issuing import sign, token_issue
from apps.serviceauth.services.revoking import revoke_account, revoke_token, revoke_user
from apps.serviceauth.views import tokens as views
from tests.serviceauth.tokens.forging import good, later, signed
from tests.support.accounts import HOME, account, key
from tests.support.api import Api, faults_of
from tests.support.operators import logged_in, staff, superuser
from tests.support.tokens import bearer, expired_token_for, issued_for, token_for
from xerpium_sdk.wire.credentials import Revocations, revocation_mark

pytestmark = pytest.mark.django_db

TOKEN, VALIDATE = "/service-auth/token", "/service-auth/validate"
USER, REVOCATIONS = "/service-auth/user-token", "/service-auth/revocations"
NETWORK = "203.0.113.9"


@pytest.fixture
def api() -> Api:
    """A stranger: somewhere in the network, without credentials."""
    return from_network(Client(raise_request_exception=False))


def from_network(client: Client) -> Api:
    """Return what somebody calls with who is not on this machine."""
    client.defaults["REMOTE_ADDR"] = NETWORK
    return Api(client)


def without_id(answer: Any) -> dict[str, Any]:
    """Return a problem but for what names the request."""
    return {name: value for name, value in answer.json().items() if name != "request_id"}


def ask(api: Api, service_key: str, **fields: Any) -> Any:
    """Ask for a token of ``orders``."""
    return api.post(TOKEN, {"service_name": "orders", "service_key": service_key} | fields)


def test_a_service_gets_a_token_and_everybody_can_tell_whose_it_is(api: Api) -> None:
    text = key(account(companies=[3, 4]))
    answer = ask(api, f" {text}\n", company_id=3, scope="registry:read menus:read")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    got = answer.json()
    token = got.pop("access_token")
    assert got == {"token_type": "Bearer", "expires_in": 600, "scope": "menus:read registry:read"}
    assert abs(jwt.decode(token, options={"verify_signature": False})["exp"] - later(600)) <= 2
    assert api.get("/services", headers=bearer(token)).status_code == 200

    said = api.post(VALIDATE, {"token": token})
    assert (said.status_code, said.headers["Cache-Control"]) == (200, "no-store")
    told = said.json()
    assert {
        name: told[name] for name in ("active", "service_name", "company_id", "user_id", "permissions", "companies")
    } == {
        "active": True,
        "service_name": "orders",
        "company_id": 3,
        "user_id": None,
        "permissions": [],
        "companies": [3],
    }
    assert told["scope"] == "menus:read registry:read"
    assert told["exp"] - told["iat"] == 600
    assert told["jti"] in token or len(told["jti"]) >= 20
    assert (told["iss"], told["aud"], told["client_id"], told["sub"], told["token_type"]) == (
        "http://127.0.0.1:8000",
        "xerpium",
        "orders",
        "orders",
        "Bearer",
    )
    assert "account" not in told


@pytest.mark.parametrize(
    ("companies", "asked", "status", "in_company"),
    [
        ([], None, 200, None),
        ([], 3, 403, None),
        ([3], None, 200, None),
        ([3], 3, 200, 3),
        ([3, 4], 5, 403, None),
        ("*", 5, 200, 5),
    ],
)
def test_a_token_is_in_a_company_of_the_account(
    api: Api, companies: Any, asked: int | None, status: int, in_company: int | None
) -> None:
    answer = ask(api, key(account(companies=companies)), company_id=asked)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "not_your_company"
    else:
        assert verifying.verify(answer.json()["access_token"]).company_id == in_company


def test_an_account_without_global_rows_has_to_name_a_company(api: Api) -> None:
    single = key(account(companies=[3], writes_global=False))
    assert verifying.verify(ask(api, single).json()["access_token"]).company_id == 3
    several = key(account("mail", companies=[3, 4], writes_global=False))
    answer = api.post(TOKEN, {"service_name": "mail", "service_key": several})
    assert (answer.status_code, answer.json()["code"]) == (403, "company_required")


def test_a_token_ends_with_its_key(api: Api) -> None:
    text = key(account(), expires_at=timezone.now() + dt.timedelta(seconds=90))
    assert 88 <= ask(api, text).json()["expires_in"] <= 91


def test_whatever_is_wrong_with_the_key_the_answer_is_one(api: Api) -> None:
    mine = account()
    good_key, elsewhere = key(mine), key(mine, networks=["10.0.0.0/8"])
    bodies = [
        {"service_name": "orders", "service_key": new_key().text},
        {"service_name": "orders", "service_key": "password"},
        {"service_name": "orders", "service_key": "x" * 500},
        {"service_name": "billing", "service_key": good_key},
        {"service_name": "Кто там", "service_key": good_key},
        {"service_name": "orders", "service_key": elsewhere},
    ]
    answers = [api.post(TOKEN, body) for body in bodies]
    assert [answer.status_code for answer in answers] == [401] * len(bodies)
    assert all(without_id(answer) == without_id(answers[0]) for answer in answers)
    assert ask(api, good_key).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "faults"),
    [
        (TOKEN, {}, {("/service_name", "required"), ("/service_key", "required")}),
        (TOKEN, {"service_name": 7, "service_key": None},
         {("/service_name", "invalid_type"), ("/service_key", "null")}),
        (
            TOKEN,
            {"service_name": "a", "service_key": "b", "company_id": "3", "company": 3},
            {("/company_id", "invalid_type"), ("/company", "unknown_field")},
        ),
        (TOKEN, {"service_name": "a", "service_key": "b", "company_id": 0}, {("/company_id", "min_value")}),
        (VALIDATE, {}, {("/token", "required")}),
        (VALIDATE, {"token": ["a"]}, {("/token", "invalid_type")}),
    ],
)  # fmt: skip
def test_a_wrong_body_is_told_what_is_wrong(api: Api, path: str, body: Any, faults: set[tuple[str, str]]) -> None:
    assert faults_of(api.post(path, body)) == faults


def test_a_scope_that_is_not_granted_is_named(api: Api) -> None:
    text = key(account(scopes=["registry:read"]))
    answer = ask(api, text, scope="registry:read menus:write shoes:tie")
    assert faults_of(answer) == {("/scope", "invalid_scope")}
    assert [fault["message"] for fault in answer.json()["errors"]] == [
        "'menus:write' is not granted.",
        "'shoes:tie' is no scope.",
    ]


def test_guessing_is_bounded_and_does_not_lock_the_owner_out(api: Api) -> None:
    text = key(account())
    assert ask(api, text).status_code == 200
    statuses = [ask(api, new_key().text).status_code for _ in range(14)]
    assert statuses == [401] * 10 + [429] * 4
    assert ask(api, text).status_code == 200  # who has lately come in from here comes in again
    fresh = key(account("mail"))
    elsewhere = {"service_name": "mail", "service_key": fresh}
    assert api.post(TOKEN, elsewhere, REMOTE_ADDR="198.51.100.7").status_code == 200


def test_good_keys_have_a_higher_limit_of_their_own(api: Api) -> None:
    text = key(account())
    statuses = [ask(api, text).status_code for _ in range(122)]
    assert statuses == [200] * 120 + [429] * 2


def test_no_answer_with_a_token_is_stored(api: Api) -> None:
    text = key(account())
    first, second = (
        api.post(TOKEN, {"service_name": "orders", "service_key": text}, headers={"Idempotency-Key": "once"}).json()
        for _ in range(2)
    )
    assert first["access_token"] != second["access_token"]
    assert not IdempotencyRecord.objects.exists()


def test_a_token_that_is_not_good_is_401_and_tells_nothing(api: Api) -> None:
    revoked = issued_for("mail")
    revoke_token(revoked.claims, reason="test", actor="test", now=timezone.now())
    for_another = sign(good_for("billing"), timezone.now()).access_token
    bad = [
        expired_token_for("orders"),
        revoked.access_token,
        signed(good().to_json(), typ="JWT"),
        for_another,
        "nonsense",
        "x" * 200_000,
        "\ud800",
    ]
    answers = [api.post(VALIDATE, raw=b'{"token": "\\ud800"}') if t == "\ud800" else api.post(VALIDATE, {"token": t})
               for t in bad]  # fmt: skip
    assert [answer.status_code for answer in answers] == [401] * 6 + [400]
    assert all(without_id(answer) == without_id(answers[0]) for answer in answers[:-1])
    assert answers[0].headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert api.post(VALIDATE, {"token": for_another, "audience": "mail"}).status_code == 401
    assert api.post(VALIDATE, {"token": for_another, "audience": "billing"}).json()["aud"] == "billing"


def good_for(audience: str) -> Any:
    """Return what a good token says that is meant for one service."""
    from dataclasses import replace

    return replace(good(), audience=(audience,))


def test_asking_about_tokens_is_bounded_but_not_for_those_that_are_known_good(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "VALIDATIONS", 5)
    fine = token_for("orders")
    assert [api.post(VALIDATE, {"token": fine}).status_code for _ in range(9)] == [200] * 9
    assert [api.post(VALIDATE, {"token": str(n)}).status_code for n in range(6)] == [401] * 4 + [429] * 2
    assert api.post(VALIDATE, {"token": fine}).status_code == 200
    assert api.post(VALIDATE, {"token": "a"}, REMOTE_ADDR="198.51.100.7").status_code == 401


def test_a_person_gets_a_token_of_his_own() -> None:
    user = User.objects.create_superuser("olga")
    Operator.objects.create(user=user, user_number=7, companies=[3, 4])
    role = Role.objects.create(name="buyer", permissions=["product.*"], company_id=None)
    RoleAssignment.objects.create(role=role, user_id=7, company_id=3, created_by="test")
    api = from_network(logged_in(user))
    answer = api.post(USER, {"company_id": 3})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json()["scope"] == "events:read menus:read registry:read ui:read"
    who = verifying.verify(answer.json()["access_token"])
    assert (who.kind, who.name, who.user_id, who.company_id, who.permissions) == (
        "user",
        "user:7",
        7,
        3,
        ("product.*",),
    )
    assert (who.companies, who.actors, who.speaks_for) == (frozenset({3}), (), "")
    elsewhere = verifying.verify(api.post(USER, {"company_id": 4, "scope": "menus:read"}).json()["access_token"])
    assert (elsewhere.permissions, elsewhere.scopes) == ((), frozenset({"menus:read"}))
    told = from_network(Client()).post(VALIDATE, {"token": answer.json()["access_token"]}).json()
    assert (told["service_name"], told["user_id"], told["company_id"]) == (None, 7, 3)
    assert told["permissions"] == ["product.*"]
    other = api.post(USER, {"company_id": 5})
    assert (other.status_code, other.json()["code"]) == (403, "not_your_company")
    entries = AuditEntry.objects.filter(action="user_token_issued").values_list("actor", "object_id", "company_id")
    assert set(entries) == {("olga", "7", 3), ("olga", "7", 4)}
    revoke_user(7, reason="test", actor="test", now=timezone.now())
    assert from_network(Client()).post(VALIDATE, {"token": answer.json()["access_token"]}).status_code == 401


def test_a_person_who_sees_less_gets_less() -> None:
    """A scope shows all that it is for: who sees a part of it in the console does not get it."""
    seen = {"paul": ("view_service",), "pia": ("view_service", "view_historyentry")}
    scopes = {}
    for number, (name, permissions) in enumerate(seen.items(), start=8):
        browser = staff(name, *permissions)
        Operator.objects.create(user=User.objects.get(username=name), user_number=number)
        scopes[name] = from_network(browser).post(USER, {"company_id": 3}).json()["scope"]
    assert scopes == {"paul": "menus:read ui:read", "pia": "menus:read registry:read ui:read"}


def test_nobody_else_gets_a_token_of_a_person(api: Api) -> None:
    assert api.post(USER, {"company_id": 3}).status_code == 401
    service = api.post(USER, {"company_id": 3}, headers=bearer(token_for("orders")))
    assert (service.status_code, service.json()["code"]) == (403, "operators_only")
    unnumbered = from_network(superuser()).post(USER, {"company_id": 3})
    assert (unnumbered.status_code, unnumbered.json()["code"]) == (403, "no_number")
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(User.objects.get(username="anna"))
    assert from_network(careful).post(USER, {"company_id": 3}).json()["code"] == "not_allowed"


def test_who_verifies_by_itself_learns_what_was_revoked(api: Api) -> None:
    mine, gone = issued_for("orders"), issued_for("mail")
    assert api.get(REVOCATIONS).status_code == 401
    before = api.get(REVOCATIONS, headers=bearer(mine.access_token))
    assert before.json() == {"revision": before.json()["revision"], "max_age": 30, "revocations": []}
    same = api.get(REVOCATIONS, headers=bearer(mine.access_token) | {"If-None-Match": before.headers["ETag"]})
    assert same.status_code == 304
    revoke_account("mail", reason="test", actor="test", now=timezone.now())
    revoke_token(mine.claims, reason="test", actor="test", now=timezone.now())
    reader = bearer(token_for("reader", scopes=["ui:read"]))
    after = api.get(REVOCATIONS, headers=reader | {"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.json()["revision"] != before.json()["revision"]
    told = {(one["kind"], one["mark"]) for one in after.json()["revocations"]}
    assert told == {
        ("account", revocation_mark("account", "mail")),
        ("token", revocation_mark("token", mine.claims.token_id)),
    }
    assert b"mail" not in after.content
    read = Revocations.from_json(after.json())
    assert read.is_void(gone.claims)
    assert read.is_void(mine.claims)
    assert not read.is_void(issued_for("reader").claims)


def test_the_address_book_of_the_first_clients(api: Api) -> None:
    """A token is fetched and sent on; whoever gets it asks the hub, and finds the company in the answer."""
    issued = ask(api, key(account(companies=[3])), company_id=3).json()["access_token"]
    received = {"Authorization": f"Bearer {issued}"}["Authorization"].removeprefix("Bearer ")
    data = api.post(VALIDATE, {"token": received}).json()
    assert (data.get("company_id"), data.get("user_id"), data["service_name"]) == (3, None, "orders")
    assert api.post(VALIDATE, {"token": received + "x"}).status_code == 401


@pytest.mark.parametrize("path", [TOKEN, VALIDATE, USER])
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
def test_no_other_verb_works(path: str, verb: str) -> None:
    assert from_network(superuser()).send(verb, f"{path}/").status_code == 405


def test_issuing_asks_the_database_for_one_thing(api: Api, django_assert_num_queries: Any) -> None:
    from apps.serviceauth.services.authenticating import authenticate_key

    text = key(account())
    ask(api, text)
    with django_assert_num_queries(1):
        service = authenticate_key(service_name="orders", service_key=text, source=HOME, now=timezone.now())
        token_issue(service=service, now=timezone.now())
