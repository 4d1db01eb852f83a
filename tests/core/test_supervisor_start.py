"""What `runhub` checks before it starts anything, and what it leaves in its data directory."""

import errno
import os
import resource
import socket
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest

from apps.core.engines import StartError
from apps.core.supervisor import listener, main
from apps.core.supervisor.directory import DataDirectory, unusable
from apps.core.supervisor.fingerprint import fingerprint
from apps.core.supervisor.report import table, without_password
from xerpium.env import env_secrets


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_data_directory_and_its_files_are_private(tmp_path):
    data = DataDirectory(tmp_path / "a" / "b")
    data.write("hub.env", "HUB_URL=x\n")
    data.secret("key")
    assert mode(data.path) == 0o700
    assert {mode(path) for path in data.path.iterdir()} == {0o600}


def test_a_directory_that_is_too_open_is_closed(tmp_path):
    tmp_path.chmod(0o755)
    DataDirectory(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_directory_that_holds_other_files_is_left_as_it_is(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(StartError, match=r"HUB_DATA_DIR=.* holds other files"):
        DataDirectory(tmp_path)
    assert mode(tmp_path) == 0o755


def test_a_directory_in_use_names_the_hub_that_uses_it(tmp_path):
    holder = DataDirectory(tmp_path)
    with pytest.raises(StartError) as caught:
        DataDirectory(tmp_path)
    assert str(caught.value) == (
        f"HUB_DATA_DIR={tmp_path} is in use by a hub that is running (process id {os.getpid()}): stop that one, or set "
        "HUB_DATA_DIR to another directory."
    )
    del holder


def test_a_hub_that_was_killed_does_not_keep_its_directory(tmp_path):
    script = "import os, sys; from pathlib import Path; from apps.core.supervisor.directory import DataDirectory\n"
    script += "data = DataDirectory(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert (tmp_path / "hub.lock").read_text() not in ("", str(os.getpid()))
    DataDirectory(tmp_path)
    assert (tmp_path / "hub.lock").read_text() == str(os.getpid())


def test_a_path_that_is_a_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"HUB_DATA_DIR=.*/file cannot be used \(File exists\).*another directory"):
        DataDirectory(tmp_path / "file")


def test_a_full_disk_is_one_sentence_with_the_setting(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(unusable(tmp_path, full)) == (
        f"HUB_DATA_DIR={tmp_path} cannot be used (No space left on device): make room or mend its permissions, or set "
        "HUB_DATA_DIR to another directory."
    )


def test_a_secret_is_made_up_once(tmp_path):
    data = DataDirectory(tmp_path)
    first = data.secret("key")
    assert len(first) > 40
    assert data.secret("key") == first != data.secret("other")


def test_writing_replaces_whole_files(tmp_path):
    data = DataDirectory(tmp_path)
    (tmp_path / "hub.env.new").write_text("left by a crash")
    for content in ("one\n", "two\n"):
        data.write("hub.env", content)
        assert data.read("hub.env") == content
    data.remove("hub.env")
    data.remove("hub.env")
    assert data.read("hub.env") == ""


def test_a_taken_port_is_one_sentence_with_the_setting():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartError) as caught:
        listener.listen("127.0.0.1", taken.getsockname()[1])
    assert str(caught.value) == (
        f"HUB_BIND=127.0.0.1 HUB_PORT={taken_port(caught)}: another program listens there: stop it, or set HUB_PORT to "
        "a free port."
    )


def taken_port(caught) -> str:
    return str(caught.value).partition("HUB_PORT=")[2].partition(":")[0]


@pytest.mark.parametrize(
    ("bind", "words"), [("192.0.2.1", "HUB_BIND to one it has"), ("no.such.host.invalid", "HUB_BIND")]
)
def test_an_address_that_is_not_this_machines_is_refused(bind, words):
    with pytest.raises(StartError, match=words):
        listener.listen(bind, 0)


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("192.0.2.7", "http://192.0.2.7:8000"),
    ],
)
def test_the_address_for_programs_on_this_machine(bind, url):
    assert listener.base_url(bind, 8000) == url


def test_a_web_server_answers_only_with_200():
    for status, expected in ((200, True), (503, False)):
        with listener.listen("127.0.0.1", 0) as server:
            script = f"import socket; s = socket.socket(fileno={server.fileno()}); c, _ = s.accept(); c.recv(999)\n"
            script += f"c.sendall(b'HTTP/1.1 {status} x\\r\\n\\r\\n')"
            with subprocess.Popen([sys.executable, "-S", "-c", script], pass_fds=[server.fileno()]):
                assert listener.answers("127.0.0.1", server.getsockname()[1], "/health/live") is expected


def test_nobody_there_is_no_answer():
    with listener.listen("127.0.0.1", 0) as server:
        port = server.getsockname()[1]
    assert listener.answers("127.0.0.1", port, "/") is False


