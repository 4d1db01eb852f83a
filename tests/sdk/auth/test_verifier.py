"""Verifying tokens without asking the hub about each: what is refused, what is fetched when, and what without a hub."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx2
import jwt
import pytest

from tests.sdk.auth.conftest import Clock
from tests.support.wait import wait_until
from xerpium_sdk.auth import CannotVerify, InvalidToken, TokenVerifier
from xerpium_sdk.testing import TestIssuer

JWKS, REVOCATIONS = "/.well-known/jwks.json", "/api/v1/service-auth/revocations"
Forge = Callable[[TestIssuer, dict[str, Any]], str]


@pytest.fixture
def issuer(clock: Clock) -> TestIssuer:
    """A hub in memory, by a clock that stands still."""
    return TestIssuer(wall=clock)


@pytest.fixture
def verifier(issuer: TestIssuer, clock: Clock) -> TokenVerifier:
    """A verifier of its tokens, by the same clock."""
    return issuer.verifier("products", now=clock)


def test_a_good_token_says_who_calls(issuer: TestIssuer, verifier: TokenVerifier) -> None:
    token = issuer.token(
        "orders", company_id=7, user_id=42, permissions=["product.*"], scopes=["menus:read"], companies=[7, 8]
    )
    context = verifier.verify(token)
    assert (context.service_name, context.company_id, context.user_id) == ("orders", 7, 42)
    assert (context.subject, context.actors, context.companies) == ("user:42", ("orders",), frozenset({7, 8}))
    assert context.may("product.read")
    assert not context.may("products.read")
    assert context.has_scope("menus:read")
    assert not context.has_scope("menus:write")
    assert (context.acts_for(8), context.acts_for(9)) == (True, False)
    assert (context["user_id"], context.get("company_id"), context.get("nonsense", 1)) == (42, 7, 1)
    with pytest.raises(AttributeError):
        context.company_id = 8  # type: ignore[misc]
    assert asyncio.run(verifier.averify(token)) == context
    service = verifier.verify(issuer.token("orders", companies="*"))
    assert (service.company_id, service.acts_for(9), service.may("product.read")) == (None, True, False)


def without(name: str) -> Forge:
    return lambda issuer, said: issuer.sign({key: value for key, value in said.items() if key != name})


def saying(**changes: Any) -> Forge:
    return lambda issuer, said: issuer.sign(said | changes)


def headed(**changes: Any) -> Forge:
    return lambda issuer, said: issuer.sign(said, **changes)


def unsigned(issuer: TestIssuer, said: dict[str, Any]) -> str:
    kid = issuer.jwks["keys"][0]["kid"]
    return jwt.encode(said, None, algorithm="none", headers={"typ": "at+jwt", "kid": kid})


def by_the_public_key(issuer: TestIssuer, said: dict[str, Any]) -> str:
    """Sign with the public key as if it were a password, which trusts the header's algorithm."""
    key = issuer.jwks["keys"][0]
    head = {"alg": "HS256", "typ": "at+jwt", "kid": key["kid"]}
    secret = base64.urlsafe_b64decode(key["x"] + "==")
    return jwt.encode(said, secret, algorithm="HS256", headers=head)


def by_another_key(issuer: TestIssuer, said: dict[str, Any]) -> str:
    return TestIssuer().sign(said, kid=issuer.jwks["keys"][0]["kid"])


def changed_after_signing(issuer: TestIssuer, said: dict[str, Any]) -> str:
    head, _, signature = issuer.sign(said).split(".")
    other = base64.urlsafe_b64encode(json.dumps(said | {"company_id": 9}).encode()).rstrip(b"=").decode()
    return f"{head}.{other}.{signature}"


def chain(length: int) -> dict[str, Any]:
    """Return an ``act`` claim of so many services."""
    return {"sub": "a"} if length == 1 else {"sub": "a", "act": chain(length - 1)}


