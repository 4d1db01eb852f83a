"""Issuing access tokens: to a service for itself, and to an operator for the person that he is."""

import datetime as dt
import math
import secrets
from dataclasses import dataclass

import jwt
from django.conf import settings

from apps.core import audit
from apps.core.access import AllCompanies, Principal
from apps.core.errors import FieldError, InvalidInput, NotAllowed
from apps.core.scopes import OPERATOR_PERMISSIONS, SCOPES, operator_grant
from apps.core.tenancy import Companies, system, use
from apps.serviceauth.matching import is_service_name
from apps.serviceauth.models import Operator
from apps.serviceauth.selectors.roles import permissions_of
from apps.serviceauth.services.authenticating import Authenticated
from apps.serviceauth.services.signing import signer
from apps.serviceauth.tokens import AUDIENCE, LONGEST_TOKEN, TYPE, USER_PREFIX, Claims

__all__ = [
    "CONSOLE",
    "Issued",
    "ScopeRefused",
    "TargetRefused",
    "audience_of",
    "scopes_asked",
    "sign",
    "spelt",
    "token_issue",
    "user_claims",
    "user_token_issue",
]

CONSOLE = "console"
"""The client id of tokens that an operator gets for himself."""


class ScopeRefused(InvalidInput):
    """Raised when a scope is asked for that there is not, or that is not granted (RFC 6749, ``invalid_scope``)."""


class TargetRefused(InvalidInput):
    """Raised when a token is wanted for nobody that we know how to name (RFC 8707, ``invalid_target``)."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token and what its answer says beside it. ``expires_in`` is in seconds."""

    access_token: str
    expires_in: int
    scope: str
    claims: Claims

    def __repr__(self) -> str:
        """Return nothing of the token: a repr ends in logs and tracebacks."""
        return f"Issued(to={self.claims.subject}, expires_in={self.expires_in})"


def token_issue(
    *,
    service: Authenticated,
    now: dt.datetime,
    company_id: int | None = None,
    scope: str | None = None,
    resource: str | None = None,
) -> Issued:
    """Return a token for a service that proved who it is.

    Args:
        service: what `authenticate_key` returned.
        now: the present.
        company_id: the company that it is to be in; None: in none, so that it acts for all of its account's.
        scope: names with spaces between; None: all that it may have.
        resource: whom it is meant for, see `audience_of`.

    Raises:
        NotAllowed: the company is not one of its account's, or it has to name one.
        ScopeRefused: a scope is not granted.
        TargetRefused: the resource is unknown.
    """
    company = _company(service, company_id)
    begins = int(now.timestamp())
    claims = Claims(
        issuer=settings.HUB_PUBLIC_URL,
        audience=audience_of(resource),
        subject=service.service_name,
        client_id=service.service_name,
        issued_at=begins,
        not_before=begins,
        expires_at=_end(service, begins),
        token_id=secrets.token_urlsafe(16),
        scopes=scopes_asked(scope, service.scopes),
        companies=spelt(service.companies) if company is None else (company,),
        account=service.account.name,
        service_name=service.service_name,
        company_id=company,
        key_id=service.key.key_id,
    )
    return sign(claims, now)


def user_token_issue(*, operator: Principal, company_id: int, now: dt.datetime, scope: str | None = None) -> Issued:
    """Return a token for the person that an operator is, in a company that he works for.

    Args:
        operator: who is signed in.
        company_id: the company.
        now: the present.
        scope: names with spaces between; None: all that he may have.

    Raises:
        NotAllowed: nobody knows which person he is, or the company is not his.
        ScopeRefused: a scope is not granted.
    """
    with use(system("which person an operator is")):
        numbers = Operator.objects.filter(user__username=operator.name).values_list("user_number", flat=True)
        user_id = numbers.first()
    if user_id is None:
        raise NotAllowed("Your account does not say which person you are: have your number entered.", code="no_number")
    if operator.companies != "*" and company_id not in operator.companies:
        raise NotAllowed("You do not work for that company.", code="not_your_company")
    claims = user_claims(
        user_id=user_id,
        company_id=company_id,
        scopes=frozenset(scopes_asked(scope, _scopes_of(operator))),
        permissions=permissions_of(user_id, company_id),
        now=now,
    )
    issued = sign(claims, now)
    audit.record("user_token_issued", "person", user_id, company_id=company_id, after={"scope": claims.scope})
    return issued


