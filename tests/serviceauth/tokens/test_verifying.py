"""What a token has to be to be good; everything else gets one and the same answer."""

import base64
import hashlib
import hmac
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.serviceauth import signing, verifying
from apps.serviceauth.services.signing import signer
from apps.serviceauth.verifying import InvalidToken, claims_of, verify, verify_cached
from tests.serviceauth.tokens.forging import b64, good, header, later, plain, sealed, signed
from tests.support.api import Api
from tests.support.tokens import bearer, expired_token_for, issued_for, token_for

pytestmark = pytest.mark.django_db

REQUIRED = ("iss", "aud", "sub", "client_id", "iat", "nbf", "exp", "jti", "scope", "companies", "account")
OPTIONAL = ("service_name", "company_id", "user_id", "permissions", "key_id")
ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
NOT_OBJECTS = (b"[" * 3000, b"[]", b"null", b"1", b"\xff\xfe", b"{", b"")


def short(value: object) -> str:
    """Return the beginning of a value as the name of a case."""
    return ascii(value)[:24]


def refused(token: str) -> None:
    """Assert that a token is good for nothing, and that nobody is told why."""
    answers = []
    for judge in (verify, claims_of):
        with pytest.raises(InvalidToken) as caught:
            judge(token)
        answers.append((caught.value.detail, caught.value.headers["WWW-Authenticate"], caught.value.errors))
    fresh = InvalidToken()
    assert answers == [(fresh.detail, 'Bearer error="invalid_token"', ())] * 2
    assert verify_cached(token.encode("utf-8", "surrogatepass")) is None


def test_a_good_token_says_who_brings_it() -> None:
    issued = issued_for("orders", companies=[3, 4], company_id=3, scopes=["registry:read", "menus:read"])
    who = verify(issued.access_token)
    assert (who.kind, who.name, who.company_id, who.companies) == ("service", "orders", 3, frozenset({3}))
    assert who.scopes == {"registry:read", "menus:read"}
    assert who.token_id == issued.claims.token_id
    assert who.expires_at == issued.claims.expires_at == issued.claims.issued_at + 600
    assert verify(issued.access_token) is who
    assert verify_cached(issued.access_token.encode()) is who
    assert claims_of(issued.access_token) == issued.claims


def test_a_token_of_a_service_for_a_person_names_both() -> None:
    who = verify(token_for("shop", company_id=3, user_id=7))
    assert (who.kind, who.name, who.user_id, who.actors, who.speaks_for) == ("user", "user:7", 7, ("shop",), "shop")


def test_what_is_signed_alike_may_be_typed_at_length() -> None:
    assert verify(signed(good().to_json(), typ="application/AT+JWT")).name == "orders"


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"typ": "dpop+jwt"},
        {"typ": 7},
        {"kid": None},
        {"kid": "../../etc/passwd"},
        {"kid": "' OR 1=1 --"},
        {"kid": ["a"]},
        {"alg": None},
        {"alg": "none"},
        {"alg": "ES384"},
        {"alg": "RS256"},
        {"alg": {"a": 1}},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"crit": ["exp"]},
        {"zip": "DEF"},
        {"b64": False},
    ],
    ids=str,
)
def test_another_header_is_refused(changes: dict[str, Any]) -> None:
    refused(signed(good().to_json(), **changes))


def test_without_a_signature_it_is_nothing() -> None:
    said = good().to_json()
    body = b64(said)
    for head in (header(alg="none"), header(), header(alg="None", kid="none")):
        refused(f"{b64(head)}.{body}.")
    refused(f"{b64(header())}.{body}.{plain(b'0' * 64)}")
    refused(f"{b64(header())}.{body}.{plain(bytes(64))}")  # r = s = 0, which broken verifiers of ECDSA take


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    said, key = good().to_json(), signer(timezone.now())
    public = key.key.public_key()
    forms = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    ]
    for form in forms:
        for algorithm in ("HS256", key.algorithm):
            text = f"{b64(header(alg=algorithm))}.{b64(said)}"
            refused(f"{text}.{plain(hmac.digest(form, text.encode(), hashlib.sha256))}")


def test_a_key_of_somebody_else_does_not_sign_under_our_name() -> None:
    stranger = signing.new_private_key("ES256")
    said = good().to_json()
    own = signing.public_jwk(stranger, "ES256")["kid"]
    for kid in (signer(timezone.now()).kid, own):
        refused(jwt.encode(said, stranger, algorithm="ES256", headers={"kid": kid, "typ": "at+jwt"}))


@pytest.mark.parametrize("name", REQUIRED)
def test_every_required_claim_is_required(name: str) -> None:
    said = good().to_json()
    del said[name]
    refused(signed(said))


def test_what_a_token_may_leave_out_may_be_left_out() -> None:
    said = {name: value for name, value in good().to_json().items() if name not in OPTIONAL}
    assert verify(signed(said)).name == "orders"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": "http://127.0.0.1:8000/"},
        {"aud": "another-service"},
        {"aud": []},
        {"exp": 0},
        {"exp": -1},
        {"nbf": 2**60},
        {"iat": 2**60},
        {"companies": "all"},
        {"companies": {"1": 1}},
        {"act": {"act": {}}},
        {"act": {"sub": "a", "act": {"sub": "b", "act": {"sub": "c", "act": {"sub": "d", "act": {"sub": "e", "act": {
            "sub": "f"}}}}}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_claim_that_is_not_ours_is_refused(changes: dict[str, Any]) -> None:
    token = signed(good().to_json() | changes)
    with pytest.raises(InvalidToken):
        verify(token)
    assert verify_cached(token.encode()) is None


def test_times_count_to_the_second() -> None:
    said = good().to_json()
    refused(expired_token_for("orders", ago=0))
    refused(signed(said | {"exp": later(-1)}))
    assert verify(signed(said | {"exp": later(5)}))
    # Whoever signed may be half a minute ahead of us, and no more.
    assert verify(signed(said | {"nbf": later(20), "iat": later(20)}))
    refused(signed(said | {"nbf": later(40)}))
    refused(signed(said | {"iat": later(40)}))


def test_a_remembered_token_ends_on_time() -> None:
    issued = issued_for("orders")
    end = issued.claims.expires_at
    assert verify(issued.access_token, now=end - 1)
    with pytest.raises(InvalidToken):
        verify(issued.access_token, now=end)
    with pytest.raises(InvalidToken):
        verify(issued.access_token, now=end + 1)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "x" * 100_000,
        "xrp_abc_def",
        "ey" * 4000 + ".a.b",
        "\ud800.\ud800.\ud800",
        "кто.там.я",
    ],
    ids=short,
)
def test_nonsense_is_refused(token: str) -> None:
    refused(token)


@pytest.mark.parametrize("head", [*NOT_OBJECTS, b"{}", b'{"alg":NaN}', b'{"alg":' + b"9" * 5000 + b"}"], ids=short)
def test_a_header_that_is_none_is_refused(head: bytes) -> None:
    refused(f"{plain(head)}.e30.AA")


@pytest.mark.parametrize("payload", [*NOT_OBJECTS, b'{"iss":NaN}'], ids=short)
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    refused(sealed(header(), payload))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(REQUIRED + OPTIONAL + ("act",)), value=ANYTHING)
def test_whatever_a_claim_is_nothing_breaks(name: str, value: Any) -> None:
    """Only the hub's own key signs here: what it says may be odd, but it is good or refused, and never an error."""
    try:
        verify(signed(good().to_json() | {name: value}))
    except InvalidToken:
        return


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_is_overlooked(data: st.DataObject) -> None:
    token = signed(good().to_json())
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCDEFabcdef0123-_."))
    changed = token[:place] + letter + token[place + 1 :]
    if same(changed, token):
        return
    refused(changed)


def same(one: str, other: str) -> bool:
    """Whether two tokens are the same bytes: the last letter of a part may carry bits that mean nothing."""

    def parts(token: str) -> list[bytes]:
        return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]

    try:
        return parts(one) == parts(other)
    except ValueError:
        return False


def test_an_open_hub_refuses_a_bad_token_like_a_closed_one() -> None:
    api = Api()
    assert api.get("/services").status_code == 200
    bodies = set()
    for token in (expired_token_for("orders"), "nonsense", signed(good().to_json(), typ="JWT"), "x" * 9000):
        answer = api.get("/services", headers=bearer(token))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        problem = answer.json()
        del problem["request_id"]
        bodies.add(str(problem))
    assert len(bodies) == 1
    assert api.get("/services", headers=bearer(token_for("orders"))).status_code == 200


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "MOST_REMEMBERED", 5)
    claims = good()
    for number in range(12):
        verify(signed(claims.to_json() | {"jti": str(number)}))
    assert len(verifying._remembered) == 5
