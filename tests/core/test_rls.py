"""What PostgreSQL is told of the company context: with each way of sending a statement, and for how long."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from django.db.utils import NotSupportedError

from apps.core.tenancy import company, global_rows, system, use
from apps.serviceauth.models import Role
from tests.support.database import transactional_db

__all__ = ["transactional_db"]

TOLD = "SELECT coalesce(current_setting('xerpium.scope', true), ''), current_setting('xerpium.companies', true)"
NAMES = "SELECT name FROM serviceauth_role ORDER BY name"
INSERT = "INSERT INTO serviceauth_role (name, company_id, permissions, description) VALUES (%s, %s, '{}', '')"

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(autouse=True)
def roles(transactional_db: None) -> Iterator[None]:
    Role.objects.bulk_create(Role(name=name, company_id=of) for name, of in (("one", 1), ("two", 2), ("all", None)))
    yield
    connection.rollback() if connection.get_autocommit() is False else None


def names(query: object = NAMES) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [name for (name,) in cursor.fetchall()]


def left_behind() -> tuple[str, str | None]:
    """Ask the connection itself, past the cursor that tells it anything."""
    found = psycopg.Cursor(connection.connection).execute(TOLD).fetchone()
    assert found is not None
    return found


# --- for how long -----------------------------------------------------------------------------------------------------


def test_a_statement_by_itself_sees_its_scope_and_leaves_nothing() -> None:
    with use(company(1)):
        assert names() == ["all", "one"]
    assert left_behind()[0] == ""
    with use(None):
        assert names() == []
    with use(global_rows()):
        assert names() == ["all"]
    assert left_behind()[0] == ""


@pytest.mark.parametrize("outcome", ["commit", "rollback"])
def test_nothing_remains_after_a_transaction(outcome: str) -> None:
    with use(company(1)), transaction.atomic():
        assert names() == ["all", "one"]
        assert left_behind() == ("own", "{1}")
        transaction.set_rollback(outcome == "rollback")
    assert left_behind() == ("", "")
    assert names() == ["all", "one", "two"]


def test_nothing_remains_on_a_connection_that_goes_back_to_the_pool() -> None:
    with use(company(1)), transaction.atomic():
        names()
        used = connection.connection
    connection.close()
    with use(company(2)):
        names()
    connection.close()
    assert psycopg.Cursor(used).execute(TOLD).fetchone() == ("", "")


def test_a_scope_that_changes_within_a_transaction_is_told_anew() -> None:
    with transaction.atomic():
        for scope, expected in (
            (company(1), ["all", "one"]),
            (None, []),
            (company(2), ["all", "two"]),
            (system("tests"), ["all", "one", "two"]),
            (global_rows(), ["all"]),
            (None, []),
        ):
            with use(scope):
                assert names() == expected, scope


def test_a_savepoint_that_is_rolled_back_takes_what_was_told_with_it() -> None:
    with use(company(1)), transaction.atomic():
        for inner in (company(2), system("tests"), None):
            assert names() == ["all", "one"]
            with use(inner), transaction.atomic():
                names()
                transaction.set_rollback(True)
            assert names() == ["all", "one"]
            with use(inner), transaction.atomic():
                names()
            assert names() == ["all", "one"]
    with use(None), transaction.atomic():
        with transaction.atomic(), use(company(1)):
            assert names() == ["all", "one"]
            transaction.set_rollback(True)
        assert names() == []
        with use(company(1)):
            assert names() == ["all", "one"]


def test_a_failed_statement_changes_nothing_of_it() -> None:
    with use(company(1)), transaction.atomic():
        for inner in (company(1), company(2)):
            with pytest.raises(DatabaseError), transaction.atomic(), use(inner):
                names("SELECT 1 / 0")
            assert names() == ["all", "one"]
    with use(company(1)), pytest.raises(DatabaseError):
        names("SELECT 1 / 0")
    assert left_behind() == ("", "")


# --- each way of sending ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("autocommit", [True, False], ids=["autocommit", "transaction"])
def test_many_rows_at_once_are_ones_own(autocommit: bool) -> None:
    def send(*rows: tuple[str, int | None]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, rows)

    def sent(*rows: tuple[str, int | None]) -> None:
        if autocommit:
            send(*rows)
        else:
            with transaction.atomic():
                send(*rows)

    with use(company(1)):
        sent(("three", 1), ("four", 1))
        for stranger in (2, None):
            with pytest.raises(DatabaseError, match="row-level security"):
                sent(("five", 1), ("six", stranger))
    assert names() == ["all", "four", "one", "three", "two"]


@pytest.mark.parametrize("autocommit", [True, False], ids=["autocommit", "transaction"])
def test_rows_that_are_copied_out_are_ones_own(autocommit: bool) -> None:
    def copied() -> bytes:
        with connection.cursor() as cursor, cursor.copy("COPY serviceauth_role (name) TO STDOUT") as rows:
            return b"".join(bytes(part) for part in rows)

    with use(company(1)):
        if autocommit:
            found = copied()
        else:
            with transaction.atomic():
                found = copied()
    assert sorted(found.split()) == [b"all", b"one"]


def test_statements_of_a_pipeline_see_their_own_scopes() -> None:
    with transaction.atomic(), connection.cursor() as first, connection.cursor() as second:
        with connection.connection.pipeline():
            with use(company(1)):
                first.execute(NAMES)
            with use(company(2)):
                second.execute(NAMES)
        assert [name for (name,) in first.fetchall()] == ["all", "one"]
        assert [name for (name,) in second.fetchall()] == ["all", "two"]


def test_a_pipeline_without_a_transaction_is_refused() -> None:
    connection.ensure_connection()
    in_pipeline = connection.connection.pipeline
    with use(company(1)), connection.cursor() as cursor, in_pipeline(), pytest.raises(NotSupportedError, match="needs"):
        cursor.execute(NAMES)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_isolation_level_can_still_be_chosen(level: str) -> None:
    with use(company(1)), transaction.atomic():
        names_before = f"SET TRANSACTION ISOLATION LEVEL {level}"
        with connection.cursor() as cursor:
            cursor.execute(names_before)
            cursor.execute("SHOW transaction_isolation")
            assert cursor.fetchone() == (level.lower(),)
        assert names() == ["all", "one"]


def test_what_takes_no_other_statement_beside_it_goes_alone() -> None:
    with use(company(1)), connection.cursor() as cursor:
        cursor.execute("VACUUM serviceauth_role")
        cursor.execute("SELECT count(*) FROM serviceauth_role")
        assert cursor.fetchone() == (2,)


def test_bytes_and_composed_statements_are_told_as_well() -> None:
    with use(company(1)):
        assert names(NAMES.encode()) == names(psycopg.sql.SQL(NAMES)) == ["all", "one"]


def test_results_are_those_of_the_statement_itself() -> None:
    with use(company(1)), connection.cursor() as cursor:
        cursor.execute("UPDATE serviceauth_role SET name = name RETURNING name, company_id")
        assert (cursor.rowcount, [column.name for column in cursor.description]) == (1, ["name", "company_id"])
        assert cursor.fetchall() == [("one", 1)]
        assert not cursor.nextset()


def test_cursors_that_know_no_scope_are_refused() -> None:
    with use(company(1)):
        assert [role.name for role in Role.objects.order_by("name").iterator(chunk_size=1)] == ["all", "one"]
        with pytest.raises(psycopg.NotSupportedError, match="no scope"):
            connection.create_cursor("named")
        with connection.cursor() as cursor, pytest.raises(psycopg.NotSupportedError, match="no scope"):
            cursor.stream(NAMES)


def test_injected_text_does_not_see_past_the_wall() -> None:
    with use(company(1)), connection.cursor() as cursor:
        cursor.execute("SELECT name FROM serviceauth_role WHERE name = '' OR 1=1 -- '")
        assert sorted(name for (name,) in cursor.fetchall()) == ["all", "one"]