BAD: dict[str, Forge] = {
    **{
        f"no {name}": without(name)
        for name in ("iss", "aud", "sub", "client_id", "iat", "nbf", "exp", "jti", "scope", "companies", "account")
    },
    "another issuer": saying(iss="http://other.test"),
    "another audience": saying(aud="stock"),
    "no audience at all": saying(aud=[]),
    "ended": saying(exp=1_799_999_994),
    "not yet": saying(nbf=1_800_000_031),
    "issued later": saying(iat=1_800_000_031),
    "times as text": saying(exp="1800000600"),
    "endless": saying(exp=float("inf")),
    "company as text": saying(company_id="7"),
    "company as a truth": saying(company_id=True),
    "actors without end": saying(act=chain(6)),
    "typ JWT": headed(typ="JWT"),
    "no typ": headed(typ=None),
    "a key of its own": headed(jwk={"kty": "oct"}),
    "a key somewhere else": headed(jku="http://evil.test/keys"),
    "critical": headed(crit=["exp"]),
    "unknown key": headed(kid="0" * 32),
    "unsigned": unsigned,
    "HS256 by the public key": by_the_public_key,
    "signed by another": by_another_key,
    "changed": changed_after_signing,
    "no JWT": lambda issuer, said: "x.y",
    "nested": lambda issuer, said: "[" * 5000 + "..",
    "too long": saying(filling="x" * 9000),
    "no ASCII": lambda issuer, said: "ü.ü.ü",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(name: str, issuer: TestIssuer, verifier: TokenVerifier) -> None:
    said = issuer.claims("orders", company_id=7).to_json()
    assert verifier.verify(issuer.sign(said)).company_id == 7
    with pytest.raises(InvalidToken):
        verifier.verify(BAD[name](issuer, said))


def test_a_token_for_one_service_is_good_there_alone(issuer: TestIssuer, verifier: TokenVerifier) -> None:
    assert verifier.verify(issuer.token("orders", audience="products")).service_name == "orders"
    with pytest.raises(InvalidToken, match="somebody else"):
        issuer.verifier("stock").verify(issuer.token("orders", audience="products"))


def test_clocks_may_differ_a_little_and_a_token_ends(issuer: TestIssuer, verifier: TokenVerifier, clock: Clock) -> None:
    token = issuer.token("orders")
    clock.pass_by(-29)
    verifier.verify(token)
    clock.pass_by(29 + 600 + 4)
    verifier.verify(token)
    clock.pass_by(2)
    with pytest.raises(InvalidToken, match="expired"):
        verifier.verify(token)
    assert verifier.verify(issuer.token("orders"))


def test_a_hundred_first_callers_cause_one_request_for_each_document(
    issuer: TestIssuer, verifier: TokenVerifier
) -> None:
    tokens = [issuer.token("orders", company_id=number) for number in range(100)]
    with ThreadPoolExecutor(50) as pool:
        assert [context.company_id for context in pool.map(verifier.verify, tokens)] == list(range(100))
    assert (issuer.asked.count(JWKS), issuer.asked.count(REVOCATIONS)) == (1, 1)


async def averify_many(verifier: TokenVerifier, tokens: list[str]) -> list[int | None]:
    found = await asyncio.gather(*(verifier.averify(token) for token in tokens))
    return [context.company_id for context in found]


def test_so_do_a_hundred_tasks(issuer: TestIssuer, verifier: TokenVerifier) -> None:
    tokens = [issuer.token("orders", company_id=number) for number in range(100)]
    assert asyncio.run(averify_many(verifier, tokens)) == list(range(100))
    assert (issuer.asked.count(JWKS), issuer.asked.count(REVOCATIONS)) == (1, 1)


def test_a_new_key_is_fetched_once_and_made_up_ones_not_each_time(
    issuer: TestIssuer, verifier: TokenVerifier, clock: Clock
) -> None:
    verifier.verify(issuer.token("orders"))
    clock.pass_by(5)
    issuer.rotate()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(verifier.verify, [issuer.token("orders") for _ in range(40)]))
    assert issuer.asked.count(JWKS) == 2
    made_up = [issuer.sign(issuer.claims("orders").to_json(), kid=f"made-up-{number}") for number in range(100)]
    for token in made_up:
        with pytest.raises(InvalidToken, match="unknown key"):
            verifier.verify(token)
    assert issuer.asked.count(JWKS) == 2
    clock.pass_by(5)
    with pytest.raises(InvalidToken, match="unknown key"):
        verifier.verify(made_up[0])
    assert issuer.asked.count(JWKS) == 3


def test_ten_rotations_of_the_hubs_key_under_load_refuse_nobody(
    issuer: TestIssuer, verifier: TokenVerifier, clock: Clock
) -> None:
    with ThreadPoolExecutor(20) as pool:
        for _ in range(10):
            tokens = [issuer.token("orders") for _ in range(20)]
            issuer.rotate()
            tokens += [issuer.token("orders") for _ in range(20)]
            list(pool.map(verifier.verify, tokens))
            clock.pass_by(5)
    assert issuer.asked.count(JWKS) <= 12


def test_a_key_that_the_hub_takes_back_counts_no_more(
    issuer: TestIssuer, verifier: TokenVerifier, clock: Clock
) -> None:
    token, old = issuer.token("orders", expires_in=900), issuer.jwks["keys"][0]["kid"]
    verifier.verify(token)
    issuer.rotate()
    issuer.forget(old)
    verifier.verify(token)
    clock.pass_by(301)
    wait_until(lambda: refused(verifier, token), description="the token to be refused")


