"""Signing keys over time: the next is published before it signs, the last until no token of it is left.

Every process may call `signing_keys_rotate`; an advisory lock lets one at a time decide, by what is stored.
"""

import datetime as dt

from django.conf import settings
from django.db import connection, transaction

from apps.core import audit
from apps.core.tenancy import system, use
from apps.serviceauth import signing
from apps.serviceauth.models import SigningKey
from apps.serviceauth.tokens import SKEW_SECONDS
from apps.serviceauth.trust import Signer, trust

__all__ = [
    "JWKS_MAX_AGE",
    "LONGEST_LIFETIME",
    "PUBLISHED_AHEAD",
    "signer",
    "signing_key_withdraw",
    "signing_keys_rotate",
]

JWKS_MAX_AGE = 300
"""Seconds for which verifiers keep the published keys."""
PUBLISHED_AHEAD = dt.timedelta(seconds=2 * JWKS_MAX_AGE)
"""A key is published for so long before it signs: twice what verifiers keep, so that each has seen it."""
LONGEST_LIFETIME = dt.timedelta(seconds=3600)
"""The most that TOKEN_LIFETIME_SECONDS may be; a key verifies for so long after its last signature."""
_LOCK = 0x5845525049554B


def signer(now: dt.datetime) -> Signer:
    """Return the key that signs now; the first is made when somebody asks for it."""
    algorithm: str = settings.TOKEN_ALGORITHM
    found = trust.fresh().signer(now.timestamp(), algorithm)
    if found is None:
        signing_keys_rotate(now=now)
        found = trust.look().signer(now.timestamp(), algorithm)
    if found is None:
        raise RuntimeError("No signing key can be used: look at KEY_PEPPERS, or run manage.py rotate_signing_keys.")
    return found


def signing_keys_rotate(*, now: dt.datetime, at_once: bool = False) -> list[str]:
    """Make the key that is needed next, and forget keys whose last token has ended.

    Args:
        now: the present.
        at_once: do not wait until the present key is SIGNING_KEY_DAYS old; the next one still is published first.

    Returns:
        The ids of the keys that were made; mostly none.
    """
    with use(system("rotate signing keys")), transaction.atomic():
        _lock()
        SigningKey.objects.filter(verifies_until__lte=now).delete()
        made = _make_what_is_needed(now, at_once=at_once)
        for key in made:
            audit.record("signing_key_made", "signing_key", key.kid, after={"algorithm": key.algorithm})
        trust.expire()
    return [key.kid for key in made]


def signing_key_withdraw(*, kid: str, now: dt.datetime) -> str:
    """Take a key back that somebody else may have: its tokens are void at once, and another signs from now on.

    Returns:
        The id of the key that signs now.

    Raises:
        SigningKey.DoesNotExist: there is no such key.
    """
    with use(system("withdraw a signing key")), transaction.atomic():
        _lock()
        SigningKey.objects.get(kid=kid).delete()
        audit.record("signing_key_withdrawn", "signing_key", kid)
        waiting = SigningKey.objects.filter(algorithm=settings.TOKEN_ALGORITHM, signs_from__gt=now).first()
        if waiting is not None and _signing_at(now) is None:
            waiting.signs_from = now
            waiting.save(update_fields=["signs_from"])
        _make_what_is_needed(now, at_once=False)
        trust.expire()
        present = _signing_at(now)
    assert present is not None  # noqa: S101  one was made above, where there was none
    return present.kid


def _make_what_is_needed(now: dt.datetime, *, at_once: bool) -> list[SigningKey]:
    present = _signing_at(now)
    if present is None:
        return [_make(now, now)]
    if present.signs_until is not None:
        return []
    due = present.signs_from + dt.timedelta(days=settings.SIGNING_KEY_DAYS)
    if not at_once and due - PUBLISHED_AHEAD > now:
        return []
    begins = now + PUBLISHED_AHEAD if at_once else max(due, now + PUBLISHED_AHEAD)
    present.signs_until = begins
    present.verifies_until = begins + LONGEST_LIFETIME + dt.timedelta(seconds=SKEW_SECONDS)
    present.save(update_fields=["signs_until", "verifies_until"])
    return [_make(begins, now)]


def _signing_at(now: dt.datetime) -> SigningKey | None:
    keys = SigningKey.objects.filter(algorithm=settings.TOKEN_ALGORITHM, signs_from__lte=now)
    keys = keys.filter(pepper_version__in=list(settings.KEY_PEPPERS)).exclude(signs_until__lte=now)
    return keys.order_by("-signs_from").first()


def _make(begins: dt.datetime, now: dt.datetime) -> SigningKey:
    version, pepper = next(iter(settings.KEY_PEPPERS.items()))
    private = signing.new_private_key(settings.TOKEN_ALGORITHM)
    public = signing.public_jwk(private, settings.TOKEN_ALGORITHM)
    _end_others(begins)
    return SigningKey.objects.create(
        kid=public["kid"],
        algorithm=settings.TOKEN_ALGORITHM,
        public=public,
        private=signing.seal(private, pepper),
        pepper_version=version,
        created_at=now,
        signs_from=begins,
    )


def _end_others(begins: dt.datetime) -> None:
    """Let keys of another algorithm, and those that cannot be unsealed any more, verify until their tokens are gone."""
    ends = begins + LONGEST_LIFETIME + dt.timedelta(seconds=SKEW_SECONDS)
    SigningKey.objects.filter(signs_until=None).update(signs_until=begins, verifies_until=ends)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
