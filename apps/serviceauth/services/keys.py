"""Keys of accounts: issued, rotated, disabled by operators, by whoever finds one, and for not being used."""

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest

from apps.core.errors import Conflict, FieldError, InvalidInput, NotFound
from apps.core.tenancy import Companies, system, use
from apps.serviceauth.grants import is_within, network_faults, normal_networks
from apps.serviceauth.keys import new_key, parse_key
from apps.serviceauth.models import ServiceAccount, ServiceKey
from apps.serviceauth.services import peppers
from apps.serviceauth.services.authenticating import find_key
from apps.serviceauth.services.granting import (
    companies_of,
    handing_on_faults,
    locked,
    record,
    single_company,
    told_companies,
)
from apps.serviceauth.services.revoking import revoke_key
from apps.serviceauth.standing import LEAKED

__all__ = [
    "MOST_LIVE_KEYS",
    "OVERLAPS",
    "UNTIL_USED",
    "key_disable",
    "key_issue",
    "key_report_leak",
    "key_rotate",
    "keys_disable_idle",
    "live_keys",
]

MOST_LIVE_KEYS = 20
"""Of one account: enough for a key of its own for every place that a service runs at."""
OVERLAPS = tuple(dt.timedelta(hours=hours) for hours in (0, 1, 24, 7 * 24, 30 * 24))
"""For how long an old key may stay good beside the one that replaces it; an operator picks."""
UNTIL_USED = None
"""Instead of one of `OVERLAPS`: until `GRACE` after the new key is first used, at most for the longest of them."""
_LONGEST_LIFE = dt.timedelta(days=3660)

_log = structlog.get_logger(__name__)


@transaction.atomic
def key_issue(
    *,
    account: ServiceAccount,
    actor: str,
    now: dt.datetime,
    label: str = "",
    companies: Collection[int] | None = None,
    scopes: Collection[str] | None = None,
    networks: Iterable[str] = (),
    expires_at: dt.datetime | None = None,
) -> str:
    """Return the text of a new key of ``account``. It cannot be had again: only its digest is stored.

    Args:
        account: whose key it is.
        actor: who issues it.
        now: the present.
        label: for people, to tell keys apart.
        companies, scopes: what the key narrows its account to; None: nothing.
        networks: the CIDRs that it works from; none: from anywhere.
        expires_at: when it ends; None: never by itself.

    Raises:
        InvalidInput: with every fault, such as more than the account has.
        Conflict: the account is disabled, or has very many live keys.
        NotFound: the account is not in sight.
    """
    found = locked(account)
    faults = _faults(found, companies, scopes, networks, expires_at, now)
    if faults:
        raise InvalidInput(errors=faults)
    if not found.is_active:
        raise Conflict(f"The account “{found.name}” is disabled: enable it first.", code="account_disabled")
    if live_keys(found, now).count() >= MOST_LIVE_KEYS:
        raise Conflict(f"“{found.name}” has {MOST_LIVE_KEYS} live keys: disable one first.", code="too_many_keys")
    text, key = _made(
        account=found,
        label=label,
        companies=None if companies is None else sorted(set(companies)),
        scopes=None if scopes is None else sorted(set(scopes)),
        networks=normal_networks(networks),
        created_at=now,
        created_by=actor,
        expires_at=expires_at,
    )
    record("key_issued", found, key_id=key.key_id, after=_told(key))
    return text


@transaction.atomic
def key_rotate(*, key: ServiceKey, overlap: dt.timedelta | None, actor: str, now: dt.datetime) -> str:
    """Return the text of a new key in place of ``key``, which stays good for ``overlap`` (zero: it ends now).

    The new key has the label and the limits of the old one, and lives as long as that one was meant to. With
    `UNTIL_USED` the old one waits for its successor: it ends an hour after that is first used, so that all instances
    of the service have time to take it over.

    Raises:
        Conflict: the key is not live, or was replaced already: two operators would leave a key that nobody knows.
        InvalidInput: the overlap is none of `OVERLAPS`.
        NotFound: the key is not in sight.
    """
    if overlap is not UNTIL_USED and overlap not in OVERLAPS:
        raise InvalidInput(errors=[FieldError("/overlap", "invalid", "The overlap is none of those offered.")])
    account = locked(key.account)
    old = _held(key)
    if not is_live(old, now):
        raise Conflict("This key is not good any more: issue another one.", code="key_not_live")
    if old.replaced_at is not None:
        raise Conflict("This key was replaced already: rotate its successor.", code="key_replaced")
    text = key_issue(
        account=account,
        actor=actor,
        now=now,
        label=old.label,
        companies=old.companies,
        scopes=old.scopes,
        networks=old.networks,
        expires_at=None if old.expires_at is None else now + (old.expires_at - old.created_at),
    )
    ends = now + (OVERLAPS[-1] if overlap is UNTIL_USED else overlap)
    before = _told(old)
    old.expires_at = ends if old.expires_at is None else min(ends, old.expires_at)
    old.replaced_at = now
    old.replaced_by = _of_text(text)
    old.ends_when_replaced_in_use = overlap is UNTIL_USED
    old.save(update_fields=["expires_at", "replaced_at", "replaced_by", "ends_when_replaced_in_use"])
    record("key_replaced", account, key_id=old.key_id, before=before, after=_told(old))
    if overlap == OVERLAPS[0]:
        reason = "the key was replaced"
        revoke_key(old.key_id, reason=reason, actor=actor, now=now, company_id=single_company(account))
    return text


