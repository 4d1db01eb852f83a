"""Who may come in at a hub in memory: keys, the tokens for them, and who a token is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xerpium_sdk.testing._http import Answer, Asked, problem
from xerpium_sdk.wire.problems import FieldProblem

if TYPE_CHECKING:
    from xerpium_sdk.testing.issuer import TestIssuer

__all__ = ["Desk", "issuer_of"]

JSON = dict[str, Any]
OPEN = ("/.well-known/", "/api/v1/service-auth/token", "/api/v1/service-auth/validate", "/health")
LIFETIME_SECONDS = 600


def issuer_of(hub_url: str) -> "TestIssuer | None":
    """Return an issuer of signed tokens, or None where PyJWT is not installed."""
    try:
        from xerpium_sdk.testing.issuer import TestIssuer
    except ImportError:
        return None
    return TestIssuer(hub_url)


class Desk:
    """Issues tokens and knows them again: signed ones with an issuer, else texts that mean nothing elsewhere.

    Args:
        issuer: signs; None: nobody does.
        keys: the good key of each service; None: every key is good.
        is_open: whether calls without a token are answered.
    """

    def __init__(self, issuer: "TestIssuer | None", keys: Mapping[str, str] | None, *, is_open: bool) -> None:
        self.issuer = issuer
        self._keys, self._is_open = keys, is_open
        self._issued: dict[str, JSON] = {}

    def refusal(self, asked: Asked) -> Answer | None:
        """Return the answer to whoever may not come in."""
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if asked.path.startswith(OPEN) or (not token and self._is_open):
            return None
        if scheme.lower() == "bearer" and self.told(token) is not None:
            return None
        return problem(401, "invalid_token" if token else "not_authenticated", "A token that is good now is needed.")

    def token(self, asked: Asked) -> Answer:
        """``POST service-auth/token``."""
        body = asked.body if isinstance(asked.body, dict) else {}
        name, key = body.get("service_name"), body.get("service_key")
        if missing := [each for each in ("service_name", "service_key") if not body.get(each)]:
            faults = tuple(FieldProblem(f"/{each}", "required", "It is needed.") for each in missing)
            return problem(422, "invalid_input", "Something is missing.", faults)
        if self._keys is not None and self._keys.get(str(name)) != key:
            return problem(401, "invalid_credentials", "The service or its key is not known.")
        scope, company_id = str(body.get("scope") or ""), body.get("company_id")
        if self.issuer is not None:
            token = self.issuer.token(str(name), company_id=company_id, scopes=scope.split())
        else:
            token = f"test-token-{len(self._issued) + 1}"
        said: JSON = {
            "service_name": name,
            "company_id": company_id,
            "user_id": None,
            "permissions": [],
            "scope": scope,
        }
        self._issued[token] = {"active": True, "token_type": "Bearer", **said}
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS, "scope": scope}
        return Answer(200, answer)

    def validate(self, asked: Asked) -> Answer:
        """``POST service-auth/validate``."""
        body = asked.body if isinstance(asked.body, dict) else {}
        told = self.told(str(body.get("token")), str(body.get("audience") or ""))
        return problem(401, "invalid_token", "The token is not good now.") if told is None else Answer(200, told)

    def told(self, token: str, audience: str = "") -> JSON | None:
        """Return what a token says; None when it is not good."""
        if self.issuer is None:
            return self._issued.get(token)
        from xerpium_sdk.wire.credentials import TokenFault

        try:
            claims = self.issuer.read(token, audience)
        except TokenFault:
            return None
        hidden = ("account", "rests_on")
        said = {name: value for name, value in claims.to_json().items() if name not in hidden}
        return {"active": True, "token_type": "Bearer", **said}

    def jwks(self, asked: Asked) -> Answer:
        """``GET /.well-known/jwks.json``."""
        return Answer(200, self.issuer.jwks if self.issuer is not None else {"keys": []})

    def revocations(self, asked: Asked) -> Answer:
        """``GET service-auth/revocations``."""
        return Answer(200, self.issuer.revocations if self.issuer else {"revocations": [], "max_age": 30})
