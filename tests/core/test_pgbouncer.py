"""The hub behind PgBouncer in transaction mode: many sessions over one connection to PostgreSQL, and nothing leaks."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from psycopg.rows import namedtuple_row

from apps.core import sealing
from apps.core.tenancy import company, global_rows, system, use
from apps.core.tenancy.context import Scope
from apps.events.models import EventTypeDeclaration
from apps.registry.live import live
from apps.registry.models import Instance
from tests.support.api import Api
from tests.support.database import application_url, transactional_db, working_as
from tests.support.pooler import PROGRAM, can_prepare, pooled
from tests.support.registry import body

__all__ = ["transactional_db"]

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed (package pgbouncer).")
THREADS = 8
ROUNDS = 15


@pytest.fixture
def pooler(transactional_db, tmp_path) -> Iterator[str]:
    """The hub works as its own role, and all its threads share one connection to PostgreSQL."""
    options = connection.settings_dict["OPTIONS"]
    before = options["prepare_threshold"]
    with pooled(application_url(), tmp_path / "pgbouncer") as url:
        options["prepare_threshold"] = 1 if can_prepare() else None
        try:
            with working_as(url):
                yield url
                live.stop()
        finally:
            options["prepare_threshold"] = before


def declare(name: str, company_id: int | None) -> None:
    EventTypeDeclaration.objects.create(event_type=name, company_id=company_id, service_name="test")


def forge(company_id: int) -> None:
    """Write a row of a company past Django's own guard."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_eventtypedeclaration"
            " (event_type, service_name, company_id, description, created_at, updated_at)"
            " VALUES (gen_random_uuid(), 'test', %s, '', now(), now())",
            [company_id],
        )


def seen() -> set[int | None]:
    """Return whose rows PostgreSQL itself shows, whatever Django would filter."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT company_id FROM events_eventtypedeclaration")
        return {row[0] for row in cursor.fetchall()}


def who_serves() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def caller(number: int) -> tuple[Scope | None, set[int | None]]:
    """Return one of the scopes that take turns, and whose rows it sees."""
    mine = number % 4
    if mine == 0:
        return None, set()
    if mine == 1:
        return global_rows(), {None}
    return company(mine), {None, mine}


def test_scopes_that_take_turns_on_one_connection_never_see_anothers_rows(pooler, django_db_blocker):
    with use(system("test")):
        for company_id in (None, 2, 3):
            declare(f"of_{company_id}", company_id)
    together = Barrier(THREADS)

    def work(number: int) -> set[int]:
        scope, mine = caller(number)
        served = set()
        with django_db_blocker.unblock(), use(scope):
            together.wait(10)
            try:
                for turn in range(ROUNDS):
                    assert seen() == mine
                    with transaction.atomic():
                        assert seen() == mine
                        if scope is not None:
                            declare(f"by_{number}_{turn}", max(mine - {None}, default=None))
                        served.add(who_serves())
                        with use(system("in between")):
                            assert seen() == {None, 2, 3}
                        assert seen() == mine
                    with pytest.raises(DatabaseError, match="row-level security"):
                        forge(9)
            finally:
                connection.close()
        return served

    with ThreadPoolExecutor(THREADS) as threads:
        served = [done.result() for done in [threads.submit(work, number) for number in range(THREADS)]]
    assert len(set().union(*served)) == 1
    with use(system("test")):
        written = EventTypeDeclaration.objects.filter(event_type__startswith="by_")
        assert written.count() == ROUNDS * sum(caller(number)[0] is not None for number in range(THREADS))
        assert not EventTypeDeclaration.objects.filter(company_id=9).exists()


def test_nothing_stays_on_a_connection_that_goes_back(pooler):
    with use(company(2)):
        declare("kept", 2)
        with transaction.atomic():
            assert seen() == {2}
    with psycopg.connect(pooler, row_factory=namedtuple_row, prepare_threshold=None, autocommit=True) as stranger:
        settings = "coalesce(current_setting('xerpium.scope', true), '') AS scope"
        settings += ", coalesce(current_setting('xerpium.companies', true), '') AS companies"
        assert stranger.execute(f"SELECT {settings}").fetchone() == ("", "")
        assert stranger.execute("SELECT count(*) FROM events_eventtypedeclaration").fetchone() == (0,)


def test_what_is_prepared_or_sent_in_pipelines_is_so_for_one_transaction(pooler, django_db_blocker):
    """Registrations are both. Where PgBouncer forgets prepared statements, DATABASE_PREPARE=0 says so."""
    together = Barrier(4)

    def register(number: int) -> None:
        with django_db_blocker.unblock(), use(system("test")):
            try:
                for version in ("1.0.0", "1.1.0", "1.2.0"):
                    together.wait(10)
                    Api().register(body(f"service-{number}", number, version=version))
            finally:
                connection.close()

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(register, number) for number in range(4)]:
            done.result()
    with use(system("test")):
        assert Instance.objects.filter(version="1.2.0").count() == 4
        assert sealing.seal_all() == 12
