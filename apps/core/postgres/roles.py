"""Whether the role with which the hub works is one for which row-level security holds (docs/decisions/0018).

PostgreSQL lets superusers and roles with BYPASSRLS see every row, and owners switch row-level security off. Who may
become such a role is no better than it. So the hub's processes refuse to work as one, each fault with a number that
`manage.py check --database default` shows, the setting to change and the SQL to run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.apps import apps

from apps.core.tenancy.models import CompanyScoped

__all__ = ["MAKE_ROLE", "Fault", "Unprepared", "role_faults", "role_of"]

RIGHTS = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
MAKE_ROLE = f"CREATE ROLE xerpium_app {RIGHTS} PASSWORD '…';"
"""The statement for a database administrator."""

_SET_BOTH = (
    f"Run `{MAKE_ROLE}` as an administrator, set DATABASE_URL to that role and DATABASE_MIGRATION_URL to {{name}}, then"
    " run `manage.py preparehub`."
)
# A pooler or `SET ROLE` may make the two users differ; either of them can be had by whoever sends statements.
_QUESTION = """
WITH owned AS (
    SELECT c.relname::text AS name, c.relowner AS owner FROM pg_class c
    WHERE c.oid = ANY (ARRAY(SELECT to_regclass(name)::oid FROM unnest(%(tables)s::text[]) name))
)
SELECT me.rolname::text, me.rolsuper, me.rolbypassrls, me.rolcreaterole OR me.rolreplication,
       has_schema_privilege(me.oid, current_schema()::regnamespace, 'CREATE'),
       ARRAY(SELECT r.rolname::text FROM pg_roles r
             WHERE r.oid <> me.oid AND pg_has_role(me.oid, r.oid, 'MEMBER')
               AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication OR r.rolname = ANY (%(files)s)
                    OR r.oid IN (SELECT owner FROM owned))
             ORDER BY 1),
       ARRAY(SELECT name FROM owned WHERE owner = me.oid ORDER BY 1)
FROM pg_roles me WHERE me.rolname = ANY (coalesce(%(roles)s::text[], ARRAY[session_user, current_user]::text[]))
ORDER BY 1
"""
_OF_THE_SERVER = ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"]
"""Roles of PostgreSQL whose members reach the files in which all rows are."""
_OPEN = """
SELECT name, c.oid IS NULL, coalesce(c.relrowsecurity AND c.relforcerowsecurity, false)
FROM unnest(%(scoped)s::text[]) name LEFT JOIN pg_class c ON c.oid = to_regclass(name) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason not to work as a role; ``id`` is that of Django's system checks."""

    id: str
    message: str
    hint: str


class Unprepared(Exception):
    """Raised when the tables are not there yet: nothing can be said about who may see their rows."""


def role_of(url: str) -> str:
    """Return the role with which a ``postgresql://`` URL connects; empty where it does not say."""
    return unquote(urlsplit(url).username or "")


def role_faults(cursor: Any, *, role: str | None = None) -> list[Fault]:
    """Return why the hub may not work as ``role``; nothing when it may.

    Args:
        cursor: of psycopg or Django.
        role: the role's name; that of ``cursor`` when there is none.

    Raises:
        Unprepared: a table of the hub is missing.
    """
    cursor.execute(_OPEN, {"scoped": _scoped_tables()})
    scoped = cursor.fetchall()
    if missing := [name for name, is_missing, _ in scoped if is_missing]:
        raise Unprepared(f"The database has no table {missing[0]}: run `manage.py preparehub`.")
    roles = None if role is None else [role]
    cursor.execute(_QUESTION, {"tables": _tables(), "files": _OF_THE_SERVER, "roles": roles})
    found = cursor.fetchall()
    if not found:
        return [_absent(role or "")]
    faults = [fault for row in found for fault in _faults_of(*row)]
    return faults + [_unprotected(name) for name, _, is_forced in scoped if not is_forced]


def _absent(role: str) -> Fault:
    return Fault(
        "core.E009",
        f"DATABASE_URL connects as {role}, and there is no such role." if role else "DATABASE_URL names no role.",
        f"Run `{MAKE_ROLE}` as an administrator and set DATABASE_URL to that role, then run `manage.py preparehub`.",
    )


def _faults_of(
    name: str,
    is_superuser: bool,
    bypasses: bool,
    is_mighty: bool,
    may_create: bool,
    could_be: list[str],
    owned: list[str],
) -> Iterable[Fault]:
    if is_superuser:
        # Every other question about a superuser is answered with yes as well.
        yield Fault(
            "core.E001",
            f"DATABASE_URL connects as {name}, a superuser: row-level security does not hold for it.",
            _SET_BOTH.format(name="the owner of the tables"),
        )
        return
    if bypasses:
        yield Fault(
            "core.E002",
            f"DATABASE_URL connects as {name}, which has BYPASSRLS: row-level security does not hold for it.",
            f"Run `ALTER ROLE {name} NOBYPASSRLS;` as an administrator, or set DATABASE_URL to another role.",
        )
    if owned:
        yield Fault(
            "core.E003",
            f"DATABASE_URL connects as {name}, which owns {_some(owned)} and may switch row-level security off.",
            _SET_BOTH.format(name=name),
        )
    if could_be:
        yield Fault(
            "core.E004",
            f"DATABASE_URL connects as {name}, which may act as {_some(could_be)}, for which row-level security does"
            " not hold, or which may switch it off.",
            f"Run `REVOKE {', '.join(could_be)} FROM {name};` as an administrator, or set DATABASE_URL to another"
            " role.",
        )
    if is_mighty:
        yield Fault(
            "core.E005",
            f"DATABASE_URL connects as {name}, which has CREATEROLE or REPLICATION: it may give itself other roles, or"
            " read what is written.",
            f"Run `ALTER ROLE {name} NOCREATEROLE NOREPLICATION;` as an administrator, or set DATABASE_URL to another"
            " role.",
        )
    if may_create and not owned and not could_be:
        yield Fault(
            "core.E010",
            f"DATABASE_URL connects as {name}, which may make objects in the schema of the hub's tables, and so put"
            " something in the place of what their owner's functions use.",
            f"Run `REVOKE CREATE ON SCHEMA … FROM PUBLIC, {name};` as the schema's owner.",
        )


def _unprotected(table: str) -> Fault:
    return Fault(
        "core.E006",
        f"The table {table} holds rows of companies, and its row-level security is not on and forced.",
        f"Run `manage.py preparehub`; when that does not help, `ALTER TABLE {table} ENABLE ROW LEVEL SECURITY,"
        " FORCE ROW LEVEL SECURITY;` as its owner (the role of DATABASE_MIGRATION_URL).",
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _tables() -> list[str]:
    return sorted(
        {model._meta.db_table for model in apps.get_models(include_auto_created=True)} | {"django_migrations"}
    )


def _scoped_tables() -> list[str]:
    return sorted(model._meta.db_table for model in apps.get_models() if issubclass(model, CompanyScoped))
