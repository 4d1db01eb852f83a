"""Who may come in. The hub is closed: every way in is a class in the setting ``DEFAULT_AUTHENTICATION_CLASSES``.

A class yields a ``Principal``, or ``None`` when its way in was not tried, or raises when it was tried and failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from django.conf import settings
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from apps.core.scopes import operator_scopes

CHALLENGE = "Bearer"

AllCompanies = Literal["*"]
AllScopes = Literal["*"]

FORWARDING = frozenset(
    {
        "cf-connecting-ip",
        "fly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-original-forwarded-for",
        "x-original-host",
        "x-real-ip",
    }
)
"""Headers, besides ``X-Forwarded-…``, that say that somebody stands between the caller and the hub."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request, and what it may do. Frozen: nothing adds rights to it on the way.

    Attributes:
        kind: ``service`` (a token of a service), ``user`` (a token of a person, through a service or not),
            ``operator`` (a person with a session) or ``open`` (nobody asked: the service that the request names).
        name: the service's name, ``user:<id>``, the operator's username, or ``open``.
        companies: those it may act for; ``"*"`` is all of them, empty is none: global rows only.
        company_id: the company that it is in; it then sees that company's rows and global ones, and writes its own.
        scopes: what its token or role is good for (``apps.core.scopes``); ``"*"`` is everything.
        permissions: patterns of permissions in the ERP, such as ``product.*``; for menus, pages and widgets.
        user_id: the person, as services number people; None when it acts for nobody in particular.
        actors: the services that act for a person, the nearest first (RFC 8693, 4.1).
        key_id: the public part of the key behind its token.
        token_id: the token's ``jti``.
        expires_at: when its token ends, in seconds since the epoch; None for sessions.
    """

    kind: str
    name: str
    companies: frozenset[int] | AllCompanies = "*"
    company_id: int | None = None
    scopes: frozenset[str] | AllScopes = "*"
    permissions: tuple[str, ...] = ()
    user_id: int | None = None
    actors: tuple[str, ...] = ()
    key_id: str | None = None
    token_id: str | None = None
    expires_at: int | None = None
    is_authenticated: bool = True

    @property
    def scope(self) -> str:
        """What is this caller's own, such as its idempotency keys: kind, name, who acts for it, and its company."""
        through = f" via {','.join(self.actors)}" if self.actors else ""
        within = "" if self.company_id is None else f"@{self.company_id}"
        return f"{self.kind}:{self.name}{through}{within}"

    def may(self, scope: str) -> bool:
        """Whether its token or role is good for ``scope``."""
        return self.scopes == "*" or scope in self.scopes

    @property
    def speaks_for(self) -> str | None:
        """The service whose rows are its own; None for those who may name any (operators, callers of an open hub)."""
        if self.kind == "service":
            return self.name
        if self.kind == "user":
            return self.actors[0] if self.actors else ""
        return None


def caller_of(request: Request) -> Principal:
    """Return who sent ``request``; only for views that need credentials."""
    return cast(Principal, request.user)


def operator_of(user: Any) -> Principal | None:
    """Return the operator that a session's user is, with the companies it belongs to; None for anybody else."""
    # Here: what knows the companies stands on this module.
    from apps.core.tenancy.operators import companies_of

    if not (user.is_active and user.is_staff):
        return None
    scopes: frozenset[str] | AllScopes = "*" if user.is_superuser else operator_scopes(user.has_perms)
    return Principal("operator", user.get_username(), companies=companies_of(user.pk), scopes=scopes)


class OperatorSession(SessionAuthentication):
    """An operator who logged in to the console; verbs that write need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Return the operator, or ``None`` without a session of an active member of staff.

        Raises:
            PermissionDenied: the CSRF token is missing or wrong.
        """
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        operator = operator_of(request._request.user)
        if operator is None:
            return None
        # The plain request: asking the wrapped one for a form field would parse the body.
        self.enforce_csrf(cast(Request, request._request))
        return operator, None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


class OpenHub(BaseAuthentication):
    """``HUB_OPEN=1``, for laptops and older services: calls without a token from this machine come in."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Return the open caller, or ``None`` where the hub is closed."""
        if not settings.HUB_OPEN:
            return None
        meta = request.META
        headers = {name[5:].replace("_", "-").lower(): meta[name] for name in meta if name.startswith("HTTP_")}
        if not may_enter_open(meta.get("REMOTE_ADDR", ""), headers):
            return None
        return Principal("open", "open"), None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


def may_enter_open(peer: str, headers: Mapping[str, str]) -> bool:
    """Return whether an open hub lets a request in without a token; ``headers`` has lower-case names.

    Only a program on this machine may: the peer is loopback, no header says that the request was forwarded, and none
    carries credentials (a bad token must stay a 401). Pages of other sites in a browser on this machine stay outside
    too: their requests name another origin, or (DNS rebinding) a host that is not loopback.
    """
    return (
        is_loopback(peer)
        and "authorization" not in headers
        and not any(name in FORWARDING or name.startswith("x-forwarded-") for name in headers)
        and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        and _is_own_origin(headers.get("origin"), headers.get("host", ""))
    )


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    """Return whether ``address`` is in 127.0.0.0/8 or is ::1, also as an IPv4 address inside an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


@lru_cache(maxsize=256)
def _is_own_origin(origin: str | None, host: str) -> bool:
    """Return whether ``host`` names this machine, and ``origin``, if a browser sent one, is the hub itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        foreign = origin is not None and urlsplit(origin).netloc != host
    except ValueError:
        return False
    own = not host or name == "localhost" or name.endswith(".localhost") or is_loopback(name)
    return own and not foreign
