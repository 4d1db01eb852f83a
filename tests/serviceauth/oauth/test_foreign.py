"""Tokens of issuers that operators trust: what makes one good, and where its keys come from."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from django.utils import timezone

from apps.core.errors import Unavailable
from apps.core.tenancy import system, use
from apps.serviceauth import foreign
from apps.serviceauth.foreign import IssuerKeys, issuer_keys
from apps.serviceauth.jwks import BadKeySet, key_for, read_keys
from apps.serviceauth.services.exchanging import JWT
from apps.serviceauth.services.issuers import issuer_delete, issuer_save
from apps.serviceauth.services.revoking import revoke_user
from apps.serviceauth.verifying import verify
from tests.serviceauth.oauth.asking import Service, acting, error_of, role
from tests.serviceauth.oauth.idp import ISSUER, Later, Provider, Signer, providing, trust_issuer

pytestmark = pytest.mark.django_db

ES, OTHER = Signer(), Signer()


@pytest.fixture(autouse=True)
def no_keys_known() -> None:
    issuer_keys.forget()


@pytest.fixture
def orders() -> Service:
    return acting("orders", act_companies="*")


def exchange(service: Service, token: str, **form: Any) -> Any:
    return service.exchange(token, **{"subject_token_type": JWT, **form})


def test_a_person_of_another_issuer_is_acted_for(orders: Service) -> None:
    trust_issuer(ES)
    role(5, 7, "product.*")
    said = exchange(orders, ES.token(), scope="menus:read").json()
    caller = verify(said["access_token"])
    assert (caller.kind, caller.user_id, caller.company_id, caller.actors) == ("user", 5, 7, ("orders",))
    assert (caller.scopes, caller.permissions) == (frozenset({"menus:read"}), ("product.*",))
    assert said["expires_in"] == 300
    assert exchange(orders, ES.token(exp=Later(40))).json()["expires_in"] <= 40


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"}, {"iss": None}, {"iss": "\ud800"}, {"iss": 7}, {"iss": "a\0"},
        {"aud": "shop"}, {"aud": None}, {"aud": ["shop", {}]},
        {"exp": "soon"}, {"exp": None}, {"exp": 1}, {"exp": True},
        {"iat": None}, {"iat": Later(90)}, {"iat": Later(-3700)}, {"nbf": Later(90)},
        {"sub": None}, {"sub": 5}, {"sub": "anna"}, {"sub": "0"}, {"sub": "٥"}, {"sub": str(2**63)},
        {"header": {"typ": "logout+jwt"}}, {"header": {"crit": ["exp"]}}, {"header": {"kid": "another"}},
        {"header": {"kid": "x" * 5000}},
    ],
)  # fmt: skip
def test_a_token_that_is_not_quite_right_is_refused(orders: Service, claims: dict[str, Any]) -> None:
    trust_issuer(ES)
    assert exchange(orders, ES.token()).status_code == 200
    assert error_of(exchange(orders, ES.token(**claims))) == (400, "invalid_request")


def test_only_the_issuers_keys_and_algorithms_count(orders: Service) -> None:
    trust_issuer(ES)
    public = json.dumps(ES.jwk).encode()
    borrowed = OTHER.token(header={"kid": ES.kid})
    unsigned = jwt.encode({"iss": ISSUER}, None, algorithm="none", headers={"kid": ES.kid})
    confused = jwt.encode({"iss": ISSUER}, base64.b64encode(public), algorithm="HS256", headers={"kid": ES.kid})
    cut = ES.token()[:-4]
    deep = base64.urlsafe_b64encode(b"[" * 3000).rstrip(b"=").decode()
    nested = [f"e30.{deep}.e30", f"{deep}.e30.e30", f"{ES.token().partition('.')[0]}.{deep}.e30"]
    for token in (OTHER.token(), borrowed, unsigned, confused, cut, f"{ES.token()}.x", "..", "x" * 9000, *nested):
        assert error_of(exchange(orders, token)) == (400, "invalid_request")


def test_an_algorithm_that_operators_did_not_name_is_none(orders: Service) -> None:
    weak, strong = Signer("RS256", bits=1024), Signer("RS256")
    trust_issuer(ES, strong, weak, algorithms=["RS256"])
    assert exchange(orders, strong.token()).status_code == 200
    for signer in (ES, weak):
        assert error_of(exchange(orders, signer.token())) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("issuer", "claims", "form", "works"),
    [
        ({}, {"company": 8}, {}, False),
        ({}, {"company": None}, {"company_id": "7"}, False),
        ({}, {"company": [7, 8]}, {}, False),
        ({}, {"company": [7, 8]}, {"company_id": "7"}, True),
        ({}, {"company": [7, 8]}, {"company_id": "8"}, False),
        ({}, {"company": "7"}, {}, True),
        ({"companies": [], "all_companies": True}, {"company": 9}, {}, True),
        ({"companies": [], "all_companies": True}, {"company": 9}, {"company_id": "7"}, False),
        ({"company_claim": ""}, {"company": 7}, {}, False),
        ({"company_claim": ""}, {}, {"company_id": "7"}, True),
        ({"company_claim": ""}, {"sub": "6"}, {"company_id": "7"}, False),
        ({"company_claim": "", "companies": [8]}, {}, {"company_id": "7"}, False),
    ],
)
def test_the_company_is_one_that_everybody_agrees_on(
    orders: Service, issuer: dict[str, Any], claims: dict[str, Any], form: dict[str, str], works: bool
) -> None:
    trust_issuer(ES, **issuer)
    role(5, 7)
    answer = exchange(orders, ES.token(**claims), **form)
    if works:
        assert answer.status_code == 200
    else:
        assert error_of(answer) == (400, "invalid_target")


def test_the_person_may_stand_in_another_claim(orders: Service) -> None:
    trust_issuer(ES, user_claim="https://erp.example/user")
    token = ES.token(sub="anna", **{"https://erp.example/user": 12})
    assert verify(exchange(orders, token).json()["access_token"]).user_id == 12


def test_a_person_who_is_gone_is_not_acted_for(orders: Service) -> None:
    trust_issuer(ES)
    token = ES.token()
    with use(system("tests")):
        revoke_user(5, reason="left", actor="tests", now=timezone.now())
    assert error_of(exchange(orders, token)) == (400, "invalid_request")
    assert exchange(orders, ES.token(sub="6")).status_code == 200


def test_trust_ends_at_once(orders: Service) -> None:
    issuer = trust_issuer(ES)
    assert exchange(orders, ES.token()).status_code == 200
    with use(system("tests")):
        issuer_save(row=issuer, actor="tests", is_active=False)
    assert error_of(exchange(orders, ES.token())) == (400, "invalid_request")
    with use(system("tests")):
        issuer_delete(issuer=issuer)
    assert error_of(exchange(orders, ES.token())) == (400, "invalid_request")


# --- Where keys come from ---------------------------------------------------------------------------------------------


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def found(keys: IssuerKeys, issuer: Any, signer: Signer) -> bool:
    return keys.find(issuer, signer.kid, signer.algorithm) is not None


def test_keys_are_fetched_once_in_a_while_and_when_a_new_one_is_used() -> None:
    clock = Clock()
    keys = IssuerKeys(clock)
    with providing(ES) as provider:
        issuer = trust_issuer(jwks_url=provider.url)
        assert [found(keys, issuer, ES) for _ in range(3)] == [True] * 3
        assert provider.asked == 1
        provider.publish(OTHER)
        assert not found(keys, issuer, OTHER)  # somebody just looked
        clock.now += foreign.UNKNOWN_KID_SECONDS
        assert found(keys, issuer, OTHER)
        assert [keys.find(issuer, f"made-up-{number}", "ES256") for number in range(20)] == [None] * 20
        assert provider.asked == 2
        assert not found(keys, issuer, ES)
        clock.now += foreign.FRESH_SECONDS
        assert found(keys, issuer, OTHER)
        assert provider.asked == 3


def test_many_at_once_fetch_once() -> None:
    keys = IssuerKeys(Clock())
    with providing(ES) as provider:
        issuer = trust_issuer(jwks_url=provider.url)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: found(keys, issuer, ES), range(16))) == {True}
        assert provider.asked == 1


def test_known_keys_count_while_the_issuer_is_away_but_not_for_ever() -> None:
    clock = Clock()
    keys = IssuerKeys(clock)
    with providing(ES) as provider:
        issuer = trust_issuer(jwks_url=provider.url)
        assert found(keys, issuer, ES)
        provider.status = 500
        clock.now += foreign.STALE_SECONDS - 1
        assert found(keys, issuer, ES)
        clock.now += 1
        with pytest.raises(Unavailable):
            found(keys, issuer, ES)
        clock.now += foreign.RETRY_SECONDS
        provider.status = 200
        assert found(keys, issuer, ES)


def too_long(provider: Provider) -> None:
    provider.body = b'{"keys":[' + b" " * foreign.SET_LIMIT + b"]}"


def elsewhere(provider: Provider) -> None:
    provider.status, provider.headers = 302, {"Location": provider.url}


def compressed(provider: Provider) -> None:
    provider.headers = {"Content-Encoding": "gzip"}


def nonsense(provider: Provider) -> None:
    provider.body = b"[" * 5000


def empty(provider: Provider) -> None:
    provider.publish()


@pytest.mark.parametrize("spoil", [too_long, elsewhere, compressed, nonsense, empty])
def test_an_issuer_that_answers_something_else_has_no_keys(orders: Service, spoil: Any) -> None:
    with providing(ES) as provider:
        trust_issuer(jwks_url=provider.url)
        spoil(provider)
        answer = exchange(orders, ES.token())
        assert error_of(answer) == (503, "temporarily_unavailable")
        assert answer["Retry-After"] == "10"
        exchange(orders, ES.token())
        assert provider.asked == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest",
        "https://10.1.2.3/keys",
        "https://[::ffff:169.254.169.254]/",
        "https://localhost/",
    ],
)
def test_the_hub_does_not_fetch_from_inside(orders: Service, url: str) -> None:
    issuer = trust_issuer(ES)
    issuer.jwks, issuer.jwks_url = None, url
    issuer.save()
    assert error_of(exchange(orders, ES.token())) == (503, "temporarily_unavailable")


# --- JWK sets ---------------------------------------------------------------------------------------------------------


def with_member(**members: Any) -> dict[str, Any]:
    return {"keys": [{**ES.jwk, **members}]}


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"keys": {}}, {"keys": []}, {"keys": [7]}, {"keys": [ES.jwk] * 51},
        with_member(d="AA"), {"keys": [{"kty": "oct", "k": "AAAA", "kid": "a", "alg": "HS256"}, ES.jwk]},
        with_member(kid=None), with_member(kid=""), with_member(use="enc"), with_member(kty="RSA"),
        with_member(crv="P-384"), with_member(crv=None), with_member(x=5), with_member(x="AA"), with_member(y=None),
        with_member(alg="ES384"), with_member(alg="HS256"), with_member(alg=7),
        {"keys": [{"kty": "RSA", "n": 5, "e": "AQAB", "kid": "a"}]}, {"keys": [{"kty": "RSA", "kid": "a"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed448", "x": "AA", "kid": "a"}]},
    ],
)  # fmt: skip
def test_what_is_no_set_of_public_keys_is_none(document: Any) -> None:
    with pytest.raises(BadKeySet):
        read_keys(document)


def test_a_key_is_good_for_its_own_kind_of_algorithm() -> None:
    rsa = Signer("RS256")
    keys = read_keys({"keys": [{"kty": "later"}, ES.jwk, {**rsa.jwk, "alg": None}, {**OTHER.jwk, "alg": "ES256"}]})
    assert sorted(keys[0].by_algorithm) == ["ES256"]
    assert sorted(keys[1].by_algorithm) == ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
    assert key_for(keys, ES.kid, "ES256") is not None
    assert key_for(keys, ES.kid, "RS256") is None
    assert key_for(keys, rsa.kid, "ES256") is None
    assert key_for(keys, "?", "ES256") is None
