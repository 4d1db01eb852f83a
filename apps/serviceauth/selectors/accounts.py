"""Accounts with their keys, and what is wrong with them: of what the running code may see."""

import datetime as dt
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from apps.core.guesses import UNNAMED, guesses
from apps.core.redis import RedisError
from apps.core.tenancy.models import required_scope
from apps.serviceauth import standing, troubles
from apps.serviceauth.models import EnrolmentToken, ServiceAccount, ServiceKey
from apps.serviceauth.troubles import AccessTrouble

__all__ = ["access_troubles", "accounts_with_keys", "with_keys"]

MOST_KEYS = 200
"""Rows with a fault that are looked at for the home page; it shows fewer."""


def with_keys(accounts: "QuerySet[ServiceAccount]") -> "QuerySet[ServiceAccount]":
    """Return accounts that come with all their keys, the newest first, as ``all_keys``; one more query for all."""
    wanted: QuerySet[Any] = ServiceKey.objects.defer("digest").order_by("-created_at", "-id")
    return accounts.prefetch_related(Prefetch("keys", wanted, to_attr="all_keys"))


def accounts_with_keys(name: str | None = None) -> list[Any]:
    """Return all accounts in sight, or the one of that name, with ``all_keys``."""
    found: QuerySet[ServiceAccount] = ServiceAccount.objects.order_by("name")
    return list(with_keys(found.filter(name=name) if name else found))


def access_troubles(*, now: dt.datetime) -> list[AccessTrouble]:
    """Return what is wrong with keys, enrolments and secrets that are guessed, worst first.

    Whoever acts for some companies sees what is wrong with their accounts.
    """
    found = [*_of_keys(now), *_of_enrolments(now), *_of_guesses()]
    return sorted(found, key=lambda trouble: -trouble.status.severity)


def _of_keys(now: dt.datetime) -> list[AccessTrouble]:
    live = Q(disabled_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    ending = live & Q(account__is_active=True, expires_at__lt=now + standing.WARNED_BEFORE)
    replaced = live & Q(account__is_active=True, replaced_at__lt=now - standing.STILL_USED_AFTER)
    leaked = Q(disabled_reason=standing.LEAKED, disabled_at__gt=now - troubles.REMEMBERED)
    tried = Q(refused_at__gt=now - troubles.TRIED_LATELY)
    others = ServiceKey.objects.filter(live, account=OuterRef("account"), replaced_at=None).exclude(pk=OuterRef("pk"))
    keys = (
        ServiceKey.objects.filter(ending | replaced | leaked | tried)
        .select_related("account")
        .defer("digest")
        .annotate(has_other=Exists(others))
    )
    told = (troubles.key_trouble(key, now, has_other=key.has_other) for key in keys.order_by("-id")[:MOST_KEYS])
    return [trouble for trouble in told if trouble is not None]


def _of_enrolments(now: dt.datetime) -> list[AccessTrouble]:
    twice = EnrolmentToken.objects.filter(tried_again_at__gt=now - troubles.REMEMBERED).select_related("account")
    return [troubles.twice_trouble(token, now) for token in twice[:MOST_KEYS]]


def _of_guesses() -> list[AccessTrouble]:
    try:
        found = troubles.gathered(guesses())
    except RedisError:
        return []  # that Redis is away is told by its own check
    named = {guess.name for guess in found if guess.name != UNNAMED}
    accounts = dict(ServiceAccount.objects.filter(name__in=named).values_list("name", "id")) if named else {}
    if not required_scope(ServiceAccount).is_everything:
        found = [guess for guess in found if guess.kind in ("key", "enrolment") and guess.name in accounts]
    return troubles.guess_troubles(found, accounts)
