"""Tokens for tests, made without a hub, and a hub in memory that knows them.

```python
issuer = TestIssuer()
protect(app, issuer.verifier("product-service"))
headers = issuer.headers("order-service", company_id=7)
assert TestClient(app).get("/products", headers=headers).status_code == 200
```
"""

import json
import time
from collections.abc import Callable, Collection
from typing import Any, Literal
from uuid import uuid4

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from xerpium_sdk.auth import AsyncServiceAuthClient, ServiceAuthClient, TokenVerifier
from xerpium_sdk.tokens import header_of, keys_of, payload_of
from xerpium_sdk.wire.credentials import (
    AUDIENCE,
    TYPE,
    USER_PREFIX,
    Claims,
    TokenFault,
    check_claims,
    revocable,
    revocation_mark,
)

__all__ = ["TestIssuer"]

HUB_URL = "http://hub.test"
LIFETIME_SECONDS = 600
ALWAYS = "9999-12-31T00:00:00Z"


class TestIssuer:
    """Signs tokens as the hub does, with a key of its own that only its own verifiers know.

    Args:
        hub_url: the address that it pretends to have; also the tokens' issuer.
        wall: the clock that tokens go by.
    """

    __test__ = False  # not a test case, whatever pytest makes of its name

    def __init__(self, hub_url: str = HUB_URL, *, wall: Callable[[], float] = time.time) -> None:
        self.hub_url, self.lifetime = hub_url, LIFETIME_SECONDS
        self.asked: list[str] = []
        """The paths of all requests that came in."""
        self.away = False
        """Whether the hub in memory pretends to be away."""
        self._wall = wall
        self._revoked: set[str] = set()
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.transport = httpx2.MockTransport(self._answer)
        """The way to the hub in memory, for whatever takes a transport."""
        self.rotate()

    def rotate(self) -> str:
        """Sign with another key from now on, and return its id; the former ones go on to count."""
        self._kid = uuid4().hex
        self._keys[self._kid] = ec.generate_private_key(ec.SECP256R1())
        return self._kid

    def forget(self, kid: str) -> None:
        """Let a key count no more."""
        del self._keys[kid]

    def claims(
        self,
        service_name: str | None = "test-service",
        *,
        company_id: int | None = None,
        user_id: int | None = None,
        permissions: Collection[str] = (),
        scopes: Collection[str] = (),
        companies: Collection[int] | Literal["*"] | None = None,
        audience: str = AUDIENCE,
        actors: Collection[str] | None = None,
        expires_in: float | None = None,
    ) -> Claims:
        """Return what a token says, as the hub would put it.

        Args:
            service_name: the service that presents it; None: a person's own token.
            company_id: the company that it is in.
            user_id: the person for whom the service acts.
            permissions: what that person may do.
            scopes: what the token is good for.
            companies: those for which it may act; default: the one that it is in.
            audience: whom it is meant for: all services, or the name of one.
            actors: the services that act for the person; default: the one that presents it.
            expires_in: seconds from now; below 0: it has ended.
        """
        now = int(self._wall())
        acting = (service_name,) if user_id is not None and service_name is not None else ()
        subject = service_name if user_id is None else f"{USER_PREFIX}{user_id}"
        own = () if company_id is None else (company_id,)
        return Claims(
            issuer=self.hub_url,
            audience=(audience,),
            subject=subject or "",
            client_id=service_name or "console",
            issued_at=now,
            not_before=now,
            expires_at=int(now + (self.lifetime if expires_in is None else expires_in)),
            token_id=uuid4().hex,
            scopes=tuple(sorted(scopes)),
            companies="*" if companies == "*" else tuple(own if companies is None else companies),
            account=service_name or "console",
            service_name=service_name,
            company_id=company_id,
            user_id=user_id,
            permissions=tuple(permissions),
            key_id="test",
            actors=acting if actors is None else tuple(actors),
        )

    def token(self, service_name: str | None = "test-service", **said: Any) -> str:
        """Return a token; see `claims` for the arguments."""
        return self.sign(self.claims(service_name, **said).to_json())

    def sign(self, payload: dict[str, Any], **header: Any) -> str:
        """Return any payload as a token; ``header`` replaces what stands in front, for tests of what must not pass."""
        front = {"typ": TYPE, "kid": self._kid} | header
        return jwt.encode(payload, self._keys[self._kid], algorithm="ES256", headers=front)

    def headers(self, service_name: str | None = "test-service", **said: Any) -> dict[str, str]:
        """Return the headers of a request; see `claims` for the arguments."""
        return {"Authorization": f"Bearer {self.token(service_name, **said)}"}

    def revoke(self, kind: Literal["token", "key", "account", "user"], subject: object) -> None:
        """Revoke every token of an account, a person or a key, or one by its id."""
        self._revoked.add(revocation_mark(kind, str(subject)))

    def verifier(self, service_name: str = "test-service", **options: Any) -> TokenVerifier:
        """Return a verifier of this issuer's tokens; it asks nobody else."""
        return TokenVerifier(self.hub_url, service_name, transport=self.transport, wall=self._wall, **options)

    def client(self, service_name: str = "test-service", **options: Any) -> ServiceAuthClient:
        """Return a client that gets its tokens here."""
        return ServiceAuthClient(self.hub_url, service_name, "test-key", transport=self.transport, **options)

    def async_client(self, service_name: str = "test-service", **options: Any) -> AsyncServiceAuthClient:
        """Return a client for coroutines that gets its tokens here."""
        return AsyncServiceAuthClient(self.hub_url, service_name, "test-key", transport=self.transport, **options)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return {
            "keys": [
                json.loads(ECAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "ES256"}
                for kid, key in self._keys.items()
            ]
        }

    @property
    def revocations(self) -> dict[str, Any]:
        """What verifiers are told of `revoke`."""
        until = [{"mark": mark, "issued_before": ALWAYS} for mark in sorted(self._revoked)]
        return {"revocations": until, "max_age": 30}

    def read(self, token: str, audience: str = AUDIENCE) -> Claims:
        """Return what a token says, as somebody named ``audience`` may take it.

        Raises:
            TokenFault: it is not good now.
        """
        keys = keys_of(self.jwks)
        kid, _ = header_of(token)
        if kid not in keys:
            raise TokenFault("no key of this issuer's")
        claims = Claims.of(payload_of(token, keys[kid]))
        check_claims(claims, issuer=self.hub_url, now=self._wall())
        if not {AUDIENCE, audience} & set(claims.audience):
            raise TokenFault("for somebody else")
        if any(revocation_mark(kind, subject) in self._revoked for kind, subject in revocable(claims)):
            raise TokenFault("revoked")
        return claims

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removesuffix("/")
        self.asked.append(path)
        if self.away:
            raise httpx2.ConnectError("the hub in memory is away", request=request)
        answers: dict[str, Callable[[httpx2.Request], httpx2.Response]] = {
            "/.well-known/jwks.json": lambda _: httpx2.Response(200, json=self.jwks),
            "/.well-known/oauth-authorization-server": lambda _: httpx2.Response(200, json={"issuer": self.hub_url}),
            "/api/v1/service-auth/revocations": lambda _: httpx2.Response(200, json=self.revocations),
            "/api/v1/service-auth/token": self._issue,
        }
        answer = answers.get(path)
        return httpx2.Response(404, json={"title": "Not found", "status": 404}) if answer is None else answer(request)

    def _issue(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        scope = body.get("scope") or ""
        token = self.token(body["service_name"], company_id=body.get("company_id"), scopes=scope.split())
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime, "scope": scope}
        return httpx2.Response(200, json=answer)
