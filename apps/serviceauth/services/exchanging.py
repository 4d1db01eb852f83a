"""Token exchange (RFC 8693): a service that has the token of a person gets one with which it acts for that person.

What comes out is never more than what went in: the scopes that the person's token, the service's account and its policy
for acting have in common, one company that all of them may be for, and at most five minutes.
"""

import datetime as dt
import secrets
from dataclasses import dataclass

import structlog
from django.conf import settings

from apps.core.errors import FieldError
from apps.core.scopes import covers
from apps.core.tenancy import Companies
from apps.serviceauth.errors import ActingRefused, SubjectRefused
from apps.serviceauth.foreign import foreign_of, issuer_keys, unverified_issuer
from apps.serviceauth.models import Revocation, TrustedIssuer
from apps.serviceauth.selectors.roles import permissions_of
from apps.serviceauth.services.authenticating import Authenticated
from apps.serviceauth.services.issuing import Issued, TargetRefused, audience_of, scopes_asked, sign
from apps.serviceauth.tokens import AUDIENCE, MOST_ACTORS, USER_PREFIX, Claims
from apps.serviceauth.trust import trust
from apps.serviceauth.verifying import InvalidToken, claims_of
from xerpium_sdk.wire.credentials import revocable

__all__ = ["ACCESS_TOKEN", "JWT", "LONGEST_SECONDS", "SUBJECT_TYPES", "token_exchange"]

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  the name of a kind
JWT = "urn:ietf:params:oauth:token-type:jwt"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105  the name of a kind
SUBJECT_TYPES = frozenset({ACCESS_TOKEN, JWT, ID_TOKEN})
LONGEST_SECONDS = 300
"""How long a token is good with which a service acts for a person."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the token of a person allows at most.

    ``companies`` are those that it names, None where its issuer names none; ``scopes`` and ``permissions`` are None
    where it says nothing of them.
    """

    user_id: int
    companies: frozenset[int] | None
    trusted_for: Companies
    issued_at: int
    expires_at: int
    scopes: frozenset[str] | None = None
    permissions: tuple[str, ...] | None = None
    actors: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()


def token_exchange(
    *,
    service: Authenticated,
    subject_token: str,
    subject_type: str,
    now: dt.datetime,
    company_id: int | None = None,
    scope: str | None = None,
    resource: str | None = None,
) -> Issued:
    """Return a token with which ``service`` acts for the person that ``subject_token`` is about.

    Args:
        service: what `authenticate_key` returned.
        subject_token: a token of this hub about a person, or a JWT of an issuer that operators trust.
        subject_type: one of `SUBJECT_TYPES`.
        now: the present.
        company_id: the company to act in; needed unless the token names exactly one.
        scope: names with spaces between; None: all that may be had.
        resource: whom the token is meant for, see `audience_of`.

    Raises:
        ActingRefused: the account may not act for people.
        SubjectRefused: the token is not good, not about a person, or not this service's to exchange.
        TargetRefused: the company is not one that all of them are for, or the resource is unknown.
        ScopeRefused: a scope is not granted.
        Unavailable: the keys of the token's issuer cannot be had.
    """
    if not service.account.may_act:
        raise ActingRefused
    try:
        subject = _subject(service, subject_token, subject_type, now)
        actors = _chain(service.service_name, subject.actors)
        company = _company(service, subject, company_id)
        _require_person(subject, company)
    except SubjectRefused as error:
        _log.warning("subject_token_refused", service_name=service.service_name, reason=error.reason)
        raise
    begins = int(now.timestamp())
    claims = Claims(
        issuer=settings.HUB_PUBLIC_URL,
        audience=audience_of(resource),
        subject=f"{USER_PREFIX}{subject.user_id}",
        client_id=service.service_name,
        issued_at=begins,
        not_before=begins,
        expires_at=min(begins + min(LONGEST_SECONDS, settings.TOKEN_LIFETIME_SECONDS), subject.expires_at),
        token_id=secrets.token_urlsafe(16),
        scopes=scopes_asked(scope, _scopes(service, subject)),
        companies=(company,),
        account=service.account.name,
        service_name=service.service_name,
        company_id=company,
        user_id=subject.user_id,
        permissions=_permissions(subject, company),
        key_id=service.key.key_id,
        actors=actors,
        rests_on=subject.rests_on,
    )
    _log.info("token_exchanged", actors=actors, user_id=subject.user_id, company_id=company)
    return sign(claims, now)


