"""What every process has to know to judge tokens: the keys that sign and verify, and what is revoked.

It is read from PostgreSQL at most once a second, and at once when this process changed it; while the database is away
what is known goes on to count. `Trust` itself is immutable: readers hold one and need no lock.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection, transaction
from jwt import PyJWK

from apps.core.errors import Unavailable
from apps.core.tenancy import system, use
from apps.serviceauth.models import Revocation, SigningKey
from apps.serviceauth.signing import CannotUnseal, PrivateKey, unseal
from apps.serviceauth.tokens import Claims
from xerpium_sdk.wire.credentials import revocable

__all__ = ["FRESH_SECONDS", "Signer", "Trust", "TrustStore", "trust"]

FRESH_SECONDS = 1.0
"""A revocation counts in every process of the hub after this time."""
WATCH_SECONDS = 0.5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs from ``since`` until ``until`` (epoch, s; None: until another takes over)."""

    kid: str
    algorithm: str
    key: PrivateKey = field(repr=False)
    since: float
    until: float | None


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys and the revocations as of one moment.

    ``generation`` is another number whenever anything changed, so that what was concluded from the old one falls.
    """

    generation: int = 0
    keys: Mapping[str, PyJWK] = field(default_factory=dict)
    signers: tuple[Signer, ...] = ()
    published: tuple[Mapping[str, Any], ...] = ()
    void: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """By kind and subject: tokens issued up to this time (epoch, s) are void."""

    def signer(self, now: float) -> Signer | None:
        """Return the key that signs at ``now``."""
        good = [one for one in self.signers if one.since <= now and (one.until is None or now < one.until)]
        return max(good, key=lambda one: one.since, default=None)

    def is_void(self, claims: Claims) -> bool:
        """Whether a token, its key, its account, its person, or what it was exchanged for was revoked."""
        if not self.void:
            return False
        return any(claims.issued_at <= self.void[one] for one in revocable(claims) if one in self.void)


class TrustStore:
    """Holds the present `Trust` and keeps it fresh."""

    def __init__(self) -> None:
        self._trust = Trust()
        self._seen: object = None
        self._checked_at = float("-inf")
        self._loading = threading.Lock()
        self._looking_since = float("inf")
        self._expiries = 0
        self._watchers = 0
        self._stopping = threading.Event()

    @property
    def present(self) -> Trust:
        """What is known, without looking whether it is news."""
        return self._trust

    @property
    def is_fresh(self) -> bool:
        """Whether somebody looked within the last second; while the database is away, or hangs, tried to."""
        now = time.monotonic()
        return now - self._checked_at <= FRESH_SECONDS or now - self._looking_since > FRESH_SECONDS

    def fresh(self) -> Trust:
        """Return what is known, after a look at the database unless somebody looked within the last second.

        Raises:
            Unavailable: the database is away, and this process has never seen it.
        """
        if not self.is_fresh:
            self.look()
        return self._known()

    def look(self) -> Trust:
        """Look at the database now; one thread does for all. While it is away, what is known goes on to count.

        Nobody waits for another's look for longer than a second: a database that hangs is away, too.

        Raises:
            Unavailable: the database is away, and this process has never seen it.
        """
        asked_at = time.monotonic()
        if not self._loading.acquire(timeout=FRESH_SECONDS):
            return self._known()
        try:
            if self._checked_at < asked_at:
                self._look()
        finally:
            self._looking_since = float("inf")
            self._loading.release()
        return self._known()

    def _look(self) -> None:
        expiries, began = self._expiries, time.monotonic()
        self._looking_since = began
        try:
            self._reload()
        except (DatabaseError, InterfaceError) as error:
            _log.warning("trust_not_refreshed", error=str(error))
        # What was changed here meanwhile may not have been read: the next use looks again.
        self._checked_at = began if expiries == self._expiries else float("-inf")

    def _known(self) -> Trust:
        """Return what is known; who knows no key at all must not call a token bad."""
        if self._seen is None:
            raise Unavailable("The database is away, and the keys of the hub are not known here yet.")
        return self._trust

    def expire(self) -> None:
        """Look again at the next use, now and after the running transaction: something was changed here."""
        self._expire_now()
        if connection.in_atomic_block:
            transaction.on_commit(self._expire_now)

    def forget(self) -> None:
        """Know nothing; for tests, whose database is another one each time."""
        with self._loading:
            self._trust, self._seen = Trust(generation=self._trust.generation + 1), None
            self._checked_at = float("-inf")

    def watch(self) -> None:
        """Keep it fresh from a thread, for who may not wait for a database; `unwatch` ends that."""
        self._watchers += 1
        if self._watchers == 1:
            self._stopping = threading.Event()
            threading.Thread(target=self._run, args=(self._stopping,), name="trust", daemon=True).start()

    def unwatch(self) -> None:
        """End what `watch` began."""
        self._watchers -= 1
        if self._watchers == 0:
            self._stopping.set()

    def _expire_now(self) -> None:
        self._expiries += 1
        self._checked_at = float("-inf")

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            # Whatever happens: without this thread nobody on an event loop would hear of a revocation.
            with suppress(Exception):
                close_old_connections()
                self.look()
            with suppress(Exception):
                connection.close()
            stopping.wait(WATCH_SECONDS)

    def _reload(self) -> None:
        with use(system("load keys and revocations")), transaction.atomic():
            rows = list(SigningKey.objects.all())
            revoked = list(Revocation.objects.values_list("kind", "subject", "issued_before"))
        seen = ([(row.kid, row.signs_from, row.signs_until, row.verifies_until) for row in rows], sorted(revoked))
        if seen == self._seen:
            return
        void: dict[tuple[str, str], float] = {}
        for kind, subject, until in revoked:
            void[kind, subject] = max(until.timestamp(), void.get((kind, subject), 0.0))
        self._trust = Trust(
            generation=self._trust.generation + 1,
            keys=MappingProxyType({row.kid: PyJWK(row.public, algorithm=row.algorithm) for row in rows}),
            signers=tuple(signer for row in rows if (signer := _signer(row))),
            published=tuple(row.public for row in rows),
            void=MappingProxyType(void),
        )
        self._seen = seen


def _signer(row: SigningKey) -> Signer | None:
    pepper = settings.KEY_PEPPERS.get(row.pepper_version)
    try:
        if pepper is None:
            raise CannotUnseal(f"Version {row.pepper_version} of the pepper is not in KEY_PEPPERS.")
        key = unseal(bytes(row.private), pepper)
    except CannotUnseal as error:
        _log.error("signing_key_sealed", kid=row.kid, error=str(error))
        return None
    until = row.signs_until.timestamp() if row.signs_until else None
    return Signer(row.kid, row.algorithm, key, row.signs_from.timestamp(), until)


trust = TrustStore()
"""The one of this process."""
