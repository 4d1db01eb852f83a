"""A database that tests may commit to, emptied after each of them.

pytest-django's own ``transactional_db`` truncates every table and sends the signal of a migration, which takes half a
second a test; deleting the few rows that a test left takes milliseconds. Import the fixture, which takes its place,
into the ``conftest.py`` of tests that commit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper
from pytest_django.plugin import DjangoDbBlocker

from apps.core.tenancy import system, use

# What migrations have written, and what no model stands for.
KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})
# Nobody may delete from the audit, but its owner may switch the trigger off that says so.
AUDIT = frozenset({"core_auditentry", "core_auditseal"})
UNGUARDED = "".join(
    f"""
    IF EXISTS (SELECT FROM {table}) THEN
        ALTER TABLE {table} DISABLE TRIGGER core_audit_refuse;
        DELETE FROM {table};
        ALTER TABLE {table} ENABLE TRIGGER core_audit_refuse;
    END IF;"""
    for table in sorted(AUDIT)
)
UNMANAGED = ("registry_pollresult", "events_journalentry")
# Beside the schema of the hub, whose functions and rights are tested.
BESIDE = "tests"


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the test use the database from any thread, and commit; empty it afterwards."""
    with django_db_blocker.unblock():
        forget_broken_connections()
        yield
        empty()


def forget_broken_connections() -> None:
    """Drop what an earlier test has ended: outside of requests Django looks at no connection before it is used."""
    connection.ensure_connection()
    if not connection.is_usable():
        connection.close()
        _close_pool()


def _close_pool() -> None:
    cast(DatabaseWrapper, connection).close_pool()


def empty() -> None:
    """Delete all rows but those that migrations wrote. Sequences go on, so no test may count on ids."""
    with use(system("empty the test database")), connection.cursor() as cursor:
        cursor.execute(_emptying())


@cache
def _emptying() -> str:
    """Make a function that empties the database, once in a run; return the call of it.

    PostgreSQL plans each of its statements once in a session, which takes longer than deleting nothing does.
    """
    tables = sorted({*connection.introspection.django_table_names(only_existing=True), *UNMANAGED} - KEPT - AUDIT)
    # A call is one transaction, and Django's foreign keys are checked at its end: the order does not matter.
    deletions = UNGUARDED + "".join(f'DELETE FROM "{table}";' for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE SCHEMA IF NOT EXISTS {BESIDE};"
            f" CREATE OR REPLACE FUNCTION {BESIDE}.empty() RETURNS void LANGUAGE plpgsql AS $$BEGIN {deletions} END$$"
        )
    return f"SELECT {BESIDE}.empty()"


def database_url() -> str:
    """Return the address of the test database as its owner, for connections of one's own."""
    own = connection.settings_dict
    user, password = quote(own["USER"]), quote(own["PASSWORD"])
    return f"postgresql://{user}{':' if password else ''}{password}@{own['HOST']}:{own['PORT']}/{own['NAME']}"


def application_url() -> str:
    """Return the address of the test database for the hub's own processes, which do not work as its owner."""
    return urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}"))


def administrator_url() -> str:
    """Return the address of the test database as the superuser of the tests' own PostgreSQL."""
    return urlunsplit(urlsplit(database_url())._replace(netloc=_netloc("postgres", _password())))


def _password() -> str:
    """Return the password of the owner, which in the tests' own PostgreSQL is the superuser's as well."""
    return str(connection.settings_dict["PASSWORD"])


def _netloc(role: str, password: str) -> str:
    own = connection.settings_dict
    return f"{quote(role)}:{quote(password)}@{own['HOST']}:{own['PORT']}"


@contextmanager
def working_as(url: str) -> Iterator[None]:
    """Let Django work as the user of ``url``, at its host and port, in all threads while the block runs."""
    own, other = connection.settings_dict, urlsplit(url)
    before = {name: own[name] for name in ("USER", "PASSWORD", "HOST", "PORT")}
    connection.close()
    _close_pool()
    own |= {
        "USER": unquote(other.username or ""),
        "PASSWORD": unquote(other.password or ""),
        "HOST": other.hostname,
        "PORT": str(other.port),
    }
    try:
        yield
    finally:
        connection.close()
        _close_pool()
        own |= before


@contextmanager
def database_away() -> Iterator[None]:
    """Close the database to everybody, and end all sessions, while the block runs."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(administrator_url().rpartition("/")[0] + "/postgres", autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            connection.close()
            _close_pool()
