"""The engines of the test run, as a pytest plugin: `-p tests.support.engines` loads it before Django reads settings.

PostgreSQL and Redis start once per run, from their wheels, in a temporary directory and on ports of their own; under
xdist the controller starts them. pytest-django gives each worker a database, this plugin gives it a Redis database.
With DATABASE_URL or REDIS_URL set, that server is used instead; the Redis database it names has to be empty. The tests
work as the owner of their tables (DATABASE_MIGRATION_URL): forced, row-level security counts for it as well. Processes
that they start are the hub's, and work as the role of DATABASE_URL.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from apps.core.engines import Engine, Postgres, Redis, free_port
from apps.core.engines.base import as_stand_in, bound_to_parent
from tests.support.wait import wait_until

PASSWORD = "tests"
START_SECONDS = 30
STOP_SECONDS = 10
OWN_REDIS = "XERPIUM_TESTS_OWN_REDIS"
ENGINES = pytest.StashKey[list[Engine]]()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Put the engines' addresses into the environment; a wrapper, because pytest-django reads settings in this hook."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        os.environ["REDIS_URL"] = redis_database(os.environ["REDIS_URL"], int(worker.removeprefix("gw")))
    else:
        early_config.stash[ENGINES] = choose_engines(Path(tempfile.gettempdir()))
    return (yield)


def choose_engines(parent: Path) -> list[Engine]:
    """Return the engines that the environment does not name, and name them there."""
    chosen: list[Engine] = []
    directory = parent / f"xerpium-tests-{secrets.token_hex(6)}"
    if not os.environ.get("DATABASE_URL"):
        postgres = Postgres(directory / "postgres", free_port(), PASSWORD, max_connections=300, durable=False)
        chosen.append(postgres)
        os.environ |= {"DATABASE_URL": postgres.url, "DATABASE_MIGRATION_URL": postgres.owner_url}
    if not os.environ.get("REDIS_URL"):
        chosen.append(Redis(directory / "redis", free_port(), PASSWORD, databases=64, durable=False))
        os.environ["REDIS_URL"] = chosen[-1].url
        os.environ[OWN_REDIS] = "1"
    return chosen


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the engines, before xdist starts its workers; they end with the run, also after Ctrl-C."""
    engines = session.config.stash.get(ENGINES, [])
    if not engines or session.config.option.collectonly:
        return
    running = ExitStack()
    session.config.add_cleanup(running.close)
    directory = engines[0].directory.parent
    directory.mkdir(mode=0o700)
    running.callback(shutil.rmtree, directory)
    for engine in engines:
        running.enter_context(started(engine))


@contextmanager
def started(engine: Engine) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``engine`` until the block ends; its directory's parent has to exist. Yields the server's process."""
    engine.prepare()
    command = as_stand_in(bound_to_parent(engine.command(), engine.stop_signal))
    with open(engine.directory / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=engine.directory, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: engine.answers() or process.poll() is not None, START_SECONDS, f"{engine.name} to answer")
        if process.poll() is not None:
            pytest.exit(f"{engine.name} ended:\n{(engine.directory / 'log').read_text()}", returncode=1)
        yield process
    finally:
        stop(process, engine)


def stop(process: subprocess.Popen[bytes], engine: Engine) -> None:
    """End a server and wait until it is gone."""
    if process.poll() is None:
        process.send_signal(engine.stop_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def redis_database(url: str, offset: int) -> str:
    """Return ``url`` with its database number raised by ``offset``."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + offset}"))
