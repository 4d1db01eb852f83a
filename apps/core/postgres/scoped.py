"""The cursor that tells PostgreSQL whose rows the running code may see, for its row-level security.

The scope travels with the first statement of each transaction, in the same round trip, and is local to the transaction:
nothing is left on a connection that goes back to its pool, or to PgBouncer's.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, cast

import psycopg
from django.db.backends.postgresql import base
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus

from apps.core.tenancy.context import Scope, current

if TYPE_CHECKING:
    _Cursor = psycopg.ClientCursor[Any]  # what Django's is, which it makes for either version of psycopg
else:
    _Cursor = base.Cursor

__all__ = ["NOTHING", "ScopedCursor", "Told", "announcement"]

NOTHING = "SET LOCAL xerpium.scope = ''; SET LOCAL xerpium.companies = ''; "
"""Unset, as a transaction begins, when it need not be said: no rows."""
UNKNOWN = ""
# What may not share a transaction with another statement; it needs to see no row.
_ALONE = ("VACUUM", "CREATE", "DROP", "ALTER", "REINDEX", "CLUSTER", "CHECKPOI", "COMMIT", "END", "ABORT")


@lru_cache(maxsize=1024)
def announcement(scope: Scope | None) -> str:
    """Return the statements that tell PostgreSQL of ``scope`` until the transaction ends; see `apps.core.tenancy.rls`.

    ``SET LOCAL`` is no query: it takes no snapshot, so that an isolation level may still be chosen after it.
    """
    if scope is None:
        return NOTHING
    if scope.companies == "*":
        return "SET LOCAL xerpium.scope = 'everything'; "
    word = "global" if scope.writes_global else "own"
    numbers = ",".join(str(int(number)) for number in sorted(scope.companies))
    return f"SET LOCAL xerpium.scope = '{word}'; SET LOCAL xerpium.companies = '{{{numbers}}}'; "


class Told:
    """What PostgreSQL has been told in the present transaction of one connection, as `announcement` words it."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words = NOTHING


class ScopedCursor(_Cursor):
    """Django's own, which sends the scope of the running code in front of a statement where PostgreSQL lacks it.

    Both travel in one string, which the simple query protocol takes for one transaction: no round trip is added.
    """

    told: Told | None = None
    """Set on the cursors that Django opens; what a pool asks its connections is about no rows."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        """Execute ``query`` in the scope of the running code."""
        if self.told is None:
            return super().execute(query, params, **options)
        words = self._missing(query)
        if not words:
            return super().execute(query, params, **options)
        if self._in_pipeline:
            self._tell(words)
            return super().execute(query, params, **options)
        super().execute(_joined(words, query), params, **options)
        for _ in range(words.count(";")):
            self.nextset()
        self.told.words = words
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        """Execute ``query`` for each of ``params_seq``, all in one transaction."""
        with self._told_transaction():
            super().executemany(query, params_seq, **options)

    @contextmanager
    def copy(self, *args: Any, **options: Any) -> "Iterator[psycopg.Copy]":
        """Copy rows in or out in the scope of the running code."""
        with self._told_transaction(), super().copy(*args, **options) as copy:
            yield copy

    def stream(self, *args: Any, **options: Any) -> Any:
        """Refuse: rows that come one by one leave no place for the scope; Django asks for none.

        Raises:
            NotSupportedError: always.
        """
        raise psycopg.NotSupportedError("rows cannot be streamed here: their transaction would know no scope")

    @property
    def _in_pipeline(self) -> bool:
        return self.connection.pgconn.pipeline_status != PipelineStatus.OFF

    def _missing(self, query: Any) -> str:
        """Return what has to be said before ``query``; nothing where PostgreSQL knows, or need not know."""
        told = cast(Told, self.told)
        status = self.connection.pgconn.transaction_status
        if status == TransactionStatus.INERROR:
            told.words = UNKNOWN  # what comes now goes back to a savepoint, or fails
            return ""
        word = query[:40].lstrip()[:8].upper() if isinstance(query, str) else ""
        if word == "ROLLBACK":
            told.words = UNKNOWN  # settings go back to what they were at the savepoint
            return ""
        # In a pipeline the status is that of the last answer; the transaction began with it, and `told` knows that.
        if status == TransactionStatus.IDLE and not self._in_pipeline:
            told.words = NOTHING
            if self.connection.autocommit and word.startswith(_ALONE):
                return ""
        words = announcement(current())
        return "" if words == told.words else words

    @contextmanager
    def _told_transaction(self) -> Iterator[None]:
        words = "" if self.told is None else self._missing("")
        if not words:
            yield
        elif self.connection.autocommit and self.connection.pgconn.transaction_status == TransactionStatus.IDLE:
            with self.connection.transaction():
                self._tell(words)
                yield
        else:
            self._tell(words)
            yield

    def _tell(self, words: str) -> None:
        """Send ``words`` by themselves, statement by statement: a pipeline takes no other."""
        if self._in_pipeline and self.connection.autocommit:
            raise psycopg.NotSupportedError("a pipeline needs a transaction: what PostgreSQL is told ends with it")
        with self.connection.cursor() as cursor:
            for statement in words.split("; ")[:-1]:
                cursor.execute(statement)
        cast(Told, self.told).words = words


def _joined(words: str, query: Any) -> Any:
    if isinstance(query, str):
        return words + query
    if isinstance(query, bytes):
        return words.encode() + query
    return sql.SQL(words) + query
