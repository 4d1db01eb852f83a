"""The database backend that the setting ``ENGINE`` names.

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

from apps.core.postgres.scoped import ScopedCursor, forget_scope

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
    """Django's own, whose pool checks with `check_now_and_then` and whose cursors tell the scope (`scoped`)."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> "Connection[Any]":
        """Return a connection whose cursors tell PostgreSQL the scope of the running code."""
        connection: Connection[Any] = super().get_new_connection(conn_params)
        connection.cursor_factory = ScopedCursor
        return connection

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)
        if self.connection is not None:
            forget_scope(self.connection)

    @property
    def pool(self) -> "ConnectionPool[Any] | None":
        """The pool of this alias; Django has no option for its check, only on or off."""
        pool = super().pool
        if pool is not None:
            pool._check = partial(check_now_and_then, pool)
        return pool  # type: ignore[no-any-return]  # as above
