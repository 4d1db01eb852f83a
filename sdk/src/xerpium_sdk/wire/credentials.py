"""Access tokens as RFC 9068 has them, and the list of those that were revoked: what stands in them, and what to check.

The hub and the services judge tokens by this one module. It has no clock and no cryptography: whoever checked the
signature hands the payload to `Claims.of`. Libraries for JWTs check neither ``typ`` nor which claims must be there
(RFC 8725, 3.11), so both are checked here.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, Self

from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.times import parse_time

__all__ = [
    "ALGORITHMS",
    "AUDIENCE",
    "LONGEST_TOKEN",
    "MOST_ACTORS",
    "SKEW_SECONDS",
    "TYPE",
    "USER_PREFIX",
    "AllCompanies",
    "Claims",
    "Revocations",
    "TokenAnswer",
    "TokenFault",
    "check_claims",
    "check_form",
    "check_header",
    "covers",
    "revocable",
    "revocation_mark",
]

AllCompanies = Literal["*"]

TYPE = "at+jwt"
AUDIENCE = "xerpium"
ALGORITHMS = frozenset({"ES256", "RS256"})
"""What the hub signs with. Nothing symmetric: who can check such a token can make one."""
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
    for a person's own token; ``actors`` the services that act for the person, the nearest first. ``rests_on`` names
    what is behind the tokens that it was exchanged for, such as ``key:<id>``: it falls with each of them.
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
    rests_on: tuple[str, ...] = ()

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
        if self.rests_on:
            said["rests_on"] = list(self.rests_on)
        return said

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
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
            rests_on=tuple(_text(one) for one in _list(said.get("rests_on", []))),
        )


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The answer of ``POST service-auth/token``; ``expires_in`` is in seconds."""

    access_token: str = field(repr=False)
    expires_in: float
    scope: str

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read an answer.

        Raises:
            DecodeError: it is none. The error holds nothing of it: it may be a token all the same.
        """
        token, seconds, scope = (document.get(name) for name in ("access_token", "expires_in", "scope"))
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token.strip():
            raise DecodeError("the answer holds no token", {})
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise DecodeError("the answer does not say how long the token is good", {})
        return cls(token, float(seconds), scope if isinstance(scope, str) else "")


@dataclass(frozen=True, slots=True)
class Revocations:
    """The answer of ``GET service-auth/revocations``: by mark, up to when (epoch, s) tokens were issued that are void.

    What is revoked is named by a hash (`revocation_mark`): who has the token can tell, nobody else can read the list.
    """

    until: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read an answer.

        Raises:
            DecodeError: it is none.
        """
        entries = document.get("revocations")
        if not isinstance(entries, list):
            raise DecodeError("there is no list of revocations", document)
        until: dict[str, float] = {}
        for entry in entries:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("mark"), str):
                raise DecodeError("a revocation has no mark", document)
            moment = _parsed(entry.get("issued_before"), document)
            until[entry["mark"]] = max(moment, until.get(entry["mark"], 0.0))
        return cls(until)

    def is_void(self, claims: Claims) -> bool:
        """Whether a token, its key, its account, its person, or what it was exchanged for was revoked."""
        if not self.until:
            return False
        marks = (revocation_mark(kind, subject) for kind, subject in revocable(claims))
        return any(claims.issued_at <= self.until.get(mark, -math.inf) for mark in marks)


def revocation_mark(kind: str, subject: str) -> str:
    """Return what the list of revocations calls ``subject``; kinds are ``token``, ``key``, ``account`` and ``user``."""
    return sha256(f"{kind}\0{subject}".encode()).hexdigest()


def revocable(claims: Claims) -> Iterable[tuple[str, str]]:
    """Yield everything whose revocation makes a token void, as kind and subject."""
    yield "token", claims.token_id
    yield "account", claims.account
    if claims.key_id is not None:
        yield "key", claims.key_id
    for behind in claims.rests_on:
        kind, _, subject = behind.partition(":")
        yield kind, subject
    if claims.user_id is not None:
        yield "user", str(claims.user_id)
        yield "user", f"{claims.user_id}@{claims.company_id}"  # as far as one company gives the person anything


def check_form(token: str) -> None:
    """Check that a text looks like a JWT at all, before any of it is decoded.

    Raises:
        TokenFault: it does not.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:
        raise TokenFault("not a JWT")


def check_header(header: Mapping[str, Any]) -> tuple[str, str]:
    """Return ``kid`` and ``alg`` of a header that is as ours are.

    Raises:
        TokenFault: it is not. Other members (``jku``, ``x5u``, ``jwk``, ``crit``) are refused, not ignored.
    """
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ")
    if header.keys() != _HEADER or not isinstance(kid, str) or not isinstance(algorithm, str):
        raise TokenFault("the header is not one of ours")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenFault("another kind of token")
    return kid, algorithm


def check_claims(claims: Claims, *, issuer: str, now: float, leeway: float = 0.0) -> None:
    """Check that ``issuer`` issued a token and that it is good at ``now`` (epoch, s). Its audience is the caller's.

    ``leeway`` is how many seconds the verifier's clock may be ahead of the issuer's.

    Raises:
        TokenFault: it is not.
    """
    if claims.issuer != issuer:
        raise TokenFault("another issuer")
    if claims.expires_at + leeway <= now:
        raise TokenFault("expired")
    if max(claims.not_before, claims.issued_at) > now + SKEW_SECONDS:
        raise TokenFault("from the future")


def covers(pattern: str, permission: str) -> bool:
    """Whether a granted pattern (``product.*``, ``*``, or a plain name) gives ``permission``, which has no wildcard."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return permission.startswith(pattern[:-1])
    return pattern == permission


def _parsed(moment: Any, document: Mapping[str, Any]) -> float:
    try:
        return parse_time(moment).timestamp()
    except (TypeError, ValueError) as error:
        raise DecodeError("a revocation has no time", document) from error


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