@transaction.atomic
def key_disable(*, key: ServiceKey, reason: str, actor: str, now: dt.datetime) -> bool:
    """End a key, and every token that it got, at once and for good. Returns whether it was not disabled before.

    Raises:
        NotFound: the key is not in sight.
    """
    reason = reason.strip()[:200]
    changed = ServiceKey.objects.filter(pk=key.pk, disabled_at=None).update(disabled_at=now, disabled_reason=reason)
    if not changed:
        _held(key)
        return False
    record(
        "key_disabled",
        key.account,
        key_id=key.key_id,
        before={"disabled": False},
        after={"disabled": True, "reason": reason},
    )
    revoke_key(key.key_id, reason=reason, actor=actor, now=now, company_id=single_company(key.account))
    return True


def key_report_leak(*, text: str, source: str, now: dt.datetime) -> ServiceKey | None:
    """Disable the key that ``text`` is, because somebody found it; return it, or None for what is no key of this hub.

    Whoever has the whole key may do that: everything else that can be done with it is worse.
    """
    with use(system("a key was reported as leaked")), transaction.atomic():
        key = find_key(text)
        if key is None:
            _log.warning("unknown_key_reported", source=source)
            return None
        if key_disable(key=key, reason=LEAKED, actor=f"somebody at {source}", now=now):
            _log.error("key_reported_as_leaked", key_id=key.key_id, account=key.account.name, source=source)
        key.refresh_from_db()
        return key


def keys_disable_idle(*, now: dt.datetime, actor: str = "hub") -> int:
    """Disable live keys that nobody used for ``KEY_IDLE_DAYS`` days; return how many."""
    days: int = settings.KEY_IDLE_DAYS
    before = now - dt.timedelta(days=days)
    disabled = 0
    for key in _idle(before, now).select_related("account"):
        with transaction.atomic():
            # Looked at again under the lock: a login of this moment keeps its key.
            if _idle(before, now).filter(pk=key.pk).select_for_update(of=("self",)).exists():
                disabled += key_disable(key=key, reason=f"not used for {days} days", actor=actor, now=now)
    return disabled


def live_keys(account: ServiceAccount, now: dt.datetime) -> QuerySet[ServiceKey]:
    """Return the keys of an account that are good now, its account being on."""
    found: QuerySet[ServiceKey] = ServiceKey.objects.filter(q_live(now), account=account)
    return found


def q_live(now: dt.datetime) -> Q:
    """Return the condition of keys that are neither disabled nor over."""
    return Q(disabled_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))


def is_live(key: ServiceKey, now: dt.datetime) -> bool:
    """Return whether a key is neither disabled nor over."""
    return key.disabled_at is None and (key.expires_at is None or key.expires_at > now)


def _idle(before: dt.datetime, now: dt.datetime) -> QuerySet[ServiceKey]:
    # GREATEST of PostgreSQL leaves NULL out: a key that was never used counts from its beginning.
    seen = Greatest(F("last_used_at"), F("created_at"))
    found: QuerySet[ServiceKey] = ServiceKey.objects.alias(seen=seen).filter(q_live(now), seen__lt=before)
    return found


def _held(key: ServiceKey) -> ServiceKey:
    found: ServiceKey | None = ServiceKey.objects.select_for_update(of=("self",)).filter(pk=key.pk).first()
    if found is None:
        raise NotFound
    return found


def _of_text(text: str) -> ServiceKey:
    parsed = parse_key(text)
    found: ServiceKey = ServiceKey.objects.get(key_id=parsed.key_id if parsed else "")
    return found


def _made(**values: Any) -> tuple[str, ServiceKey]:
    made = new_key()
    value, version = peppers.digest_of(made.secret)
    key = ServiceKey(key_id=made.key_id, digest=value, pepper_version=version, hint=made.secret[-4:], **values)
    key.save(force_insert=True)
    return made.text, key


def _faults(
    account: ServiceAccount,
    companies: Collection[int] | None,
    scopes: Collection[str] | None,
    networks: Iterable[str],
    expires_at: dt.datetime | None,
    now: dt.datetime,
) -> list[FieldError]:
    faults = network_faults("/networks", networks)
    granted: Companies = companies_of(account)
    if companies is not None and not is_within(frozenset(companies), granted):
        faults.append(FieldError("/companies", "beyond_account", "A key acts for companies of its account only."))
    if companies is not None and not companies and not account.writes_global:
        faults.append(FieldError("/companies", "required", "This account has only what is a company's: name one."))
    if scopes is not None and not set(scopes) <= set(account.scopes):
        beyond = sorted(set(scopes) - set(account.scopes))
        faults.append(FieldError("/scopes", "beyond_account", f"The account has no scope {beyond[0][:100]}."))
    if expires_at is not None and not now < expires_at <= now + _LONGEST_LIFE:
        faults.append(FieldError("/expires_at", "invalid", "A key ends in the future, within ten years."))
    return faults + handing_on_faults(account, account.scopes if scopes is None else scopes)


def _told(key: ServiceKey) -> dict[str, Any]:
    """Return a key as the audit tells it: never its secret, nor what recognises it."""
    return {
        "account": key.account.name,
        "label": key.label,
        "companies": told_companies(key.companies),
        "scopes": key.scopes,
        "networks": key.networks,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }
