"""The database backend that the setting ``ENGINE`` names.

It tells PostgreSQL whose rows may be seen (`apps.core.tenancy`), with the first statement of each transaction and for
that transaction only: a pooled connection, PgBouncer's in transaction mode included, remembers nothing of it.

A restart of PostgreSQL breaks every connection in the pool. Checking each before every use finds that out, and costs
one more round trip for every request; checking one at most once a second finds it out as well.
"""

import time
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

from apps.core.postgres.scoped import NOTHING, ScopedCursor, Told

CHECK_SECONDS = 1.0

_checked: "WeakKeyDictionary[Connection[Any], float]" = WeakKeyDictionary()


def check_now_and_then(pool: "ConnectionPool[Any]", connection: "Connection[Any]") -> None:
    """Check a connection that leaves ``pool``, unless that was done within the last second.

    Raises:
        psycopg.OperationalError: it is broken; the pool replaces it, and all others with it.
    """
    now = time.monotonic()
    if now - _checked.get(connection, 0.0) < CHECK_SECONDS:
        return
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        # What broke one broke them all. The pool would find that out one by one, with a growing pause after each, and
        # somebody who asks for a connection meanwhile is let down: for ten seconds, with a dozen.
        if now - pool._drained_at >= CHECK_SECONDS:
            pool.drain()
        raise
    _checked[connection] = now


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, which tells PostgreSQL the scope, and whose pool checks with `check_now_and_then`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._told = Told()

    @property
    def pool(self) -> "ConnectionPool[Any] | None":
        """The pool of this alias; Django has no option for its check, only on or off."""
        pool = super().pool
        if pool is not None:
            pool._check = partial(check_now_and_then, pool)
        return pool  # type: ignore[no-any-return]  # as above

    def get_connection_params(self) -> dict[str, Any]:
        """Return what psycopg connects with: Django's own, and our cursor."""
        return super().get_connection_params() | {"cursor_factory": ScopedCursor}

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor that tells PostgreSQL the scope; one with a ``name`` lives on the server and never would.

        Raises:
            NotSupportedError: for a cursor on the server (see ``DISABLE_SERVER_SIDE_CURSORS``).
        """
        if name:
            raise psycopg.NotSupportedError("cursors on the server know no scope")
        cursor = super().create_cursor()
        cursor.told = self._told
        return cursor

    def _set_autocommit(self, autocommit: bool) -> None:
        self._told.words = NOTHING
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # not in the stubs

    def _commit(self) -> None:
        self._told.words = NOTHING
        super()._commit()  # type: ignore[misc]  # not in the stubs

    def _rollback(self) -> None:
        self._told.words = NOTHING
        super()._rollback()  # type: ignore[misc]  # not in the stubs
