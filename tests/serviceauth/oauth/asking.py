"""A client of the OAuth endpoints, and people whose tokens it has, for tests."""

import datetime as dt
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import quote_plus, urlencode

from django.test import Client
from django.utils import timezone

from apps.core.scopes import DEFAULT_SCOPES
from apps.core.tenancy import system, use
from apps.serviceauth.models import Role, RoleAssignment, ServiceAccount
from apps.serviceauth.services.exchanging import ACCESS_TOKEN
from apps.serviceauth.services.issuing import sign, user_claims
from apps.serviceauth.tokens import Claims
from tests.support.accounts import account, key

TOKEN, INTROSPECT, REVOKE = "/oauth/token", "/oauth/introspect", "/oauth/revoke"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
FORM = "application/x-www-form-urlencoded"
HOME = "203.0.113.9"


def post(path: str, body: Mapping[str, Any] | list[tuple[str, str]] | bytes = b"", **options: Any) -> Any:
    """Send a form from somewhere in the network; return Django's response."""
    raw = body if isinstance(body, bytes) else urlencode(body).encode()
    sent = {"REMOTE_ADDR": HOME, "HTTP_HOST": "hub.example", **options}
    return _client().generic("POST", path, raw, sent.pop("content_type", FORM), **sent)


@cache
def _client() -> Client:
    """Return the one client: each new one loads the middleware anew, which takes longer than most requests."""
    return Client(raise_request_exception=False)


def basic(name: str, secret: str) -> str:
    """Return the header of HTTP Basic, encoded as RFC 6749 (2.3.1) wants it."""
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


class Service:
    """A service with an account and a key."""

    def __init__(self, name: str = "orders", *, of: ServiceAccount | None = None, **options: Any) -> None:
        self.name = name
        self.account = of or account(name, **options)
        self.key = key(self.account)

    @property
    def credentials(self) -> dict[str, str]:
        """The form fields by which it authenticates."""
        return {"client_id": self.name, "client_secret": self.key}

    def post(self, path: str, form: Mapping[str, Any] = {}, **options: Any) -> Any:
        """Send a form with its credentials."""
        return post(path, {**self.credentials, **form}, **options)

    def token(self, **form: Any) -> str:
        """Get a token for itself."""
        answer = self.post(TOKEN, {"grant_type": "client_credentials", **form})
        assert answer.status_code == 200, answer.content
        return str(answer.json()["access_token"])

    def exchange(self, subject: str, **form: Any) -> Any:
        """Ask for a token to act for the person of ``subject``."""
        asked = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN}
        return self.post(TOKEN, {**asked, **form})

    def introspected(self, token: str) -> Any:
        """Ask what a token says."""
        answer = self.post(INTROSPECT, {"token": token})
        assert answer.status_code == 200, answer.content
        return answer.json()


def acting(name: str, **options: Any) -> Service:
    """Make a service that may act for people in company 7, with everything that accounts have."""
    policy = {"may_act": True, "act_companies": frozenset({7}), "act_scopes": DEFAULT_SCOPES, "companies": "*"}
    return Service(name, **(policy | options))


def person(
    user_id: int = 5,
    company_id: int = 7,
    *,
    scopes: Collection[str] = DEFAULT_SCOPES,
    permissions: tuple[str, ...] = ("*",),
    now: dt.datetime | None = None,
    **changed: Any,
) -> str:
    """Return a person's own token, as an operator gets one from the console."""
    now = now or timezone.now()
    claims: Claims = user_claims(
        user_id=user_id, company_id=company_id, scopes=frozenset(scopes), permissions=permissions, now=now
    )
    with use(system("tests sign a token")):
        return sign(replace(claims, **changed), timezone.now()).access_token


def role(user_id: int = 5, company_id: int | None = 7, *permissions: str) -> None:
    """Give a person a role in a company."""
    with use(system("tests")):
        made = Role.objects.create(name=f"role {Role.objects.count()}", permissions=list(permissions or ["product.*"]))
        RoleAssignment.objects.create(role=made, user_id=user_id, company_id=company_id, created_by="tests")


def error_of(answer: Any) -> tuple[int, str]:
    """Return status and error code of a refusal, which has to look as RFC 6749 (5.2) says."""
    said = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert said.keys() == {"error", "error_description"}
    assert all(32 <= ord(one) < 127 and one not in '"\\' for one in said["error_description"])
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"]
    return answer.status_code, said["error"]
