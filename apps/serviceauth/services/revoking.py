"""Revoking tokens before they end: one, or all of a key, an account or a person.

In every process of the hub it counts within a second; services that verify offline ask for the list every 30 seconds
(`apps.serviceauth.selectors.REVOCATIONS_MAX_AGE`), and while they cannot, no token outlives TOKEN_LIFETIME_SECONDS.
"""

import datetime as dt

from django.db import transaction
from django.utils import timezone

from apps.core import audit
from apps.serviceauth.models import Revocation
from apps.serviceauth.services.signing import LONGEST_LIFETIME
from apps.serviceauth.tokens import SKEW_SECONDS, Claims
from apps.serviceauth.trust import trust
from xerpium_sdk.wire.credentials import revocation_mark

__all__ = [
    "revocation_mark",
    "revocations_prune",
    "revoke_account",
    "revoke_key",
    "revoke_token",
    "revoke_user",
]

_LAST_END = LONGEST_LIFETIME + dt.timedelta(seconds=SKEW_SECONDS)
"""After this no token of now is good any more."""
SETTLES = dt.timedelta(seconds=1)
"""Until what is taken away is taken away everywhere: whoever is being issued a token meanwhile gets one of before."""


def revoke_token(claims: Claims, *, reason: str, actor: str, now: dt.datetime) -> None:
    """Revoke one token, by its ``jti``, and what was exchanged for it."""
    ends = dt.datetime.fromtimestamp(claims.expires_at, dt.UTC)
    if not Revocation.objects.filter(kind=Revocation.TOKEN, subject=claims.token_id).exists():
        # Kept a little longer than the token: a verifier may allow for a clock that is ahead.
        kept = ends + dt.timedelta(seconds=SKEW_SECONDS)
        _revoke(Revocation.TOKEN, claims.token_id, reason, actor, now, claims.company_id, before=ends, expires_at=kept)


def revoke_key(
    key_id: str, *, reason: str, actor: str, now: dt.datetime, company_id: int | None = None, is_over: bool = True
) -> None:
    """Revoke every token that a service key got until now; of a key that is over, the one that it is just getting too.

    A key that is not over gets new ones. ``company_id`` is the audit's: the one that its account is about.
    """
    _revoke(Revocation.KEY, key_id, reason, actor, now, company_id, before=now + _LAST_END if is_over else None)


def revoke_account(name: str, *, reason: str, actor: str, now: dt.datetime, company_id: int | None = None) -> None:
    """Revoke every token that an account got until now, those with which it acts for a person included.

    ``company_id`` is the audit's: the one that the account is about.
    """
    _revoke(Revocation.ACCOUNT, name, reason, actor, now, company_id)


def revoke_user(user_id: int, *, reason: str, actor: str, now: dt.datetime, company_id: int | None = None) -> None:
    """Revoke every token that acts for a person until now, whichever service has it; with a company, those in it."""
    subject = str(user_id) if company_id is None else f"{user_id}@{company_id}"
    _revoke(Revocation.USER, subject, reason, actor, now, company_id)


def revocations_prune(*, now: dt.datetime) -> int:
    """Forget revocations of which every token has ended anyway; return how many."""
    count, _ = Revocation.objects.filter(expires_at__lte=now).delete()
    return count


def _revoke(
    kind: str,
    subject: str,
    reason: str,
    actor: str,
    now: dt.datetime,
    company_id: int | None,
    *,
    expires_at: dt.datetime | None = None,
    before: dt.datetime | None = None,
) -> None:
    with transaction.atomic():
        # Now, after whatever was waited for since ``now``: up to here tokens were issued by what counted before.
        moment = max(now, timezone.now())
        Revocation.objects.create(
            kind=kind,
            subject=subject,
            issued_before=before or moment + SETTLES,
            reason=reason[:200],
            created_at=now,
            created_by=actor[:200],
            expires_at=expires_at or moment + _LAST_END,
        )
        audit.record(f"{kind}_revoked", kind, subject, company_id=company_id, after={"reason": reason})
        trust.expire()
