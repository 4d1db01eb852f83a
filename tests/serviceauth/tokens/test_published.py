"""What anybody may know: the keys that verify tokens, and where the endpoints are."""

import datetime as dt
from typing import Any

import jwt
import pytest
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from apps.serviceauth.services.signing import signer, signing_keys_rotate
from tests.support.tokens import token_for

pytestmark = pytest.mark.django_db

JWKS, METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"


@pytest.fixture
def stranger() -> Client:
    """Somebody in the network, without credentials."""
    return Client(raise_request_exception=False, REMOTE_ADDR="203.0.113.9", HTTP_HOST="127.0.0.1:8000")


def test_the_keys_are_there_before_anybody_needs_one(stranger: Client) -> None:
    answer = stranger.get(JWKS)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    (only,) = answer.json()["keys"]
    assert only["kid"] == signer(timezone.now()).kid
    assert {name: only[name] for name in ("kty", "crv", "use", "alg")} == {
        "kty": "EC",
        "crv": "P-256",
        "use": "sig",
        "alg": "ES256",
    }
    assert set(only) == {"kty", "crv", "x", "y", "use", "alg", "kid"}


def test_whoever_has_the_keys_verifies_a_token(stranger: Client, settings: Any) -> None:
    tokens = [token_for("orders")]
    settings.TOKEN_ALGORITHM = "RS256"
    signing_keys_rotate(now=timezone.now() - dt.timedelta(minutes=11))
    signing_keys_rotate(now=timezone.now())
    tokens.append(token_for("orders"))
    keys = jwt.PyJWKSet.from_dict(stranger.get(JWKS).json())
    for token in tokens:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        said = jwt.decode(token, key, audience="xerpium", issuer="http://127.0.0.1:8000")
        assert said["sub"] == "orders"
    assert len(keys.keys) == 2


def test_an_etag_saves_asking_again(stranger: Client) -> None:
    first = stranger.get(JWKS)
    same = stranger.get(JWKS, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["Cache-Control"] == first.headers["Cache-Control"]
    signing_keys_rotate(now=timezone.now(), at_once=True)
    changed = stranger.get(JWKS, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert (changed.status_code, len(changed.json()["keys"])) == (200, 2)


def test_the_metadata_names_endpoints_that_are_there(stranger: Client) -> None:
    answer = stranger.get(METADATA)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    told = answer.json()
    assert told["issuer"] == "http://127.0.0.1:8000"
    places = {
        name: value.removeprefix(told["issuer"])
        for name, value in told.items()
        if name.endswith(("_endpoint", "_uri", "_documentation"))
    }
    assert places == {
        "token_endpoint": "/oauth/token",
        "introspection_endpoint": "/oauth/introspect",
        "revocation_endpoint": "/oauth/revoke",
        "jwks_uri": JWKS,
        "service_documentation": "/api/docs/",
    }
    for place in places.values():
        assert resolve(place)
    assert told["grant_types_supported"] == [
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ]
    assert told["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "client_secret_post"]
    assert told["response_types_supported"] == []
    assert "registry:read" in told["scopes_supported"]


@pytest.mark.parametrize("path", [JWKS, METADATA])
def test_it_is_for_reading_only_and_for_everybody(stranger: Client, path: str) -> None:
    assert stranger.head(path).status_code == 200
    assert stranger.get(f"{path}/").status_code == 200
    assert stranger.get(f"{path}?x=1").status_code == 200
    assert stranger.post(path).status_code == 405
    assert stranger.get(path, HTTP_AUTHORIZATION="Bearer nonsense").status_code == 200
