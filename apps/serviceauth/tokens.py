"""Access tokens as RFC 9068 has them: what stands in one, and what a verifier has to check. No database, no clock.

PyJWT checks a signature; neither ``typ`` nor the claims that must be there are its business (RFC 8725, 3.11), so both
are checked here. The algorithm is the key's, never the header's.
"""

import binascii
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt import PyJWK

from apps.core.access import AllCompanies, Principal

__all__ = ["AUDIENCE", "MOST_ACTORS", "SKEW_SECONDS", "TYPE", "Claims", "TokenFault", "decoded", "header_of"]

TYPE = "at+jwt"
AUDIENCE = "xerpium"
SKEW_SECONDS = 30
"""How far the clock of whoever signed may be ahead."""
LONGEST_TOKEN = 8192
MOST_ACTORS = 4
"""Services that may stand one behind the other in an ``act`` chain."""
USER_PREFIX = "user:"

_REQUIRED = ("iss", "aud", "sub", "client_id", "iat", "nbf", "exp", "jti", "scope", "companies", "account")
_HEADER = {"alg", "kid", "typ"}
_TYPES = {TYPE, f"application/{TYPE}"}


class TokenFault(Exception):
    """Raised when a token is not good; the text is for the log, and never says what it should have been."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. ``company_id``, ``user_id`` and ``key_id`` are None where it does not say.

    ``account`` is the service account behind it, for revocations; ``service_name`` the service that presents it, None
    for a person's own token; ``actors`` the services that act for the person, the nearest first.
    """

    issuer: str
    audience: tuple[str, ...]
    subject: str
    client_id: str
    issued_at: int
    not_before: int
    expires_at: int
    token_id: str
    scopes: tuple[str, ...]
    companies: tuple[int, ...] | AllCompanies
    account: str
    service_name: str | None
    company_id: int | None = None
    user_id: int | None = None
    permissions: tuple[str, ...] = ()
    key_id: str | None = None
    actors: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """The scopes as RFC 6749 (3.3) writes them: names with spaces between."""
        return " ".join(self.scopes)

    def to_json(self) -> dict[str, Any]:
        """Return the claims as they are signed."""
        audience: str | list[str] = self.audience[0] if len(self.audience) == 1 else list(self.audience)
        said: dict[str, Any] = {
            "iss": self.issuer,
            "aud": audience,
            "sub": self.subject,
            "client_id": self.client_id,
            "iat": self.issued_at,
            "nbf": self.not_before,
            "exp": self.expires_at,
            "jti": self.token_id,
            "scope": self.scope,
            "companies": self.companies if self.companies == "*" else list(self.companies),
            "account": self.account,
            "service_name": self.service_name,
            "company_id": self.company_id,
            "user_id": self.user_id,
            "permissions": list(self.permissions),
            "key_id": self.key_id,
        }
        if self.actors:
            said["act"] = _chain(self.actors)
        return said

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Claims":
        """Return what a payload says.

        Raises:
            TokenFault: a claim is missing or of another type.
        """
        if missing := [name for name in _REQUIRED if name not in said]:
            raise TokenFault(f"claims are missing: {', '.join(missing)}")
        audience = said["aud"] if isinstance(said["aud"], list) else [said["aud"]]
        companies = said["companies"] if said["companies"] == "*" else tuple(_numbers(said["companies"]))
        return cls(
            issuer=_text(said["iss"]),
            audience=tuple(_text(one) for one in audience),
            subject=_text(said["sub"]),
            client_id=_text(said["client_id"]),
            issued_at=_moment(said["iat"]),
            not_before=_moment(said["nbf"]),
            expires_at=_moment(said["exp"]),
            token_id=_text(said["jti"]),
            scopes=tuple(_text(said["scope"]).split()),
            companies=companies,
            account=_text(said["account"]),
            service_name=None if said.get("service_name") is None else _text(said["service_name"]),
            company_id=_number(said.get("company_id")),
            user_id=_number(said.get("user_id")),
            permissions=tuple(_text(one) for one in _list(said.get("permissions", []))),
            key_id=None if said.get("key_id") is None else _text(said["key_id"]),
            actors=tuple(_actors(said.get("act"))),
        )

    def principal(self) -> Principal:
        """Return who brings this token."""
        is_person = self.user_id is not None and self.subject.startswith(USER_PREFIX)
        return Principal(
            kind="user" if is_person else "service",
            name=self.subject,
            companies="*" if self.companies == "*" else frozenset(self.companies),
            company_id=self.company_id,
            scopes=frozenset(self.scopes),
            permissions=self.permissions,
            user_id=self.user_id,
            actors=self.actors,
            key_id=self.key_id,
            token_id=self.token_id,
            expires_at=self.expires_at,
        )


def header_of(token: str) -> tuple[str, str]:
    """Return ``kid`` and ``alg`` of a token whose header is as ours are.

    Raises:
        TokenFault: it is no such token. Other members (``jku``, ``x5u``, ``jwk``, ``crit``) are refused, not ignored.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:
        raise TokenFault("not a JWT")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError, binascii.Error) as error:
        raise TokenFault("the header cannot be read") from error
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ")
    if header.keys() != _HEADER or not isinstance(kid, str) or not isinstance(algorithm, str):
        raise TokenFault("the header is not one of ours")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenFault("another kind of token")
    return kid, algorithm


def decoded(token: str, key: PyJWK, *, issuer: str, now: float) -> Claims:
    """Return the claims of a token that ``key`` signed, that ``issuer`` issued, and that is good at ``now`` (epoch, s).

    Raises:
        TokenFault: it is not. Its audience is left to the caller.
    """
    try:
        said = jwt.decode(token, key, algorithms=[str(key.algorithm_name)], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenFault(f"refused: {type(error).__name__}") from error
    claims = Claims.of(said)
    if claims.issuer != issuer:
        raise TokenFault("another issuer")
    if claims.expires_at <= now:
        raise TokenFault("expired")
    if max(claims.not_before, claims.issued_at) > now + SKEW_SECONDS:
        raise TokenFault("from the future")
    return claims


# Times, issuer and audience are checked above, by a clock that is passed in.
_SIGNATURE_ONLY: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _chain(actors: Iterable[str]) -> dict[str, Any]:
    """Return the ``act`` claim of RFC 8693 (4.1): the nearest outside, who acted before inside of it."""
    chain: dict[str, Any] = {}
    for name in reversed(list(actors)):
        chain = {"sub": name, "act": chain} if chain else {"sub": name}
    return chain


def _actors(act: Any) -> Iterable[str]:
    found: list[str] = []
    while act is not None:
        if not isinstance(act, dict) or len(found) > MOST_ACTORS:
            raise TokenFault("the chain of actors cannot be read")
        found.append(_text(act.get("sub")))
        act = act.get("act")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TokenFault("a claim is no text")
    return value


def _number(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise TokenFault("a claim is no number")
    return value


def _moment(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenFault("a claim is no time")
    return int(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TokenFault("a claim is no list")
    return value


def _numbers(value: Any) -> Iterable[int]:
    return [number for one in _list(value) if (number := _number(one)) is not None]
