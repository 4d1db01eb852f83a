"""The role of the hub: what it may do in PostgreSQL, and as which roles the hub refuses to work."""

import datetime as dt
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.db.backends.signals import connection_created

from apps.core import audit, metrics, sealing
from apps.core.engines import free_port
from apps.core.management.commands import preparehub
from apps.core.postgres import refusing
from apps.core.postgres.grants import grants_ensure, grants_missing
from apps.core.postgres.roles import role_faults
from tests.support.database import (
    administrator_url,
    application_url,
    database_url,
    transactional_db,
    working_as,
)
from tests.support.running_hub import ROOT
from tests.support.wait import wait_until
from xerpium.celery import app as celery

__all__ = ["transactional_db"]

ROLE = "xerpium_app"
ALL = {"DELETE", "INSERT", "SELECT", "UPDATE"}


@contextmanager
def undone(url: str) -> Iterator[Any]:
    """Yield a cursor, and take back what is done with it."""
    with psycopg.connect(url) as server:
        yield server.cursor()
        server.rollback()


@pytest.fixture
def owner(django_db_setup: None) -> Iterator[Any]:
    with undone(database_url()) as cursor:
        yield cursor


@pytest.fixture
def administrator(django_db_setup: None) -> Iterator[Any]:
    with undone(administrator_url()) as cursor:
        yield cursor


class TestGrants:
    def test_migrating_has_given_all_rights_and_a_second_time_changes_none(self, owner):
        assert grants_missing(owner, role=ROLE) == []
        assert grants_ensure(owner, role=ROLE) == 0

    def test_what_the_hub_may_do_with_each_table(self, owner):
        owner.execute(
            "SELECT c.relname, c.relispartition, ARRAY(SELECT a.privilege_type::text FROM aclexplode(c.relacl) a"
            " WHERE a.grantee IN (0, %s::regrole::oid)) FROM pg_class c"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace",
            [ROLE],
        )
        rights = {name: (set(held), is_partition) for name, is_partition, held in owner.fetchall()}
        only_added = {"core_auditentry", "core_auditseal"}
        assert {name for name, (held, _) in rights.items() if held == {"INSERT", "SELECT"}} == only_added
        assert {name for name, (held, _) in rights.items() if held == {"SELECT"}} == {"django_migrations"}
        partitions = {name for name, (_, is_partition) in rights.items() if is_partition}
        assert {"events_journalentry_other", "registry_pollresult_other"} <= partitions
        assert all(rights[name][0] == set() for name in partitions)
        others = rights.keys() - only_added - partitions - {"django_migrations"}
        assert len(others) > 20
        assert [name for name in sorted(others) if rights[name][0] != ALL] == []

    def test_what_a_later_version_makes_gets_its_rights_and_only_these_are_set(self, owner):
        owner.execute(
            "CREATE TABLE later (id bigserial, at date) PARTITION BY RANGE (at);"
            "CREATE TABLE later_old PARTITION OF later DEFAULT;"
            "CREATE VIEW later_seen AS SELECT id FROM later;"
            "CREATE FUNCTION later_day(day date) RETURNS date LANGUAGE sql AS 'SELECT day';"
            f"GRANT TRUNCATE ON later_old TO {ROLE}"
        )
        missing = {"later", "later_id_seq", "later_old", "later_seen", "later_day(day date)"}
        assert set(grants_missing(owner, role=ROLE)) == missing
        assert grants_ensure(owner, role=ROLE) == len(missing)
        assert grants_ensure(owner, role=ROLE) == 0
        owner.execute(
            "SELECT has_table_privilege(%(role)s, 'later', 'INSERT'),"
            " has_sequence_privilege(%(role)s, 'later_id_seq', 'USAGE'),"
            " has_table_privilege(%(role)s, 'later_seen', 'SELECT'),"
            " has_table_privilege(%(role)s, 'later_old', 'SELECT, TRUNCATE'),"
            " has_function_privilege(%(role)s, 'later_day(date)', 'EXECUTE'),"
            " has_function_privilege('pg_monitor', 'later_day(date)', 'EXECUTE')",
            {"role": ROLE},
        )
        assert owner.fetchone() == (True, True, True, False, True, False)

    def test_too_many_rights_are_taken_away_from_everybody(self, owner):
        owner.execute(f"GRANT ALL ON core_auditentry TO {ROLE}; GRANT SELECT ON auth_user TO PUBLIC")
        assert sorted(grants_missing(owner, role=ROLE)) == ["auth_user", "core_auditentry"]
        assert grants_ensure(owner, role=ROLE) == 2
        owner.execute("SELECT has_table_privilege(%s, 'core_auditentry', 'UPDATE, DELETE, TRUNCATE')", [ROLE])
        assert owner.fetchone() == (False,)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE core_auditentry SET action = ''",
            "DELETE FROM core_auditentry",
            "TRUNCATE core_auditentry, core_auditpending",
            "UPDATE core_auditseal SET hash = ''",
            "DELETE FROM core_auditseal",
            "ALTER TABLE core_auditentry DISABLE TRIGGER core_audit_refuse",
            "ALTER TABLE registry_service NO FORCE ROW LEVEL SECURITY",
            "CREATE POLICY mine ON registry_service USING (true)",
            "SELECT FROM events_journalentry_other",
            "SELECT FROM registry_pollresult_other",
            "DROP TABLE events_journalentry_other",
            "CREATE TABLE mine (id int)",
            "CREATE TEMPORARY TABLE registry_service (id int)",
            "CREATE FUNCTION format(text, text) RETURNS text LANGUAGE sql AS 'SELECT 1'",
            "DELETE FROM django_migrations",
            "TRUNCATE registry_service CASCADE",
            "SET ROLE xerpium",
        ],
    )
    def test_the_hub_itself_may_not(self, django_db_setup, statement):
        with undone(application_url()) as cursor, pytest.raises(psycopg.errors.InsufficientPrivilege):
            cursor.execute(statement)

    def test_everything_that_the_hub_does_by_itself_works_as_its_role(self, transactional_db):
        with working_as(application_url()):
            with transaction.atomic():
                audit.record("test.done", "test", "1", company_id=7)
            assert sealing.seal_all() == 1
            with connection.cursor() as cursor:
                for table in ("events_journal", "registry_pollresult"):
                    day = dt.date(2031, 5, 1)
                    cursor.execute(f"SELECT {table}_partition(%s)", [day])
                    cursor.execute(f"SELECT {table}_drop(%s), {table}_drop(%s)", [day, day])
                    assert cursor.fetchone() == (True, False)
            celery.loader.import_default_modules()
            ours = sorted(row["task"] for row in celery.conf.beat_schedule.values())
            assert len(ours) > 10
            for name in ours:
                celery.tasks[name]()

    def test_nothing_is_missing_from_the_metrics(self, transactional_db):
        def names() -> set[str]:
            return set(re.findall(r"^# TYPE (\w+)", metrics.exposition().decode(), re.MULTILINE))

        as_owner = names()
        with working_as(application_url()):
            assert names() >= as_owner
        assert "xerpium_journal_entries_total" in as_owner


