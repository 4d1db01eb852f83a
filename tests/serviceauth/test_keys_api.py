"""The routes that take a key or an enrolment token: open to whoever holds it, bounded, and nothing is stored."""

from typing import Any

import pytest
from django.utils import timezone

from apps.core.models import IdempotencyRecord
from apps.core.tenancy import system, use
from apps.serviceauth import services
from apps.serviceauth.keys import new_enrolment, new_key
from tests.support.accounts import account, key, key_row
from tests.support.api import Api, faults_of

pytestmark = pytest.mark.django_db

LEAK, ENROL = "/service-auth/report-leak", "/service-auth/enrol"


@pytest.fixture
def api() -> Api:
    """A stranger: somewhere in the network, without credentials."""
    stranger = Api()
    stranger._client.defaults["REMOTE_ADDR"] = "203.0.113.9"
    return stranger


def token_of(name: str = "orders") -> str:
    mine = account(name)
    with use(system("test")):
        return services.enrolment_create(account=mine, actor="anna", now=timezone.now())


def test_a_stranger_reports_a_key(api: Api) -> None:
    text = key(account())
    answer = api.post(LEAK, {"service_key": f" {text}\n"})
    row = key_row(text)
    assert answer.status_code == 200
    assert answer.json()["recognised"] is True
    assert answer.json()["key_id"] == row.key_id
    assert row.disabled_reason == "reported as leaked"
    assert answer.headers["Cache-Control"] == "no-store"
    assert api.post(LEAK, {"service_key": text}).json() == answer.json()


@pytest.mark.parametrize("text", ["a key of nobody", "password", "x" * 500])
def test_a_report_of_something_else_is_answered_calmly(api: Api, text: str) -> None:
    answer = api.post(LEAK, {"service_key": new_key().text if text == "a key of nobody" else text})
    assert (answer.status_code, answer.json()) == (
        200,
        {"recognised": False, "key_id": None, "disabled_at": None},
    )


def test_reports_are_limited(api: Api) -> None:
    # All from one customer's network: he has 2^64 addresses.
    places = [f"2001:db8::{number:x}" for number in range(61)]
    answers = [api.post(LEAK, {"service_key": "x"}, REMOTE_ADDR=place).status_code for place in places]
    assert answers == [200] * 60 + [429]


@pytest.mark.parametrize(
    ("path", "body", "faults"),
    [
        (LEAK, {}, {("/service_key", "required")}),
        (LEAK, {"service_key": 7, "x": 1}, {("/service_key", "invalid_type"), ("/x", "unknown_field")}),
        (ENROL, {}, {("/service_name", "required"), ("/enrolment_token", "required")}),
        (ENROL, {"service_name": "a", "enrolment_token": "x" * 501}, {("/enrolment_token", "max_length")}),
    ],
)
def test_a_wrong_body_is_told_what_is_wrong(api: Api, path: str, body: Any, faults: set[tuple[str, str]]) -> None:
    assert faults_of(api.post(path, body)) == faults


def test_a_service_fetches_its_first_key(api: Api) -> None:
    answer = api.post(ENROL, {"service_name": "orders", "enrolment_token": token_of()})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    row = key_row(answer.json()["service_key"])
    assert answer.json() == {
        "service_key": answer.json()["service_key"],
        "key_id": row.key_id,
        "expires_at": None,
    }


def test_a_bad_token_is_401_whatever_is_wrong(api: Api) -> None:
    text = token_of()
    bodies = [
        {"service_name": "orders", "enrolment_token": new_enrolment().text},
        {"service_name": "products", "enrolment_token": text},
        {"service_name": "orders", "enrolment_token": "?"},
        {"service_name": "Кто там", "enrolment_token": text},
    ]
    answers = [api.post(ENROL, body) for body in bodies]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content.replace(answer["X-Request-ID"].encode(), b"") for answer in answers}) == 1


def test_guessing_tokens_is_bounded(api: Api) -> None:
    text = token_of()
    statuses = [
        api.post(ENROL, {"service_name": "orders", "enrolment_token": new_enrolment().text}).status_code
        for _ in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2
    elsewhere = api.post(ENROL, {"service_name": "orders", "enrolment_token": text}, REMOTE_ADDR="198.51.100.1")
    assert elsewhere.status_code == 201


def test_no_answer_with_a_key_is_stored(api: Api) -> None:
    text = token_of()
    body = {"service_name": "orders", "enrolment_token": text}
    first = api.post(ENROL, body, headers={"Idempotency-Key": "once"})
    again = api.post(ENROL, body, headers={"Idempotency-Key": "once"})
    assert (first.status_code, again.status_code) == (201, 401)
    api.post(LEAK, {"service_key": first.json()["service_key"]}, headers={"Idempotency-Key": "twice"})
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("path", [LEAK, ENROL])
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
def test_no_other_verb_works(api: Api, path: str, verb: str) -> None:
    assert api.send(verb, path + "/").status_code == 405
