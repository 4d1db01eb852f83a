"""Tokens that somebody made up, some of them with the hub's own key: what a verifier must not fall for."""

import base64
import datetime as dt
import json
import secrets
from typing import Any

import jwt
from django.conf import settings
from django.utils import timezone

from apps.serviceauth.services.signing import signer
from apps.serviceauth.tokens import AUDIENCE, Claims


def good(name: str = "orders") -> Claims:
    """Return what a good token says that is in no company."""
    return Claims(
        issuer=settings.HUB_PUBLIC_URL,
        audience=(AUDIENCE,),
        subject=name,
        client_id=name,
        issued_at=later(0),
        not_before=later(0),
        expires_at=later(600),
        token_id=secrets.token_urlsafe(16),
        scopes=("registry:read",),
        companies=(),
        account=name,
        service_name=name,
        key_id="k1",
    )


def header(**changes: Any) -> dict[str, Any]:
    """Return the header of a good token, changed; a value of None takes a member away."""
    key = signer(timezone.now())
    members = {"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt"} | changes
    return {name: value for name, value in members.items() if value is not None}


def signed(said: dict[str, Any], **changes: Any) -> str:
    """Return ``said`` signed by the hub's own key, under a header that may be wrong."""
    return sealed(header(**changes), said)


def sealed(head: dict[str, Any], said: Any) -> str:
    """Return a token with any header and any payload, and a signature by the hub's own key over both."""
    key = signer(timezone.now())
    text = f"{b64(head)}.{b64(said)}"
    algorithm = jwt.get_algorithm_by_name(key.algorithm)
    return f"{text}.{plain(algorithm.sign(text.encode(), key.key))}"


def b64(value: Any) -> str:
    """Return JSON as a part of a token."""
    return plain(value if isinstance(value, bytes) else json.dumps(value).encode())


def plain(raw: bytes) -> str:
    """Return bytes as a part of a token."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def later(seconds: float) -> int:
    """Return a time from now, in seconds since the epoch."""
    return int((timezone.now() + dt.timedelta(seconds=seconds)).timestamp())