def test_passwords_are_not_shown():
    assert (
        without_password("postgresql://xerpium:secret@127.0.0.1:5/xerpium")
        == "postgresql://xerpium@127.0.0.1:5/xerpium"
    )
    assert without_password("redis://:secret@127.0.0.1:6/0") == "redis://127.0.0.1:6/0"
    assert without_password("redis://127.0.0.1:6/0") == "redis://127.0.0.1:6/0"
    assert "secret" not in without_password("redis+sentinel://u:secret@a,b:26379/master/0")


def test_the_table_has_one_column_for_the_texts():
    assert table("Up.", [("A", "x"), ("Long", "y")]) == "\n  Up.\n\n  A     x\n  Long  y\n"


def test_the_fingerprint_follows_the_migrations(tmp_path):
    migration = tmp_path / "apps" / "one" / "migrations" / "0001_initial.py"
    migration.parent.mkdir(parents=True)
    (tmp_path / "requirements.txt").touch()
    seen = {fingerprint(tmp_path, ["one"]), fingerprint(tmp_path, ["one", "two"])}
    migration.write_text("# one")
    seen.add(fingerprint(tmp_path, ["one"]))
    migration.write_text("# two")
    seen.add(fingerprint(tmp_path, ["one"]))
    (tmp_path / "requirements.txt").write_text("django==6")
    seen.add(fingerprint(tmp_path, ["one"]))
    assert len(seen) == 5
    assert fingerprint(tmp_path, ["one"]) in seen


@pytest.fixture
def clean_environment(monkeypatch):
    for name in ("DATABASE_URL", "DATABASE_MIGRATION_URL", "REDIS_URL", "SECRET_KEY", "KEY_PEPPERS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_only_engines_that_the_environment_does_not_name_are_started(tmp_path, clean_environment):
    data = DataDirectory(tmp_path)
    assert [engine.name for engine in main.embedded_engines(data)] == ["postgres", "redis"]
    clean_environment.setenv("REDIS_URL_FILE", "/run/secrets/redis")
    assert [engine.name for engine in main.embedded_engines(data)] == ["postgres"]
    clean_environment.setenv("DATABASE_URL", "postgresql://elsewhere/x")
    assert main.embedded_engines(data) == []


def test_who_knows_one_engines_password_knows_no_other(tmp_path, clean_environment):
    postgres, redis = main.embedded_engines(DataDirectory(tmp_path))
    assert len({postgres.password, postgres.application_password, redis.password}) == 3


def test_secrets_that_the_environment_does_not_name_are_made_up_once(tmp_path, clean_environment):
    data = DataDirectory(tmp_path)
    made = main.made_up_secrets(data)
    assert made == main.made_up_secrets(data)
    assert made["SECRET_KEY"] != made["KEY_PEPPERS"].removeprefix("1:")
    clean_environment.setenv("KEY_PEPPERS", f"1:{'x' * 32}")
    assert set(main.made_up_secrets(data)) == {"SECRET_KEY"}
    assert len(env_secrets("KEY_PEPPERS", made["KEY_PEPPERS"])) == 1
    clean_environment.setenv("SECRET_KEY_FILE", "/run/secrets/key")
    assert main.made_up_secrets(data) == {}


def test_the_parts_get_addresses_and_secrets_but_no_password_of_the_operator_or_the_owner(tmp_path, clean_environment):
    for name in ("HUB_ADMIN_PASSWORD", "DATABASE_MIGRATION_URL_FILE", "XERPIUM_SERVICE_KEY"):
        clean_environment.setenv(name, "known to few")
    added = {"REDIS_URL": "redis://here", "SECRET_KEY": "made up"}
    environment = main.hub_environment(DataDirectory(tmp_path), added)
    assert added.items() <= environment.items()
    assert "known to few" not in environment.values()


def test_the_owner_is_that_of_our_own_engine_or_the_one_that_the_environment_names(tmp_path, clean_environment):
    clean_environment.setenv("DATABASE_MIGRATION_URL_FILE", "/run/secrets/owner")
    engines = main.embedded_engines(DataDirectory(tmp_path))
    assert main.owner_environment(engines) == {"DATABASE_MIGRATION_URL": engines[0].owner_url}
    assert main.owner_environment(engines[1:]) == {"DATABASE_MIGRATION_URL_FILE": "/run/secrets/owner"}


def test_children_may_open_as_many_files_as_the_system_allows():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        main.raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(before[1], main.MOST_OPEN_FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_start_that_fails_is_one_line_and_an_exit_code(tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.txt").touch()
    monkeypatch.setattr(main, "settings", SimpleNamespace(HUB_DATA_DIR=tmp_path))
    assert main.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"runhub: HUB_DATA_DIR={tmp_path} holds other files: set it to a directory of the hub's own.\n"
