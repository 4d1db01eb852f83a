"""PostgreSQL and Redis from their wheels, as the hub and these tests start them."""

import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import redis

from apps.core.engines import Postgres, Redis, StartError, base, free_port, ports
from apps.core.engines import postgres as postgres_module
from tests.support.engines import started, stop
from tests.support.wait import wait_until

PASSWORD = "a-password"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Path:
    """Where a PostgreSQL cluster lies, at the end of a path that is too long for a socket file."""
    directory = tmp_path_factory.mktemp("engines") / ("long-" * 30)
    directory.mkdir()
    Postgres(directory / "postgres", free_port(), PASSWORD, durable=False).prepare()
    return directory / "postgres"


@pytest.fixture
def postgres(cluster) -> Postgres:
    return Postgres(cluster, free_port(), PASSWORD, durable=False)


def query(engine: Postgres, statement: str) -> object:
    with psycopg.connect(engine.url, autocommit=True) as connection:
        return connection.execute(statement).fetchone()[0]


def roles(engine: Postgres) -> dict[str, tuple[bool, ...]]:
    """Return which roles there are, and whether each is a superuser, sees all rows, makes databases, makes roles."""
    with psycopg.connect(engine.url) as connection:
        rows = connection.execute("SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles")
        return {name: tuple(rights) for name, *rights in rows if name.startswith("xerpium")}


def test_the_hubs_roles_are_no_superusers_and_its_database_is_utf_8(postgres):
    with started(postgres):
        assert roles(postgres) == {
            "xerpium": (False, False, True, False),
            "xerpium_app": (False, False, False, False),
        }
        with psycopg.connect(postgres.owner_url) as owner, pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("SET ROLE xerpium_app")
        assert query(postgres, "SHOW server_encoding") == "UTF8"
        assert query(postgres, "SHOW timezone") == "UTC"


def test_postgres_takes_nobody_without_the_password(postgres):
    with started(postgres):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(postgres.owner_url.replace(PASSWORD, "guess"))
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(postgres.owner_url.replace("xerpium:", "postgres:").replace(PASSWORD, ""))


def test_who_knows_the_application_roles_password_does_not_know_the_owners(postgres):
    assert PASSWORD not in postgres.url
    with started(postgres):
        for role in ("xerpium", "postgres"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(postgres.url.replace("xerpium_app:", f"{role}:"))


def test_a_data_directory_of_an_earlier_version_gets_the_application_role(postgres):
    with started(postgres) as process:
        before = roles(postgres)
        process.kill()  # so that the role has to be made over a recovery
        process.wait()
    (postgres.directory / "postmaster.pid").unlink()
    single = [postgres_module.binary("postgres"), "--single", "-D", str(postgres.directory), "postgres"]
    drop = "DROP ROLE xerpium_app\n"
    subprocess.run(base.as_stand_in(single), input=drop, text=True, check=True, capture_output=True)
    (postgres.directory / postgres_module.ROLES).unlink()
    with started(postgres):
        assert roles(postgres) == before


def test_the_role_is_made_once(postgres, monkeypatch):
    postgres.prepare()
    monkeypatch.setattr(postgres_module, "binary", lambda name: "/bin/false")
    postgres.prepare()


def test_a_statement_that_fails_is_no_silent_success(postgres):
    with pytest.raises(StartError, match='role "nobody" does not exist'):
        postgres_module._run_alone(postgres.directory, ["ALTER ROLE nobody LOGIN"])


def test_a_killed_postgres_starts_again_with_what_it_had_committed(postgres):
    postgres = replace(postgres, durable=True)
    with started(postgres) as process:
        query(postgres, "SELECT lo_from_bytea(4711, 'kept')")
        process.kill()
        process.wait()
    with started(postgres):
        assert query(postgres, "SELECT lo_get(4711)") == b"kept"


def test_a_pid_file_whose_number_now_belongs_to_another_process_does_not_stop_the_start(postgres):
    with started(postgres) as process:
        pid_file = postgres.directory / "postmaster.pid"
        content = pid_file.read_text()
        process.kill()
        process.wait()
    # PostgreSQL believes a pid file whose number is a living process of its own user.
    with subprocess.Popen(base.as_stand_in(["sleep", "60"])) as stranger:
        pid_file.write_text(content.replace(str(process.pid), str(stranger.pid), 1))
        try:
            with started(postgres):
                assert query(postgres, "SELECT 1") == 1
        finally:
            stranger.kill()


@pytest.mark.parametrize("kind", [Postgres, Redis])
def test_a_server_that_a_killed_hub_left_behind_is_ended_first(kind, tmp_path):
    engine = kind(tmp_path / "engine", free_port(), PASSWORD, durable=False)
    with started(engine) as left_behind:
        kind(engine.directory, free_port(), PASSWORD, durable=False).prepare()
        assert left_behind.wait(0) == 0
        assert not engine.answers()


def test_a_server_that_does_not_end_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "PREDECESSOR_SECONDS", 0.05)
    engine = Redis(tmp_path / "redis", free_port(), PASSWORD)
    with started(engine) as left_behind:
        left_behind.send_signal(signal.SIGSTOP)
        with pytest.raises(StartError, match=rf"in use by process {left_behind.pid}.*HUB_DATA_DIR"):
            engine.prepare()
        left_behind.send_signal(signal.SIGCONT)


