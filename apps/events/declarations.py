"""The declared event types as this process knows them, compiled: at most a second old.

Each look asks PostgreSQL for one number that changes with any row; only what changed is compiled again.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from django.db import connection, transaction

from apps.core.tenancy import system, use
from apps.events.models import EventTypeDeclaration
from apps.events.schemas import Schema

logger = logging.getLogger(__name__)

__all__ = ["Declared", "catalogue_version", "declared", "forget", "forget_after_commit"]

KEEP_SECONDS = 0.5

# A row that is written anew gets another xmin, whatever the clock says and whichever transaction commits first.
_VERSION = """
SELECT count(*), coalesce(sum(hashtextextended(event_type || ' ' || xmin::text, 0)), 0) FROM events_eventtypedeclaration
"""


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared type: its owner, and its compiled schema if it has one."""

    event_type: str
    service_name: str
    company_id: int | None
    schema: Schema | None


class _Cache:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._version: object = None
        self._known: Mapping[str, Declared] = {}
        self._rows: dict[str, tuple[object, Declared]] = {}
        self._good_until = 0.0

    def get(self, *, fresh: bool) -> Mapping[str, Declared]:
        with self._lock:
            if fresh or self._clock() >= self._good_until:
                self._load()
            return self._known

    def forget(self) -> None:
        self._good_until = 0.0

    @use(system("know the declared event types"))
    def _load(self) -> None:
        version = catalogue_version()
        if version != self._version:
            rows: dict[str, tuple[object, Declared]] = {}
            for row in EventTypeDeclaration.objects.all():
                before = self._rows.get(row.event_type)
                same = before is not None and before[0] == (row.pk, row.updated_at)
                rows[row.event_type] = before if same and before else ((row.pk, row.updated_at), _compiled(row))
            self._rows, self._version = rows, version
            self._known = {name: found for name, (_, found) in rows.items()}
        self._good_until = self._clock() + KEEP_SECONDS


def _compiled(row: EventTypeDeclaration) -> Declared:
    try:
        schema = Schema(row.schema) if row.schema is not None else None
    except ValueError:  # stored by another version of the library: the type stays known
        logger.exception("The schema of %s cannot be used", row.event_type)
        schema = None
    return Declared(row.event_type, row.service_name, row.company_id, schema)


_cache = _Cache()


def catalogue_version() -> tuple[int, int]:
    """Return what changes whenever a declaration does."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSION)
        count, checksum = cursor.fetchone()
    return count, int(checksum)


def declared(*, fresh: bool = False) -> Mapping[str, Declared]:
    """Return the declared types by name, at most half a second old; ``fresh`` asks PostgreSQL now."""
    return _cache.get(fresh=fresh)


def forget() -> None:
    """Let this process look anew when it is next asked."""
    _cache.forget()


def forget_after_commit() -> None:
    """Let this process look anew once the running transaction has committed."""
    transaction.on_commit(forget)
