"""Who may relay: one process at a time.

PostgreSQL: an advisory lock of the transaction in which a batch is read, sent and settled. It ends with the transaction
whatever happens to the process, and works behind a pooler in any mode. Elsewhere: a row with an owner and an end, which
is renewed; nothing is locked while Redis is waited for, which matters where one writer keeps out all others (SQLite).
"""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol
from uuid import uuid4

from django.db import connections, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from xerpium_sdk.django.models import RelayLease

__all__ = ["Seat", "seat_for"]

LOCK = 0x5845525049554D11  # "XERPIUM" and a number
LEASE_SECONDS = 15.0


class Seat(Protocol):
    """The place of the one writer."""

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Surround one batch; give whether this process may send it."""
        yield False

    def may_send(self) -> bool:
        """Return whether the seat is still this process's, just before it sends."""

    def leave(self) -> None:
        """Let another have it at once."""


def seat_for(using: str) -> Seat:
    """Return the seat of the relay of the database ``using``."""
    return _LockedSeat(using) if connections[using].vendor == "postgresql" else _LeasedSeat(using)


class _LockedSeat:
    def __init__(self, using: str) -> None:
        self._using = using

    @contextmanager
    def taken(self) -> Iterator[bool]:
        with transaction.atomic(using=self._using):
            with connections[self._using].cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
                (free,) = cursor.fetchone()
            yield bool(free)

    def may_send(self) -> bool:
        return True

    def leave(self) -> None:
        """The transaction has ended, and the lock with it."""


class _LeasedSeat:
    def __init__(self, using: str) -> None:
        self._using, self._owner = using, uuid4()
        self._until = 0.0

    @contextmanager
    def taken(self) -> Iterator[bool]:
        with nullcontext(self._renew()) as held:
            yield held

    def may_send(self) -> bool:
        # A process that stood still must not send after its successor; sending takes less than the rest of the lease.
        return time.monotonic() < self._until - LEASE_SECONDS * 2 / 3

    def leave(self) -> None:
        """Give the lease up."""
        self._until = 0.0
        self._rows().filter(owner=self._owner).update(owner=None, until=None)

    def _renew(self) -> bool:
        begun, now = time.monotonic(), timezone.now()
        self._rows().get_or_create(pk=1)
        free = Q(owner=self._owner) | Q(owner=None) | Q(until__lt=now)
        until = now + dt.timedelta(seconds=LEASE_SECONDS)
        held = bool(self._rows().filter(free, pk=1).update(owner=self._owner, until=until))
        self._until = begun + LEASE_SECONDS if held else 0.0
        return held

    def _rows(self) -> QuerySet[RelayLease]:
        return RelayLease._default_manager.using(self._using)