def test_an_interrupted_first_start_is_made_good(tmp_path):
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18")
    engine = Postgres(tmp_path / "postgres", free_port(), PASSWORD, durable=False)
    with started(engine):
        assert query(engine, "SELECT 1") == 1


def test_another_versions_cluster_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "PG_VERSION").write_text("15\n")
    with pytest.raises(StartError, match=r"written by PostgreSQL 15 and the installed one is 18.*HUB_DATA_DIR"):
        Postgres(tmp_path, free_port(), PASSWORD).prepare()


def test_a_cluster_that_cannot_be_made_names_the_setting(tmp_path, monkeypatch):
    monkeypatch.setattr("apps.core.engines.postgres.binary", lambda name: "/bin/false")
    with pytest.raises(StartError, match=r"could not be made \(exit code 1\).*HUB_DATA_DIR.*DATABASE_URL"):
        Postgres(tmp_path / "postgres", free_port(), PASSWORD).prepare()
    assert not (tmp_path / "postgres").exists()


def test_redis_asks_for_the_password_and_keeps_it_out_of_the_command_line(tmp_path):
    engine = Redis(tmp_path / "redis", free_port(), PASSWORD)
    with started(engine):
        assert base.exchange(engine.port, b"PING\r\n").startswith(b"-NOAUTH")
        assert PASSWORD not in " ".join(engine.command())
        assert stat.S_IMODE((engine.directory / "redis.conf").stat().st_mode) == 0o600


def test_redis_keeps_its_data_over_a_restart(tmp_path):
    for expected in (None, b"value"):
        engine = Redis(tmp_path / "redis", free_port(), PASSWORD)
        with started(engine), redis.Redis.from_url(engine.url) as connection:
            assert connection.get("key") == expected
            connection.set("key", "value")


def test_a_killed_redis_comes_back_with_what_was_written_a_second_ago(tmp_path):
    engine = Redis(tmp_path / "redis", free_port(), PASSWORD)
    with started(engine) as process:
        with redis.Redis.from_url(engine.url) as connection:
            connection.set("key", "value")
            wait_until(
                lambda: connection.info("persistence")["aof_pending_bio_fsync"] == 0, 5, "the write to be on disk"
            )
        process.kill()
        process.wait()
    with started(engine), redis.Redis.from_url(engine.url) as connection:
        assert connection.get("key") == b"value"


def test_an_engine_does_not_outlive_a_parent_that_was_killed(tmp_path):
    engine = Redis(tmp_path / "redis", free_port(), PASSWORD)
    engine.prepare()
    popen = "subprocess.Popen(sys.argv[1:], stdout=sys.stderr)"  # it says something, too
    script = f"import subprocess, sys, time; print({popen}.pid, flush=True); time.sleep(60)"
    command = base.as_stand_in(base.bound_to_parent(engine.command(), engine.stop_signal))
    parent = subprocess.Popen([sys.executable, "-c", script, *command], cwd=engine.directory, stdout=subprocess.PIPE)
    with parent:
        pid = int(parent.stdout.readline())
        wait_until(engine.answers, 5, "Redis to answer")
        parent.kill()
        wait_until(lambda: not is_running(pid), 5, "Redis to follow its parent")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_stop_ends_a_server_that_does_not_listen_to_its_signal(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.engines.STOP_SECONDS", 0.05)
    engine = Redis(tmp_path / "redis", free_port(), PASSWORD)
    with started(engine) as process:
        process.send_signal(signal.SIGSTOP)
        stop(process, engine)
        assert process.returncode == -signal.SIGKILL


def test_a_missing_wheel_is_one_sentence_with_the_setting():
    with pytest.raises(StartError) as caught:
        base.wheel_directory("no_such_package", "no-such-wheel", "REDIS_URL")
    assert str(caught.value) == (
        "The Python package no-such-wheel is not installed: run `pip install -r requirements.txt`, or set REDIS_URL to "
        "a server of your own."
    )


@as_root
def test_the_stand_in_is_not_root_and_passes_closed_directories(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "program").touch(mode=0o700)
    script = f"id -u && id -G && test -x {tmp_path}/closed/program && echo passes"
    done = subprocess.run(base.as_stand_in(["sh", "-c", script]), capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(base.STAND_IN_UID), str(base.STAND_IN_GID), "passes"]


@as_root
def test_root_without_setpriv_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(StartError, match=r"util-linux.*ordinary user.*DATABASE_URL"):
        base.as_stand_in(["postgres"])


def test_the_preferred_port_is_taken_when_it_is_free_and_another_when_it_is_not():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(preferred=port) in ports.CANDIDATES
    assert free_port(preferred=port) == port
    assert free_port() in ports.CANDIDATES


def test_no_free_port_at_all_is_said(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(StartError, match=r"No free port.*DATABASE_URL"):
        free_port()