def refused(verifier: TokenVerifier, token: str) -> bool:
    """Return whether a token is refused."""
    try:
        verifier.verify(token)
    except InvalidToken:
        return True
    return False


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("account", "orders"),
        ("key", "test"),
        ("user", "42"),
        ("token", ""),
        ("user", "42@1"),
        ("account", "crm-*"),
        ("key", "k9"),
        ("token", "j9"),
    ],
    ids=["account", "key", "person", "token", "person there", "account further away", "key further away", "subject"],
)
def test_what_is_revoked_counts_within_a_minute(
    kind: Any, subject: str, issuer: TestIssuer, verifier: TokenVerifier, clock: Clock
) -> None:
    claims = issuer.claims("orders", company_id=1, user_id=42, actors=["orders", "crm-web"])
    claims = replace(claims, rests_on=("account:crm-*", "key:k9", "token:j9"))
    token, other = issuer.sign(claims.to_json()), issuer.token("stock", user_id=43)
    verifier.verify(token)
    verifier.verify(other)
    issuer.revoke(kind, subject or claims.token_id)
    clock.pass_by(31)
    wait_until(lambda: refused(verifier, token), description="the token to be refused")
    if kind != "key":
        verifier.verify(other)


def test_a_service_that_was_idle_asks_before_it_judges(
    issuer: TestIssuer, verifier: TokenVerifier, clock: Clock
) -> None:
    token = issuer.token("orders")
    verifier.verify(token)
    issuer.revoke("account", "orders")
    clock.pass_by(61)
    assert refused(verifier, token)


def test_without_a_hub_tokens_are_judged_for_a_day_by_what_is_known(
    issuer: TestIssuer, verifier: TokenVerifier, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    verifier.verify(issuer.token("orders"))
    issuer.away = True
    before = len(issuer.asked)
    for _ in range(100):
        clock.pass_by(60)
        token = issuer.token("orders")
        for _ in range(10):
            verifier.verify(token)
    assert len(issuer.asked) - before <= 200, "a try for each once a minute, not for every call"
    clock.pass_by(24 * 3600)
    with pytest.raises(CannotVerify):
        verifier.verify(issuer.token("orders"))
    issuer.away = False
    clock.pass_by(31)
    verifier.verify(issuer.token("orders"))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2, warnings


def test_a_service_that_starts_without_a_hub_says_that_it_cannot_tell(issuer: TestIssuer, clock: Clock) -> None:
    issuer.away = True
    verifier = issuer.verifier("products", now=clock)
    for _ in range(10):
        with pytest.raises(CannotVerify):
            verifier.verify(issuer.token("orders"))
    assert issuer.asked.count(JWKS) == 1, "not for every token"


def test_the_list_is_asked_for_with_the_services_own_token_and_not_again_when_it_is_the_same(clock: Clock) -> None:
    issuer, seen = TestIssuer(wall=clock), []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path != REVOCATIONS:
            return issuer.transport.handle_request(request)
        seen.append(dict(request.headers))
        if len(seen) == 1:
            return httpx2.Response(401, json={"status": 401, "title": "No"})
        if "if-none-match" in request.headers:
            return httpx2.Response(304)
        return httpx2.Response(200, json={"revocations": []}, headers={"ETag": '"1"'})

    auth = issuer.client("products")
    verifier = TokenVerifier(
        issuer.hub_url, "products", auth=auth, transport=httpx2.MockTransport(answer), now=clock, wall=clock
    )
    verifier.verify(issuer.token("orders"))
    clock.pass_by(61)
    verifier.verify(issuer.token("orders"))
    first, second, third = seen
    assert first["authorization"] != second["authorization"] == third["authorization"]
    assert third["if-none-match"] == '"1"'
    assert len(seen) == 3


@pytest.mark.parametrize(
    "document",
    [{"keys": "none"}, [], {"keys": [{"kid": "x", "kty": "oct", "k": "AA", "alg": "HS256"}, 7, {}]}],
    ids=["no list", "no object", "nothing of use"],
)
def test_a_key_set_that_is_none_lets_nobody_in(document: object, issuer: TestIssuer, clock: Clock) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=document))
    verifier = TokenVerifier(issuer.hub_url, "products", issuer=issuer.hub_url, transport=transport, now=clock)
    with pytest.raises((CannotVerify, InvalidToken)):
        verifier.verify(issuer.token("orders"))


def test_without_pyjwt_it_is_told_what_to_install() -> None:
    script = (
        "import sys; sys.modules['jwt'] = None\n"
        "from xerpium_sdk.auth import ServiceAuthClient, TokenVerifier\n"
        "ServiceAuthClient('http://hub.test', 'a', 'k')\n"
        "try:\n    TokenVerifier('http://hub.test', 'a')\n"
        "except ImportError as error:\n    print(error)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'xerpium-sdk[auth]'" in result.stdout