class TestUnfitRoles:
    """Each fault in a transaction that is taken back: nobody else ever sees these roles."""

    @pytest.mark.parametrize(
        ("made", "number", "words"),
        [
            ("ALTER ROLE unfit SUPERUSER", "E001", "unfit, a superuser"),
            ("ALTER ROLE unfit BYPASSRLS", "E002", "has BYPASSRLS"),
            ("ALTER TABLE registry_service OWNER TO unfit", "E003", "owns registry_service and may switch"),
            ("ALTER TABLE django_session OWNER TO unfit", "E003", "owns django_session and may switch"),
            ("GRANT xerpium TO unfit", "E004", "may act as xerpium, for which"),
            ("GRANT xerpium TO unfit WITH INHERIT FALSE, SET FALSE", "E004", "may act as xerpium, for which"),
            ("CREATE ROLE between; GRANT postgres TO between; GRANT between TO unfit", "E004", "may act as postgres"),
            ("GRANT pg_write_server_files TO unfit", "E004", "may act as pg_write_server_files"),
            ("ALTER ROLE unfit CREATEROLE", "E005", "has CREATEROLE or REPLICATION"),
            ("ALTER ROLE unfit REPLICATION", "E005", "has CREATEROLE or REPLICATION"),
            (
                "ALTER TABLE registry_service NO FORCE ROW LEVEL SECURITY",
                "E006",
                "table registry_service holds rows of",
            ),
            ("ALTER TABLE registry_service DISABLE ROW LEVEL SECURITY", "E006", "table registry_service holds rows of"),
            ("DROP ROLE unfit", "E009", "as unfit, and there is no such role"),
            ("GRANT CREATE ON SCHEMA public TO unfit", "E010", "may make objects in the schema"),
        ],
    )
    def test_has_a_number_and_says_what_to_do(self, administrator, made, number, words):
        administrator.execute("CREATE ROLE unfit LOGIN")
        assert role_faults(administrator, role="unfit") == []
        administrator.execute(made)
        (fault,) = role_faults(administrator, role="unfit")
        assert fault.id == f"core.{number}"
        assert words in fault.message
        assert any(setting in fault.message + fault.hint for setting in ("DATABASE_URL", "DATABASE_MIGRATION_URL"))

    def test_several_faults_are_told_at_once(self, administrator):
        administrator.execute("CREATE ROLE unfit BYPASSRLS CREATEROLE")
        assert [fault.id for fault in role_faults(administrator, role="unfit")] == ["core.E002", "core.E005"]

    def test_who_hides_behind_set_role_is_found(self, administrator):
        administrator.execute(f"SET ROLE {ROLE}")
        assert [fault.id for fault in role_faults(administrator)] == ["core.E001"]

    def test_the_preparation_says_it_before_anybody_starts(self, transactional_db, settings):
        preparehub.require_fit_role()
        settings.DATABASE_URL = database_url()
        with pytest.raises(CommandError, match=r"connects as xerpium, which owns .* \(core\.E003\)\n.*CREATE ROLE"):
            preparehub.require_fit_role()
        settings.DATABASE_URL = "postgresql://127.0.0.1/xerpium"
        with pytest.raises(CommandError, match="DATABASE_URL names no role"):
            preparehub.require_fit_role()

    def test_migrating_as_the_role_of_the_hub_names_the_setting(self, transactional_db):
        with working_as(application_url()), pytest.raises(CommandError, match="set DATABASE_MIGRATION_URL to the role"):
            call_command("migrate", stdout=io.StringIO())

    def test_the_checks_tell_of_the_role_and_of_its_rights(self, transactional_db, settings):
        with pytest.raises(Exception, match=r"core\.E003"):
            call_command("check", databases=["default"], stdout=io.StringIO(), stderr=io.StringIO())
        said = io.StringIO()
        with psycopg.connect(database_url(), autocommit=True) as owner:
            owner.execute(f"REVOKE UPDATE ON registry_service FROM {ROLE}")
            try:
                with working_as(application_url()):
                    call_command("check", databases=["default"], stdout=io.StringIO(), stderr=said)
            finally:
                owner.execute(f"GRANT UPDATE ON registry_service TO {ROLE}")
        assert "core.W001" in said.getvalue()
        assert "registry_service" in said.getvalue()


