"""``/oauth/token`` with client_credentials: RFC 6749 line by line."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.limits import FAILURES
from apps.serviceauth.keys import new_key
from apps.serviceauth.tokens import AUDIENCE
from apps.serviceauth.verifying import claims_of, verify
from tests.serviceauth.oauth.asking import EXCHANGE, TOKEN, Service, basic, error_of, post

pytestmark = pytest.mark.django_db

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def orders() -> Service:
    return Service("orders", companies={1, 2})


def test_a_service_gets_a_token_with_basic(orders: Service) -> None:
    answer = post(TOKEN, GRANT, HTTP_AUTHORIZATION=basic("orders", orders.key))
    said = answer.json()
    assert answer.status_code == 200
    assert said.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 600)
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
    caller = verify(said["access_token"])
    assert (caller.kind, caller.name, caller.companies) == ("service", "orders", frozenset({1, 2}))
    assert " ".join(sorted(caller.scopes)) == said["scope"]


def test_it_gets_what_it_asks_for_with_a_form(orders: Service) -> None:
    asked = {**GRANT, "company_id": "2", "scope": "menus:read registry:read", "resource": "billing"}
    said = orders.post(TOKEN + "/", asked).json()
    claims = claims_of(said["access_token"])
    assert said["scope"] == "menus:read registry:read"
    assert (claims.company_id, claims.companies, claims.audience) == (2, (2,), ("billing",))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"grant_type": ""}, (400, "invalid_request")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
        ({"grant_type": "authorization_code", "code": "x"}, (400, "unsupported_grant_type")),
        ({"scope": "menus:burn"}, (400, "invalid_scope")),
        ({"scope": "events:decide"}, (400, "invalid_scope")),
        ({"scope": 'a" \\'}, (400, "invalid_scope")),
        ({"scope": "menus:read  ui:read"}, (400, "invalid_scope")),
        ({"resource": "https://elsewhere.example"}, (400, "invalid_target")),
        ({"company_id": "3"}, (400, "invalid_target")),
        ({"company_id": "0"}, (400, "invalid_request")),
        ({"company_id": "1.0"}, (400, "invalid_request")),
        ({"company_id": str(2**63)}, (400, "invalid_request")),
        ({"company_id": "²"}, (400, "invalid_request")),
        ({"resource": "a\0b"}, (400, "invalid_request")),
        ({"client_secret": ""}, (401, "invalid_client")),
        ({"client_secret": "hunter2"}, (401, "invalid_client")),
        ({"client_id": ""}, (401, "invalid_client")),
        ({"client_id": "products"}, (401, "invalid_client")),
        ({"client_id": "Кто там"}, (401, "invalid_client")),
        ({"grant_type": EXCHANGE}, (400, "invalid_request")),
    ],
)
def test_a_refusal_says_why(orders: Service, form: dict[str, str], expected: tuple[int, str]) -> None:
    assert error_of(orders.post(TOKEN, {**GRANT, **form})) == expected


def test_unknown_and_empty_parameters_are_ignored(orders: Service) -> None:
    answer = orders.post(TOKEN + "?trace=1", {**GRANT, "fancy": "1", "scope": "", "company_id": "", "resource": ""})
    assert answer.status_code == 200


def test_an_account_that_must_name_a_company_is_told_so() -> None:
    shops = Service("shops", companies={1, 2}, writes_global=False)
    assert error_of(shops.post(TOKEN, GRANT)) == (400, "invalid_target")
    assert claims_of(shops.token(company_id="1")).company_id == 1


def with_field(orders: Service, field: tuple[str, str]) -> list[tuple[str, str]]:
    return [*GRANT.items(), *orders.credentials.items(), field]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("grant_type", "invalid_request"), ("client_id", "invalid_request"), ("scope", "invalid_request"),
     ("x", "invalid_request"), ("resource", "invalid_target")],
)  # fmt: skip
def test_a_parameter_stands_there_once(orders: Service, name: str, expected: str) -> None:
    form = [*with_field(orders, (name, "orders")), (name, "orders")]
    assert error_of(post(TOKEN, form)) == (400, expected)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"client_secret": "same"}, (400, "invalid_request")),
        ({"client_id": "billing"}, (400, "invalid_request")),
        ({"client_id": "orders"}, (200, "")),
    ],
)
def test_a_client_authenticates_in_one_way(orders: Service, form: dict[str, str], expected: tuple[int, str]) -> None:
    answer = post(TOKEN, {**GRANT, **form}, HTTP_AUTHORIZATION=basic("orders", orders.key))
    assert (answer.status_code, answer.json().get("error", "")) == expected


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !",
        "Basic b3JkZXJz",
        "Basic /w==",
        "Bearer x",
        "Digest a=b",
        "basic b3JkZXJzOng=",
        "",
        "Basic JTAwOng=",
    ],
)
def test_a_bad_header_is_401_with_a_challenge(orders: Service, header: str) -> None:
    answer = post(TOKEN, {**GRANT, "client_id": "orders"}, HTTP_AUTHORIZATION=header)
    assert error_of(answer) == (401, "invalid_client")
    assert answer["WWW-Authenticate"].startswith("Basic realm=")


def test_names_and_secrets_are_form_encoded_inside_of_basic() -> None:
    mine = Service("acme-orders", companies="*")
    encoded = basic("acme-orders", mine.key).replace("Basic", "bAsIc", 1)
    escaped = basic("%61cme-orders", mine.key)  # encoded twice: another name
    assert post(TOKEN, GRANT, HTTP_AUTHORIZATION=encoded).status_code == 200
    assert error_of(post(TOKEN, GRANT, HTTP_AUTHORIZATION=escaped)) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("options", "body", "expected"),
    [
        ({"content_type": "application/json"}, b'{"grant_type":"client_credentials"}', (415, "invalid_request")),
        ({"content_type": "multipart/form-data; boundary=x"}, b"--x--", (415, "invalid_request")),
        ({"content_type": "application/x-www-form-urlencoded; charset=latin-1"}, b"a=b", (415, "invalid_request")),
        ({}, b"a=" + b"x" * 70_000, (413, "invalid_request")),
        ({}, b"a=%ff", (400, "invalid_request")),
        ({}, "a=ä".encode(), (400, "invalid_request")),
        ({}, b"&".join(b"a%d=1" % number for number in range(60)), (400, "invalid_request")),
        ({}, b"", (401, "invalid_client")),
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused_as_oauth_does(options: Any, body: bytes, expected: tuple[int, str]) -> None:
    assert error_of(post(TOKEN, body, **options)) == expected


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_only_post_works(client: Any, verb: str) -> None:
    answer = getattr(client, verb)(TOKEN)
    assert error_of(answer) == (405, "invalid_request")
    assert answer["Allow"] == "POST, OPTIONS"


def test_nothing_secret_stands_in_an_address(orders: Service) -> None:
    answer = orders.post(f"{TOKEN}?client_secret=x", GRANT)
    assert error_of(answer) == (400, "invalid_request")


def test_what_goes_wrong_inside_is_told_in_the_same_form(orders: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    from apps.serviceauth.views import oauth

    def failing(error: Exception) -> Any:
        def fail(**_: Any) -> None:
            raise error

        return fail

    monkeypatch.setattr(oauth, "token_issue", failing(OperationalError("gone")))
    away = orders.post(TOKEN, GRANT)
    assert error_of(away) == (503, "temporarily_unavailable")
    assert int(away["Retry-After"]) > 0
    monkeypatch.setattr(oauth, "token_issue", failing(RuntimeError(orders.key)))
    broken = orders.post(TOKEN, GRANT)
    assert error_of(broken) == (500, "server_error")
    assert orders.key.encode() not in broken.content


def test_guessing_is_bounded_and_the_owner_still_comes_in(orders: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.serviceauth.views import oauth

    orders.token()
    looked = []
    real = oauth.authenticate_key
    monkeypatch.setattr(oauth, "authenticate_key", lambda **asked: (looked.append(1), real(**asked))[1])
    guesses = [
        error_of(post(TOKEN, {**GRANT, "client_id": "orders", "client_secret": new_key().text})) for _ in range(20)
    ]
    assert guesses == [(401, "invalid_client")] * FAILURES + [(429, "temporarily_unavailable")] * (20 - FAILURES)
    assert len(looked) == FAILURES
    orders.token()  # from the same place, with the key that was good there before
    assert orders.post(TOKEN, GRANT, REMOTE_ADDR="198.51.100.4").status_code == 200


def test_a_guesser_is_told_when_to_come_back(orders: Service) -> None:
    wrong = {**GRANT, "client_id": "orders", "client_secret": "x"}
    answers = [post(TOKEN, wrong) for _ in range(FAILURES + 1)]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    fields=st.lists(
        st.tuples(
            st.sampled_from(
                ["grant_type", "client_id", "client_secret", "scope", "resource", "company_id", "audience", "token",
                 "subject_token", "subject_token_type", "requested_token_type", "actor_token", "x"]
            ),
            st.sampled_from(
                ["client_credentials", EXCHANGE, "orders", "urn:ietf:params:oauth:token-type:jwt", "e30.e30.e30",
                 "eyJhbGciOiJub25lIn0.eyJpc3MiOiJcdWQ4MDAifQ.", "1", "menus:read"]
            )
            | st.text(max_size=40),
        ),
        max_size=8,
    ),
    path=st.sampled_from([TOKEN, "/oauth/introspect", "/oauth/revoke"]),
    raw=st.binary(max_size=60) | st.none(),
    known=st.booleans(),
)  # fmt: skip
def test_whatever_is_sent_is_no_fault_of_the_hub(
    orders: Service, fields: list[tuple[str, str]], path: str, raw: bytes | None, known: bool
) -> None:
    from urllib.parse import urlencode

    who = {"HTTP_AUTHORIZATION": basic("orders", orders.key)} if known else {}
    body = raw if raw is not None else urlencode([(a, b.encode("utf-8", "replace")) for a, b in fields]).encode()
    answer = post(path, body, **who)
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        error_of(answer)


def test_a_token_is_for_the_hub_unless_it_is_for_one_service(orders: Service) -> None:
    assert claims_of(orders.token()).audience == (AUDIENCE,)
    assert claims_of(orders.token(resource="http://127.0.0.1:8000/")).audience == (AUDIENCE,)