def _subject(service: Authenticated, token: str, kind: str, now: dt.datetime) -> _Subject:
    issuer = unverified_issuer(token)
    if issuer == settings.HUB_PUBLIC_URL:
        return _of_hub(service, token, kind, now)
    trusted = TrustedIssuer.objects.filter(issuer=issuer, is_active=True).first()
    if trusted is None:
        raise SubjectRefused("an issuer that is not trusted")
    found = foreign_of(token, trusted, issuer_keys, now=now.timestamp())
    return _Subject(found.user_id, found.companies, found.trusted_for, found.issued_at, found.expires_at)


def _of_hub(service: Authenticated, token: str, kind: str, now: dt.datetime) -> _Subject:
    """Return what a token of this hub allows. A service's own is nobody's to act with, not even its own."""
    if kind == ID_TOKEN:
        raise SubjectRefused("no ID token", "this hub issues no ID tokens.")
    try:
        claims = claims_of(token, now=now.timestamp())
    except InvalidToken as error:
        raise SubjectRefused("not good") from error
    if claims.user_id is None or claims.subject != f"{USER_PREFIX}{claims.user_id}":
        raise SubjectRefused("of a service", "it is about a service, not about a person.")
    if AUDIENCE not in claims.audience and service.service_name not in claims.audience:
        raise SubjectRefused("meant for somebody else", "it was not meant for this service.")
    named = claims.companies if claims.company_id is None else (claims.company_id,)
    return _Subject(
        claims.user_id,
        None if named == "*" else frozenset(named),
        "*",
        claims.issued_at,
        claims.expires_at,
        frozenset(claims.scopes),
        claims.permissions,
        claims.actors,
        tuple(f"{kind}:{subject}" for kind, subject in revocable(claims) if kind != Revocation.USER),
    )


def _chain(service: str, actors: tuple[str, ...]) -> tuple[str, ...]:
    """Return who acts, the nearest first. Whoever acts already gains nothing by acting once more."""
    if service in actors:
        raise SubjectRefused("a loop", f"{service} acts in it already.")
    if len(actors) >= MOST_ACTORS:
        raise SubjectRefused("too many actors", f"{len(actors)} services act in it already, one behind the other.")
    return (service, *actors)


def _require_person(subject: _Subject, company: int) -> None:
    """Refuse a person who was revoked, everywhere or in this company; tokens of other issuers show it only here."""
    void = trust.fresh().void
    for name in (str(subject.user_id), f"{subject.user_id}@{company}"):
        if subject.issued_at <= void.get((Revocation.USER, name), -1):
            raise SubjectRefused("the person was revoked")


def _company(service: Authenticated, subject: _Subject, asked: int | None) -> int:
    """Return the company to act in: one of the token's, for which its issuer is trusted, and the account may act."""
    if asked is None and subject.companies is not None and len(subject.companies) == 1:
        asked = next(iter(subject.companies))
    if asked is None:
        raise _target("The token names no single company: send company_id.")
    if not _may_act_in(service, asked):
        raise _target("This account may not act for people in that company.")
    is_subjects = subject.companies is None or asked in subject.companies
    is_trusted = subject.trusted_for == "*" or asked in subject.trusted_for
    # Where the issuer does not say whose company it is, having a role there does.
    if not is_subjects or not is_trusted or (subject.companies is None and not permissions_of(subject.user_id, asked)):
        raise _target("The token is not good for that company.")
    return asked


def _may_act_in(service: Authenticated, company: int) -> bool:
    account, companies = service.account, service.companies
    is_own = companies == "*" or company in companies
    return is_own and (account.act_all_companies or company in account.act_companies)


def _scopes(service: Authenticated, subject: _Subject) -> frozenset[str]:
    granted = service.scopes & frozenset(service.account.act_scopes)
    return granted if subject.scopes is None else granted & subject.scopes


def _permissions(subject: _Subject, company: int) -> tuple[str, ...]:
    """Return what the person may do there by the roles of this moment, and no more than the token says."""
    present = permissions_of(subject.user_id, company)
    if subject.permissions is None:
        return present
    both = {one for one in present if any(covers(other, one) for other in subject.permissions)}
    both |= {one for one in subject.permissions if any(covers(other, one) for other in present)}
    return tuple(sorted(both))


def _target(message: str) -> TargetRefused:
    return TargetRefused(errors=[FieldError("/company_id", "invalid_target", message)])
