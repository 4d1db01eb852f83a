"""The registry with tokens: whose services a caller sees, and which it may change; two kinds of no."""

import re
from typing import Any

import pytest

from apps.registry.models import HistoryEntry, Service
from tests.support import services
from tests.support.api import Api
from tests.support.registry import NOW, body
from tests.support.tokens import bearer, token_for

NETWORK = "10.9.9.9"
COMPANIES: dict[str, int | None] = {"orders": 1, "billing": 1, "foreign": 2, "common": None}
INSTANCE = "10.0.0.1:8000"


@pytest.fixture
def world(api: Api) -> Api:
    """A service of company 1, its neighbour there, one of company 2, and one of everybody."""
    for name, company in COMPANIES.items():
        services.register(name, 0, now=NOW, company_id=company)
    return api


def call(api: Api, token: str, verb: str, path: str, sent: Any = None) -> Any:
    return api.send(verb, path, sent, headers=bearer(token), REMOTE_ADDR=NETWORK)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_service_registers_itself_in_its_company(api: Api) -> None:
    answer = call(api, token_for("shop", company_id=7), "POST", "/services/register", body("shop"))
    assert answer.status_code == 201
    assert Service.objects.get().company_id == 7
    assert HistoryEntry.objects.get().actor == "service:shop"
    again = call(api, token_for("shop", companies=[7]), "POST", "/services/register", body("shop", company_id=7))
    assert again.status_code == 201


def test_who_is_in_no_company_registers_for_all_or_for_one_of_its_own(api: Api) -> None:
    token = token_for("shop", companies=[7])
    assert call(api, token, "POST", "/services/register", body("shop")).status_code == 201
    assert Service.objects.get().company_id is None
    refused = call(api, token, "POST", "/services/register", body("shop", company_id=8))
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [
        ("/company_id", "not_your_company")
    ]


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        (body("billing"), "/name", "not_yours"),
        (body("nobody-yet"), "/name", "not_yours"),
        (body("orders", company_id=2), "/company_id", "not_your_company"),
    ],
    ids=["another's name", "a name that is free", "another company"],
)
def test_nobody_registers_another(sent: Any, pointer: str, code: str, world: Api) -> None:
    answer = call(world, token_for("orders", company_id=1), "POST", "/services/register", sent)
    assert answer.status_code == 403
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]
    assert Service.objects.count() == len(COMPANIES)


@pytest.mark.parametrize("name", ["foreign", "common"])
def test_a_taken_name_is_taken_and_that_is_all(name: str, world: Api) -> None:
    answer = call(world, token_for(name, company_id=1), "POST", "/services/register", body(name))
    assert refusal(answer) == (409, "name_taken")
    assert answer.json()["detail"] == f"The name {name!r} is taken: choose another."


WRITES = [
    ("POST", f"/services/{{name}}/instances/{INSTANCE}/drain"),
    ("POST", f"/services/{{name}}/instances/{INSTANCE}/resume"),
    ("DELETE", f"/services/{{name}}/instances/{INSTANCE}"),
    ("DELETE", "/services/{name}"),
]
CALLERS: dict[str, tuple[dict[str, Any], dict[str, tuple[int, str]]]] = {
    "in its company": (
        {"company_id": 1},
        {
            "billing": (403, "not_yours"),
            "common": (403, "not_yours"),
            "foreign": (404, "not_found"),
            "nobody": (404, "not_found"),
        },
    ),
    "a person through it": (
        {"company_id": 1, "user_id": 5},
        {"billing": (403, "not_yours"), "common": (403, "not_yours"), "foreign": (404, "not_found")},
    ),
    "of all companies": (
        {"companies": "*"},
        {"billing": (403, "not_yours"), "common": (403, "not_yours"), "foreign": (403, "not_yours")},
    ),
    "in another company": ({"company_id": 2}, {"orders": (404, "not_found"), "foreign": (403, "not_yours")}),
    "in none": ({}, {"orders": (404, "not_found"), "common": (403, "not_yours")}),
    "reading only": (
        {"company_id": 1, "scopes": ["registry:read"]},
        {"orders": (403, "insufficient_scope"), "foreign": (403, "insufficient_scope")},
    ),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_two_kinds_of_no(caller: str, world: Api) -> None:
    asked, expected = CALLERS[caller]
    token = token_for("orders", **asked)
    for verb, path in WRITES:
        answers = {name: call(world, token, verb, path.format(name=name)) for name in expected}
        assert {name: refusal(answer) for name, answer in answers.items()} == expected, path
        nothing = call(world, token, verb, path.format(name="nothing"))
        for name, answer in answers.items():
            if answer.status_code == 404:
                assert said(answer, name) == said(nothing, "nothing")
    assert HistoryEntry.objects.count() == len(COMPANIES)


def said(answer: Any, name: str) -> str:
    """Return what an answer says, without its own id and the name that was asked for."""
    text = answer.content.decode().replace(name, "…")
    return re.sub(r'"request_id":"\w+"', "", text) + repr(sorted(dict(answer.items()) | {"X-Request-ID": ""}))


@pytest.mark.parametrize("asked", [{"company_id": 1}, {"companies": [1]}, {"companies": "*"}], ids=str)
def test_what_is_its_own_a_service_changes(asked: dict[str, Any], world: Api) -> None:
    token = token_for("orders", **asked)
    statuses = [call(world, token, verb, path.format(name="orders")).status_code for verb, path in WRITES]
    assert statuses == [200, 200, 204, 404]  # the last instance took the service with it
    assert {entry.actor for entry in HistoryEntry.objects.all()[:3]} == {"service:orders"}


def test_what_is_everybodys_is_changed_from_no_company_only(world: Api) -> None:
    inside, outside = token_for("common", company_id=1), token_for("common", companies=[1])
    path = f"/services/common/instances/{INSTANCE}/drain"
    assert refusal(call(world, inside, "POST", path)) == (403, "not_your_company")
    assert call(world, outside, "POST", path).status_code == 200


def test_an_account_of_many_names_is_one_service_at_a_time(api: Api) -> None:
    for number, name in enumerate(("acme-shop", "acme-mail")):
        services.register(name, number, now=NOW, company_id=1)
    token = token_for("acme-shop", company_id=1)
    assert refusal(call(api, token, "DELETE", "/services/acme-mail")) == (403, "not_yours")
    assert call(api, token, "DELETE", "/services/acme-shop").status_code == 204


@pytest.mark.parametrize("path", ["/services/foreign", "/services/foreign/history", "/services/foreign?version=^1"])
def test_reads_of_another_companys_find_nothing(path: str, world: Api) -> None:
    token = token_for("orders", company_id=1)
    answer, nothing = (call(world, token, "GET", path.replace("foreign", name)) for name in ("foreign", "nothing"))
    assert answer.status_code == 404
    assert said(answer, "foreign") == said(nothing, "nothing")
    listed = call(world, token, "GET", "/services?company_id=2").json()["results"]
    assert listed == []
