"""Who brings a service key: one query, one HMAC, and the same answer whatever is wrong."""

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction

from apps.core import guesses
from apps.core.tenancy import Companies, system, use
from apps.serviceauth import keys
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.matching import is_in_networks, is_name_of
from apps.serviceauth.models import ServiceAccount, ServiceKey
from apps.serviceauth.services import peppers
from apps.serviceauth.services.granting import record

__all__ = ["GRACE", "NOTED_EVERY", "Authenticated", "address_or_none", "authenticate_key", "find_key"]

NOTED_EVERY = dt.timedelta(minutes=1)
"""A use, and a refusal, is written down at most so often for each key."""
GRACE = dt.timedelta(hours=1)
"""How long a key that waited for its successor stays good after the first use of that."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A service that proved who it is. What its key narrows is narrowed: ask here, not the account."""

    account: ServiceAccount
    key: ServiceKey
    service_name: str

    @property
    def companies(self) -> Companies:
        """The companies that it may act for with this key; empty is none, ``"*"`` all."""
        granted: Companies = "*" if self.account.all_companies else frozenset(self.account.companies)
        if self.key.companies is None:
            return granted
        own = frozenset(self.key.companies)
        return own if granted == "*" else own & granted

    @property
    def scopes(self) -> frozenset[str]:
        """What its tokens may be good for."""
        granted = frozenset(self.account.scopes)
        return granted if self.key.scopes is None else granted & frozenset(self.key.scopes)

    @property
    def writes_global(self) -> bool:
        """Whether its tokens may name no company; otherwise each must be for one of its companies."""
        return self.account.writes_global


def authenticate_key(*, service_name: str, service_key: str, source: str, now: dt.datetime) -> Authenticated:
    """Return the service of that name if the key is one of its account's, and good here and now.

    Args:
        service_name: who the caller says it is.
        service_key: the whole text of the key.
        source: the address that the request came from (``apps.core.sources.source_of``).
        now: the present.

    Raises:
        BadCredentials: it is not, for whatever reason. What is wrong stands in the log and, when the caller did have
            the key, on the account's page.
    """
    with use(system("authenticate a service key")):
        key = find_key(service_key)
        if key is None:
            raise _refusal("unknown_key", service_name, source, service_key)
        reason = _fault(key, service_name, source, now)
        if reason:
            _note_refusal(key, reason, source, now)
            raise _refusal(reason, service_name, source, service_key, account=key.account.name)
        _note_use(key, source, now)
    return Authenticated(key.account, key, service_name)


def find_key(text: str) -> ServiceKey | None:
    """Return the key that ``text`` is, good or not, with its account; None when nobody has such a key.

    A key id that nobody has is the same work as one that somebody has.
    """
    parsed = keys.parse_key(text)
    if parsed is None:
        return None
    key = ServiceKey.objects.select_related("account").filter(key_id=parsed.key_id).first()
    if key is not None and key.pepper_version not in settings.KEY_PEPPERS:
        _log.error("pepper_missing", key_id=key.key_id, version=key.pepper_version, setting="KEY_PEPPERS")
    stored = peppers.Digest(bytes(key.digest), key.pepper_version) if key else None
    return key if peppers.recognises(stored, parsed.secret) else None


def _fault(key: ServiceKey, service_name: str, source: str, now: dt.datetime) -> str:
    """Return why a key whose secret is right is refused, in one word; empty when it is good."""
    if not is_name_of(service_name, key.account.name):
        return "name"
    if not key.account.is_active:
        return "account"
    if key.disabled_at is not None:
        return "disabled"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "" if is_in_networks(source, key.networks) else "network"


def _refusal(reason: str, service_name: str, source: str, service_key: str, **known: str) -> BadCredentials:
    parsed = keys.parse_key(service_key)
    _log.warning(
        "service_key_refused",
        reason=reason if parsed else "no_key",
        service_name=guesses.shown(service_name),
        key_id=parsed.key_id if parsed else None,
        source=source,
        **known,
    )
    return BadCredentials(reason)


def _note_use(key: ServiceKey, source: str, now: dt.datetime) -> None:
    if key.last_used_at is None or now - key.last_used_at >= NOTED_EVERY:
        _note(key, last_used_at=now, last_used_from=address_or_none(source))
    if key.last_used_at is None:
        _end_predecessor(key, now)


def _end_predecessor(key: ServiceKey, now: dt.datetime) -> None:
    """Let the key that waits for ``key`` to be used end, once all instances had time to take ``key`` over."""
    ends = now + GRACE
    waiting = ServiceKey.objects.filter(replaced_by=key, ends_when_replaced_in_use=True, expires_at__gt=ends)
    try:
        with transaction.atomic():
            for old in waiting.select_for_update(of=("self",)):
                before, old.expires_at = old.expires_at, ends
                old.save(update_fields=["expires_at"])
                told = [{"expires_at": moment and moment.isoformat()} for moment in (before, ends)]
                record("key_ending", key.account, key_id=old.key_id, before=told[0], after=told[1])
    except DatabaseError as error:
        _log.warning("old_key_stays", key_id=key.key_id, error=str(error))


def _note_refusal(key: ServiceKey, reason: str, source: str, now: dt.datetime) -> None:
    if key.refused_at is None or key.refused_reason != reason or now - key.refused_at >= NOTED_EVERY:
        _note(key, refused_at=now, refused_from=address_or_none(source), refused_reason=reason)


def _note(key: ServiceKey, **signs: object) -> None:
    """Write down a sign of a key; what cannot be written now, in a standby for one, is no reason to refuse anybody."""
    try:
        with transaction.atomic():
            ServiceKey.objects.filter(pk=key.pk).update(**signs)
    except DatabaseError as error:
        _log.warning("sign_of_key_not_noted", key_id=key.key_id, error=str(error))


def address_or_none(source: str) -> str | None:
    """Return ``source`` if it is an address, else None: a Unix socket has none."""
    try:
        return str(ip_address(source))
    except ValueError:
        return None
