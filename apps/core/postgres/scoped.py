"""The cursor that tells PostgreSQL whose rows the running code may see, for its row-level security.

The scope travels with the first statement of each transaction, in the same round trip, and is local to the transaction:
nothing is left on a connection that goes back to its pool, or to PgBouncer's.
"""

from typing import TYPE_CHECKING, Any, Self, cast

from django.db.backends.postgresql.base import Cursor
from psycopg import sql
from psycopg.pq import TransactionStatus

from apps.core.tenancy.context import Scope, current

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["ScopedCursor", "forget_scope", "scope_statement", "tell_scope"]

COMPANIES = "xerpium.companies"
GLOBAL_WRITES = "xerpium.global_writes"
_UNKNOWN = object()


def scope_statement(scope: Scope | None) -> str:
    """Return the SQL that makes ``scope`` that of the running transaction; None hides everything.

    Companies are written ``*`` or as PostgreSQL writes an array, ``{1,2}``; an empty text is no scope at all.
    """
    companies, writes = "", ""
    if scope is not None:
        numbers = scope.companies
        companies = "*" if numbers == "*" else "{" + ",".join(str(int(number)) for number in sorted(numbers)) + "}"
        writes = "on" if scope.writes_global else "off"
    return f"SELECT set_config('{COMPANIES}','{companies}',true),set_config('{GLOBAL_WRITES}','{writes}',true)"


def tell_scope(connection: "Connection[Any]") -> None:
    """Tell the transaction that runs on ``connection`` the present scope, for statements that no `ScopedCursor` sends.

    Outside of a transaction this does nothing: what is told there is forgotten at once.
    """
    if connection.info.transaction_status == TransactionStatus.IDLE and connection.autocommit:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def forget_scope(connection: "Connection[Any]") -> None:
    """Tell the scope anew with the next statement: what was told may have been rolled back with a savepoint."""
    vars(connection)["_told_scope"] = _UNKNOWN


class ScopedCursor(Cursor):  # type: ignore[misc]  # made by Django for either version of psycopg
    """Django's cursor, which binds on the client: so a scope and a statement are one text and one round trip."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        """Execute a statement in the scope of the running code."""
        telling = self._untold()
        if telling is None:
            return cast(Self, super().execute(query, params, **options))
        if self._conn._pipeline is not None:
            # There a text holds one statement; both are one transaction, and go together.
            with Cursor(self._conn) as first:
                first.execute(telling)
            return cast(Self, super().execute(query, params, **options))
        super().execute(_joined(telling, query), params, **options)
        self.nextset()
        return self

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        """Execute a statement for many values, as one transaction."""
        telling = self._untold()
        if telling is None:
            super().executemany(query, params_seq, **options)
        elif self._conn.autocommit:
            with self._conn.transaction():
                super().execute(telling)
                super().executemany(query, params_seq, **options)
        else:
            super().execute(telling)
            super().executemany(query, params_seq, **options)

    def copy(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Copy from or to a table, inside of a transaction.

        Raises:
            RuntimeError: there is none, so that the scope could not be told.
        """
        telling = self._untold()
        if telling is not None:
            if self._conn.autocommit:
                raise RuntimeError("COPY runs inside of transaction.atomic(): the scope is told to a transaction.")
            super().execute(telling)
        return super().copy(statement, params, **options)

    def _untold(self) -> str | None:
        """Return what the transaction must be told first, and take it for told; None when it knows."""
        connection = self._conn
        status = connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            return None  # it takes nothing but its rollback
        state = vars(connection)
        scope = current()
        # In autocommit each statement is its own transaction, and so is each before BEGIN was sent.
        alone = connection.autocommit and status != TransactionStatus.INTRANS
        known = None if alone or status == TransactionStatus.IDLE else state.get("_told_scope")
        if known is scope or known == scope:
            return None
        state["_told_scope"] = scope
        return scope_statement(scope)


def _joined(telling: str, query: Any) -> Any:
    if isinstance(query, bytes):
        return telling.encode() + b";" + query
    if isinstance(query, str):
        return f"{telling};{query}"
    return sql.SQL(telling + ";") + query  # type: ignore[operator]  # psycopg's Composable
