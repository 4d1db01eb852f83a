"""How the signing keys stand."""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings

from apps.core.errors import Unavailable
from apps.serviceauth import keyring
from apps.serviceauth.keyring import NextStep, Ring, SigningTrouble
from apps.serviceauth.models import SigningKey
from apps.serviceauth.trust import trust

__all__ = ["JWKS_MAX_AGE", "PUBLISHED_AHEAD", "SigningState", "signing_state", "signing_trouble"]

JWKS_MAX_AGE = 300
"""Seconds for which verifiers keep the published keys."""
PUBLISHED_AHEAD = dt.timedelta(seconds=2 * JWKS_MAX_AGE)
"""A key is published for so long before it signs: twice what verifiers keep, so that each has seen it."""


@dataclass(frozen=True, slots=True)
class SigningState:
    """All keys, the newest first, drawn; what happens next; what is wrong."""

    keys: list[SigningKey]
    ring: Ring
    next_step: NextStep | None
    trouble: SigningTrouble | None


def signing_state(*, now: dt.datetime) -> SigningState:
    """Return how the keys stand.

    Raises:
        Unavailable: the database is away.
    """
    keys = list(SigningKey.objects.defer("private").order_by("-signs_from"))
    usable = {signer.kid for signer in trust.look().signers}
    return SigningState(
        keys=keys,
        ring=keyring.draw(keys, now, usable, lifetime=_lifetime()),
        next_step=keyring.next_step(keys, now, lifetime=_lifetime(), ahead=PUBLISHED_AHEAD),
        trouble=signing_trouble(now=now),
    )


def signing_trouble(*, now: dt.datetime) -> SigningTrouble | None:
    """Return what is wrong with the keys, from what this process knows; None also when it knows none."""
    try:
        known = trust.fresh()
    except Unavailable:
        return None
    moment = now.timestamp()
    signer = known.signer(moment)
    return keyring.signing_trouble(
        kids=known.keys.keys(),
        signs_since=dt.datetime.fromtimestamp(signer.since, dt.UTC) if signer else None,
        follows=any(one.since > moment for one in known.signers),
        now=now,
        lifetime=_lifetime(),
    )


def _lifetime() -> dt.timedelta:
    return dt.timedelta(days=settings.SIGNING_KEY_DAYS)
