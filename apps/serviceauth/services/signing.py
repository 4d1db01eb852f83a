"""Signing keys over time: the next is published before it signs, the last until no token of it is left.

Every process may call `signing_keys_rotate`; an advisory lock lets one at a time decide, by what is stored. Another
TOKEN_ALGORITHM, or another pepper in front, is what the next key gets; the present one goes on until then.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from apps.core import audit
from apps.core.errors import Unavailable
from apps.core.tenancy import system, use
from apps.serviceauth import signing
from apps.serviceauth.models import SigningKey
from apps.serviceauth.selectors.signing import JWKS_MAX_AGE, PUBLISHED_AHEAD
from apps.serviceauth.tokens import SKEW_SECONDS
from apps.serviceauth.trust import Signer, trust

__all__ = [
    "JWKS_MAX_AGE",
    "LONGEST_LIFETIME",
    "PUBLISHED_AHEAD",
    "VERIFIES_AFTER",
    "published_keys",
    "signer",
    "signing_key_withdraw",
    "signing_keys_rotate",
]

LONGEST_LIFETIME = dt.timedelta(seconds=3600)
"""The most that TOKEN_LIFETIME_SECONDS may be; a key verifies for so long after its last signature."""
VERIFIES_AFTER = LONGEST_LIFETIME + dt.timedelta(seconds=SKEW_SECONDS)
"""For how long a key is kept after its last signature."""
_LOCK = 0x5845525049554B

_log = structlog.get_logger(__name__)


def signer(now: dt.datetime) -> Signer:
    """Return the key that signs now; the first is made when somebody asks for it.

    Raises:
        Unavailable: none can be used, because KEY_PEPPERS are not those with which they were sealed.
    """
    found = trust.fresh().signer(now.timestamp())
    if found is None:
        signing_keys_rotate(now=now)
        found = trust.look().signer(now.timestamp())
    if found is None:
        _log.error("no_signing_key", setting="KEY_PEPPERS")
        raise Unavailable("The hub cannot sign tokens: its operator finds out why in the console.", code="no_signer")
    return found


def published_keys(*, now: dt.datetime) -> list[Mapping[str, Any]]:
    """Return the public keys as JWKs, the newest first; never none, because verifiers would keep that for minutes.

    Raises:
        Unavailable: there is none, and none can be made.
    """
    if not trust.fresh().published:
        signer(now)
    return list(trust.fresh().published)


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
        for kid in list(SigningKey.objects.filter(verifies_until__lte=now).values_list("kid", flat=True)):
            SigningKey.objects.filter(kid=kid).delete()
            audit.record("signing_key_forgotten", "signing_key", kid)
        made = _make_what_is_needed(now, at_once=at_once)
        trust.expire()
    return made


def signing_key_withdraw(*, kid: str, now: dt.datetime, reason: str = "") -> str:
    """Take a key back that somebody else may have: its tokens are void at once, and another signs from now on.

    Who verifies offline lets them in until it asks for the keys again, which is after `JWKS_MAX_AGE` seconds.

    Returns:
        The id of the key that signs now.

    Raises:
        SigningKey.DoesNotExist: there is no such key.
    """
    with use(system("withdraw a signing key")), transaction.atomic():
        _lock()
        SigningKey.objects.get(kid=kid).delete()
        audit.record("signing_key_withdrawn", "signing_key", kid, after={"reason": reason})
        waiting = _usable().filter(signs_from__gt=now).order_by("signs_from").first()
        if waiting is not None and _signing_at(now) is None:
            waiting.signs_from = now
            waiting.save(update_fields=["signs_from"])
        _make_what_is_needed(now, at_once=False)
        trust.expire()
        present = _signing_at(now)
    assert present is not None  # noqa: S101  one was made above, where there was none
    return present.kid


def _make_what_is_needed(now: dt.datetime, *, at_once: bool) -> list[str]:
    present = _signing_at(now)
    if present is None:
        return [_make(now, now)]
    if _usable().filter(signs_from__gt=now).exists():
        return []
    due = present.signs_from + dt.timedelta(days=settings.SIGNING_KEY_DAYS)
    if at_once or present.algorithm != settings.TOKEN_ALGORITHM:
        due = now
    elif present.signs_until is not None:  # the one that was to follow has been withdrawn
        due = present.signs_until
    if due - PUBLISHED_AHEAD > now:
        return []
    begins = max(due, now + PUBLISHED_AHEAD)
    present.signs_until, present.verifies_until = begins, begins + VERIFIES_AFTER
    present.save(update_fields=["signs_until", "verifies_until"])
    return [_make(begins, now)]


def _usable() -> QuerySet[SigningKey]:
    """Return the keys that can be unsealed, as far as their pepper's version tells."""
    return SigningKey.objects.filter(pepper_version__in=list(settings.KEY_PEPPERS))


def _signing_at(now: dt.datetime) -> SigningKey | None:
    keys = _usable().filter(signs_from__lte=now).exclude(signs_until__lte=now)
    return keys.order_by("-signs_from").first()


def _make(begins: dt.datetime, now: dt.datetime) -> str:
    version, pepper = next(iter(settings.KEY_PEPPERS.items()))
    algorithm: str = settings.TOKEN_ALGORITHM
    private = signing.new_private_key(algorithm)
    public = signing.public_jwk(private, algorithm)
    # Nobody else signs from then on: of keys that cannot be unsealed any more only the tokens are left.
    SigningKey.objects.filter(signs_until=None).update(signs_until=begins, verifies_until=begins + VERIFIES_AFTER)
    SigningKey.objects.create(
        kid=public["kid"],
        algorithm=algorithm,
        public=public,
        private=signing.seal(private, pepper),
        pepper_version=version,
        created_at=now,
        signs_from=begins,
    )
    told = {"algorithm": algorithm, "signs_from": begins.isoformat(timespec="seconds")}
    audit.record("signing_key_made", "signing_key", public["kid"], after=told)
    return public["kid"]


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