ENTRANCES = {
    "web": ["-c", "import xerpium.asgi"],
    "worker": ["-m", "celery", "-A", "xerpium", "worker", "--pool", "solo"],
    "beat": ["-m", "celery", "-A", "xerpium", "beat"],
    "consumer": ["manage.py", "consume_events", "--once"],
    "relay": ["manage.py", "relay_events", "--once"],
}


@pytest.mark.timeout(120)
def test_no_process_of_the_hub_works_as_the_owner(transactional_db):
    environment = {**os.environ, "DEBUG": "1", "DATABASE_URL": database_url(), "LOG_LEVEL": "ERROR"}
    environment["DJANGO_SETTINGS_MODULE"] = "xerpium.settings"
    started = {
        name: subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        for name, arguments in ENTRANCES.items()
    }
    said = {name: process.communicate(timeout=60)[1].decode() for name, process in started.items()}
    assert {name: process.returncode for name, process in started.items()} == dict.fromkeys(ENTRANCES, 1), said
    for name, words in said.items():
        assert "The hub does not start:" in words, name
        assert "connects as xerpium, which owns" in words, name
        assert "core.E003" in words, name
        assert "Traceback" not in words, words


class TestPostgresAwayAtTheStart:
    @pytest.fixture(autouse=True)
    def unanswered(self, transactional_db, monkeypatch, settings) -> Iterator[None]:
        self.killed: list[int] = []
        monkeypatch.setattr(refusing, "PAUSE_SECONDS", 0.02)
        monkeypatch.setattr(refusing.os, "kill", lambda _, number: self.killed.append(number))
        self.settings, self.fit = settings, application_url()
        away = f"postgresql://{ROLE}@127.0.0.1:{free_port()}/xerpium"
        settings.DATABASE_URL = settings.DATABASE_DIRECT_URL = away
        refusing._fit.clear()
        yield
        refusing._fit.set()
        # A thread that is still judging would end this process once `os.kill` is the real one again.
        for thread in threading.enumerate():
            if thread.name == "database-role":
                thread.join(10)
        connection_created.disconnect(dispatch_uid="apps.core.postgres.refusing")

    def comes_back_as(self, url: str) -> None:
        self.settings.DATABASE_DIRECT_URL = url
        self.settings.DATABASE_URL = url

    def test_the_hub_goes_on_and_works_once_it_answers(self):
        refusing.refuse_unfit_role()
        self.comes_back_as(self.fit)
        wait_until(refusing._fit.is_set, 10, "the role to be judged")
        assert self.killed == []

    def test_no_connection_is_used_before_the_role_is_judged(self):
        refusing.refuse_unfit_role()
        connection.close()
        with pytest.raises(OperationalError, match=r"core\.E003"):
            connection.ensure_connection()
        with working_as(self.fit):
            connection.ensure_connection()

    def test_an_unfit_role_ends_the_process(self, capfd):
        refusing.refuse_unfit_role()
        self.comes_back_as(database_url())
        wait_until(lambda: self.killed == [signal.SIGTERM], 10, "the process to end itself")
        assert "which owns" in capfd.readouterr().err