def sign(claims: Claims, now: dt.datetime) -> Issued:
    """Return ``claims`` signed with the key that signs now.

    Raises:
        InvalidInput: they are more than a token holds; verifiers would refuse it.
    """
    key = signer(now)
    token = jwt.encode(claims.to_json(), key.key, algorithm=key.algorithm, headers={"typ": TYPE, "kid": key.kid})
    if len(token) > LONGEST_TOKEN:
        message = (
            "A token cannot hold so many permissions or companies: use patterns such as product.*, or all companies."
        )
        raise InvalidInput(errors=[FieldError("", "token_too_long", message)])
    return Issued(token, claims.expires_at - int(now.timestamp()), claims.scope, claims)


def scopes_asked(scope: str | None, granted: frozenset[str]) -> tuple[str, ...]:
    """Return the scopes of a token: those asked for, or all that are granted.

    Raises:
        ScopeRefused: one is not granted, or there is no such scope.
    """
    if scope is None:
        return tuple(sorted(granted))
    asked = scope.split(" ")
    faults = [
        FieldError(
            "/scope", "invalid_scope", f"{name[:100]!r} is " + ("not granted." if name in SCOPES else "no scope.")
        )
        for name in asked
        if name not in granted
    ]
    if faults:
        raise ScopeRefused(errors=faults)
    return tuple(sorted(set(asked)))


def audience_of(resource: str | None) -> tuple[str, ...]:
    """Return whom a token is meant for (RFC 8707).

    The hub and every service, unless ``resource`` narrows it: ``xerpium`` or the hub's address, or a service's name.

    Raises:
        TargetRefused: it is neither.
    """
    if resource is None or resource in (AUDIENCE, settings.HUB_PUBLIC_URL, f"{settings.HUB_PUBLIC_URL}/"):
        return (AUDIENCE,)
    if not is_service_name(resource):
        fault = FieldError("/resource", "invalid_target", "Name a service, or leave it out.")
        raise TargetRefused(errors=[fault])
    return (resource,)


def spelt(companies: Companies) -> tuple[int, ...] | AllCompanies:
    """Return companies as a token says them."""
    return "*" if companies == "*" else tuple(sorted(companies))


def _end(service: Authenticated, begins: int) -> int:
    """Return when a token ends (epoch, s): with its key at the latest."""
    ends = begins + int(settings.TOKEN_LIFETIME_SECONDS)
    return ends if service.key.expires_at is None else min(ends, math.ceil(service.key.expires_at.timestamp()))


def _company(service: Authenticated, company_id: int | None) -> int | None:
    companies = service.companies
    if company_id is not None:
        if companies != "*" and company_id not in companies:
            raise NotAllowed("This account does not act for that company.", code="not_your_company")
        return company_id
    if service.writes_global:
        return None
    if companies != "*" and len(companies) == 1:
        return next(iter(companies))
    raise NotAllowed("Tokens of this account name a company: send company_id.", code="company_required")


def user_claims(
    *, user_id: int, company_id: int, scopes: frozenset[str], permissions: tuple[str, ...], now: dt.datetime
) -> Claims:
    """Return the claims of a person's own token, which an operator's session may get."""
    begins = int(now.timestamp())
    return Claims(
        issuer=settings.HUB_PUBLIC_URL,
        audience=(AUDIENCE,),
        subject=f"{USER_PREFIX}{user_id}",
        client_id=CONSOLE,
        issued_at=begins,
        not_before=begins,
        expires_at=begins + settings.TOKEN_LIFETIME_SECONDS,
        token_id=secrets.token_urlsafe(16),
        scopes=tuple(sorted(scopes)),
        companies=(company_id,),
        account=f"hub:{CONSOLE}",  # which no service's account can be called
        service_name=None,
        company_id=company_id,
        user_id=user_id,
        permissions=permissions,
    )


def _scopes_of(operator: Principal) -> frozenset[str]:
    """Return what an operator's own token may be good for: reading, and no more than he may see in the console.

    Menus and pages are for whoever uses the ERP; what of them a person sees decide his permissions.
    """
    return frozenset({"menus:read", "ui:read"}) | {
        scope
        for scope in ("registry:read", "events:read")
        if all(operator.may(operator_grant(scope, area)) for area in OPERATOR_PERMISSIONS[scope])
    }
