"""Issuers whose tokens about people are believed in a token exchange: trusted, changed, forgotten by operators."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.core import audit
from apps.core.access import is_loopback
from apps.core.errors import Conflict, FieldError, InvalidInput, NotFound
from apps.core.fetching import outward_policy
from apps.core.outward import OutwardRefused, parse_url
from apps.core.tenancy import Companies
from apps.serviceauth.foreign import fetch_keys, issuer_keys
from apps.serviceauth.grants import companies_faults
from apps.serviceauth.jwks import ALGORITHMS, BadKeySet, PublicKey, read_keys
from apps.serviceauth.models import TrustedIssuer
from apps.serviceauth.services.granting import giver, told_companies

__all__ = ["issuer_delete", "issuer_look", "issuer_save"]

_CLAIM = re.compile(r"[A-Za-z0-9_.:/-]{1,60}", re.ASCII)
_FIELDS = (
    "issuer",
    "audience",
    "algorithms",
    "jwks_url",
    "jwks",
    "user_claim",
    "company_claim",
    "companies",
    "all_companies",
    "is_active",
)


@transaction.atomic
def issuer_save(*, row: TrustedIssuer | None, actor: str, **values: Any) -> TrustedIssuer:
    """Trust an issuer, or change how far; return it as it is stored.

    Args:
        row: the one to change; None for a new one.
        actor: who does it.
        values: fields of `TrustedIssuer`; what is not named stays, or has its default.

    Raises:
        InvalidInput: with every fault, such as no operator of all companies asking.
        Conflict: there is one of that name.
        NotFound: it is gone.
    """
    found = TrustedIssuer(created_by=actor) if row is None else _held(row)
    before = None if row is None else _told(found)
    for name, value in values.items():
        setattr(found, name, value)
    found.companies = [] if found.all_companies else sorted(set(found.companies))
    faults = issuer_faults(found)
    if faults:
        raise InvalidInput(errors=faults)
    try:
        with transaction.atomic():
            found.save()
    except IntegrityError as error:
        raise Conflict(f"There is an issuer “{found.issuer}” already.", code="name_taken") from error
    after = _told(found)
    if after != before:
        audit.record(
            "issuer_trusted" if before is None else "issuer_changed", *_object(found), before=before, after=after
        )
    transaction.on_commit(issuer_keys.forget)
    return found


@transaction.atomic
def issuer_delete(*, issuer: TrustedIssuer) -> None:
    """Trust an issuer no longer. What was exchanged for its tokens ends within five minutes by itself.

    Raises:
        NotFound: it is gone.
    """
    found = _held(issuer)
    audit.record("issuer_forgotten", *_object(found), before=_told(found))
    found.delete()
    transaction.on_commit(issuer_keys.forget)


def issuer_look(issuer: TrustedIssuer) -> tuple[PublicKey, ...]:
    """Return the keys that the issuer publishes now, or that are written down.

    Raises:
        FetchFailed: it does not answer, or may not be asked.
        BadKeySet: what it has is no set of keys.
    """
    return fetch_keys(issuer.jwks_url) if issuer.jwks_url else read_keys(issuer.jwks)


def issuer_faults(issuer: TrustedIssuer) -> list[FieldError]:
    """Return what is wrong with an issuer as it would be stored."""
    faults = _faults_of_names(issuer) + _faults_of_keys(issuer)
    companies: Companies = "*" if issuer.all_companies else frozenset(issuer.companies)
    who = giver()
    if not who.is_everyone:
        faults.append(FieldError("/issuer", "not_yours", "Only operators of all companies trust issuers."))
    if not companies:
        faults.append(FieldError("/companies", "required", "Name the companies that its tokens are good for, or all."))
    return faults + companies_faults("/companies", companies, who)


def _faults_of_names(issuer: TrustedIssuer) -> list[FieldError]:
    faults = []
    if issuer.issuer == settings.HUB_PUBLIC_URL:
        faults.append(FieldError("/issuer", "invalid", "That is this hub: it knows its own tokens."))
    elif not _is_safe(issuer.issuer) or "?" in issuer.issuer or len(issuer.issuer) > 300:
        faults.append(FieldError("/issuer", "invalid", "An issuer is an https address, exactly as its tokens have it."))
    if not issuer.audience.isprintable() or not 0 < len(issuer.audience) <= 300:
        faults.append(FieldError("/audience", "required", "Name the audience that its tokens for this hub have."))
    if not _CLAIM.fullmatch(issuer.user_claim):
        faults.append(FieldError("/user_claim", "invalid", "Name the claim with the person's number, such as sub."))
    if issuer.company_claim and not _CLAIM.fullmatch(issuer.company_claim):
        faults.append(FieldError("/company_claim", "invalid", "Name one claim, or none."))
    return faults


def _faults_of_keys(issuer: TrustedIssuer) -> list[FieldError]:
    faults = []
    unknown = [name for name in issuer.algorithms if name not in ALGORITHMS]
    if unknown or not issuer.algorithms:
        message = f"Choose from {', '.join(ALGORITHMS)}: asymmetric algorithms only."
        faults.append(FieldError("/algorithms", "invalid", message))
    if bool(issuer.jwks_url) == (issuer.jwks is not None):
        faults.append(
            FieldError("/jwks_url", "required", "Say where its keys are, or write them down: one of the two.")
        )
    elif issuer.jwks_url:
        faults += _faults_of_url(issuer.jwks_url)
    else:
        faults += _faults_of_set(issuer.jwks, [] if faults else issuer.algorithms)
    return faults


def _faults_of_url(url: str) -> list[FieldError]:
    try:
        parse_url(url, outward_policy(allow_public=True))
    except OutwardRefused as error:
        return [FieldError("/jwks_url", "invalid", f"It cannot be asked: {error.reason}.")]
    return [] if _is_safe(url) else [FieldError("/jwks_url", "invalid", "Keys are fetched over https only.")]


def _faults_of_set(document: Any, algorithms: list[str]) -> list[FieldError]:
    try:
        keys = read_keys(document)
    except BadKeySet as error:
        return [FieldError("/jwks", "invalid", str(error))]
    if algorithms and not any(name in key.by_algorithm for key in keys for name in algorithms):
        return [FieldError("/jwks", "invalid", "None of its keys is for one of the algorithms.")]
    return []


def _is_safe(url: str) -> bool:
    """Return whether nobody between can change what an address says: https, or this machine during development."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not url.isprintable() or " " in url or not host or parts.fragment or parts.username:
        return False
    is_here = host == "localhost" or is_loopback(host)
    return parts.scheme == "https" or (parts.scheme == "http" and is_here and settings.DEVELOPMENT)


def _held(issuer: TrustedIssuer) -> TrustedIssuer:
    found = TrustedIssuer.objects.select_for_update().filter(pk=issuer.pk).first()
    if found is None:
        raise NotFound
    return found


def _object(issuer: TrustedIssuer) -> tuple[str, str]:
    return "trusted_issuer", issuer.issuer


def _told(issuer: TrustedIssuer) -> dict[str, Any]:
    told = {name: getattr(issuer, name) for name in _FIELDS}
    keys = (issuer.jwks or {}).get("keys", [])
    # Of written keys the ids: the rest is long, public, and says nothing to people.
    told["jwks"] = [key.get("kid") for key in keys if isinstance(key, dict)]
    return told | {"companies": told_companies("*" if issuer.all_companies else issuer.companies)}
