"""Enrolment: a service that is being installed fetches its first key itself, once, with a token that soon ends."""

import datetime as dt
from collections.abc import Iterable

import structlog
from django.db import transaction

from apps.core import guesses
from apps.core.errors import Conflict, FieldError, InvalidInput
from apps.core.tenancy import system, use
from apps.serviceauth import keys
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.grants import network_faults, normal_networks
from apps.serviceauth.matching import is_in_networks, is_name_of
from apps.serviceauth.models import EnrolmentToken, ServiceAccount, ServiceKey
from apps.serviceauth.services import peppers
from apps.serviceauth.services.authenticating import address_or_none
from apps.serviceauth.services.granting import handing_on_faults, locked, record
from apps.serviceauth.services.keys import key_issue

__all__ = ["LIFETIME", "enrolment_cancel", "enrolment_create", "enrolment_redeem"]

LIFETIME = dt.timedelta(hours=1)
LONGEST_LIFETIME = dt.timedelta(days=7)

_log = structlog.get_logger(__name__)


@transaction.atomic
def enrolment_create(
    *,
    account: ServiceAccount,
    actor: str,
    now: dt.datetime,
    lifetime: dt.timedelta = LIFETIME,
    key_expires_at: dt.datetime | None = None,
    networks: Iterable[str] = (),
) -> str:
    """Return the text of a token that is good for one key of ``account``, once. It cannot be had again.

    Args:
        account: whose key it will fetch.
        actor: who makes it.
        now: the present.
        lifetime: how long it may be redeemed, at most seven days.
        key_expires_at: when the key will end; None: never by itself.
        networks: from where it may be redeemed, and the key be used.

    Raises:
        InvalidInput: with every fault.
        Conflict: the account is disabled.
        NotFound: the account is not in sight.
    """
    found = locked(account)
    networks = list(networks)
    faults = network_faults("/networks", networks) + handing_on_faults(found, found.scopes)
    if not dt.timedelta() < lifetime <= LONGEST_LIFETIME:
        faults.append(FieldError("/lifetime", "invalid", "An enrolment token is good for up to seven days."))
    if key_expires_at is not None and key_expires_at <= now + lifetime:
        message = "The key must outlast the time in which it may be fetched."
        faults.append(FieldError("/key_expires_at", "invalid", message))
    if faults:
        raise InvalidInput(errors=faults)
    if not found.is_active:
        raise Conflict(f"The account “{found.name}” is disabled: enable it first.", code="account_disabled")
    made = keys.new_enrolment()
    value, version = peppers.digest_of(made.secret)
    token = EnrolmentToken(
        account=found,
        digest=value,
        pepper_version=version,
        hint=made.secret[-4:],
        networks=normal_networks(networks),
        key_expires_at=key_expires_at,
        created_at=now,
        created_by=actor,
        expires_at=now + lifetime,
    )
    token.save(force_insert=True)
    record("enrolment_created", found, after={"hint": token.hint, "expires_at": token.expires_at.isoformat()})
    return made.text


@transaction.atomic
def enrolment_cancel(*, token: EnrolmentToken, now: dt.datetime) -> bool:
    """Void a token that nobody redeemed. Returns whether it was still good."""
    waiting = EnrolmentToken.objects.filter(pk=token.pk, used_at=None, expires_at__gt=now)
    if not waiting.update(expires_at=now):
        return False
    record("enrolment_cancelled", token.account, after={"hint": token.hint})
    return True


def enrolment_redeem(*, text: str, service_name: str, source: str, now: dt.datetime) -> tuple[str, ServiceKey]:
    """Return the text of a new key, and the key, for a service that brings an enrolment token of its account.

    Of two that bring the same token at once exactly one gets a key. Whoever comes later is refused, also with the same
    request after a lost answer: a token that could be redeemed twice would hide that somebody else has had it. That it
    was tried again is shown to operators.

    Raises:
        BadCredentials: the token is not good, for whatever reason.
    """
    with use(system("redeem an enrolment token")):
        reason, text, key = _redeem(text, service_name, source, now)
        if key is None:
            _log.warning("enrolment_refused", reason=reason, service_name=guesses.shown(service_name), source=source)
            raise BadCredentials(reason)
        _log.info("enrolled", account=key.account.name, service_name=service_name, key_id=key.key_id, source=source)
        return text, key


@transaction.atomic
def _redeem(text: str, service_name: str, source: str, now: dt.datetime) -> tuple[str, str, ServiceKey | None]:
    """Return why the token is refused; or nothing, the text of the key and the key."""
    secret = keys.parse_enrolment(text)
    token = _held(secret) if secret else None
    if token is None:
        return "unknown_token", "", None
    reason = _fault(token, service_name, source, now)
    if reason == "used":
        EnrolmentToken.objects.filter(pk=token.pk).update(tried_again_at=now, tried_again_from=address_or_none(source))
    if reason:
        return reason, "", None
    issued = key_issue(
        account=token.account,
        actor=f"enrolment by {token.created_by}"[:200],
        now=now,
        label=service_name if service_name != token.account.name else "enrolled",
        networks=token.networks,
        expires_at=token.key_expires_at,
    )
    parsed = keys.parse_key(issued)
    key: ServiceKey = ServiceKey.objects.select_related("account").get(key_id=parsed.key_id if parsed else "")
    EnrolmentToken.objects.filter(pk=token.pk).update(used_at=now, used_from=address_or_none(source), key=key)
    return "", issued, key


def _held(secret: str) -> EnrolmentToken | None:
    """Return the token with that secret, locked: who comes at the same time waits, and then finds it used."""
    held = EnrolmentToken.objects.select_related("account").select_for_update(of=("self",))
    token: EnrolmentToken | None = held.filter(digest__in=peppers.digests_of(secret)).first()
    return token


def _fault(token: EnrolmentToken, service_name: str, source: str, now: dt.datetime) -> str:
    if token.used_at is not None:
        return "used"
    if token.expires_at <= now:
        return "expired"
    if not token.account.is_active:
        return "account"
    if not is_name_of(service_name, token.account.name):
        return "name"
    return "" if is_in_networks(source, token.networks) else "network"
