"""The table of what `runhub` runs. Pure: it names commands and probes, and starts nothing."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.core.engines import Engine


@dataclass(frozen=True)
class Part:
    """One process of the hub: how it is started, how it is seen to answer, how it is stopped."""

    name: str
    command: list[str]
    cwd: Path
    hint: str
    """What to look at when it does not start; the end of a sentence that begins with "Look at"."""
    environment: Mapping[str, str] = field(default_factory=dict)
    answers: Callable[[], bool] | None = None
    """A question that it answers once it works; may block for a second."""
    ready_line: str = ""
    """Or the words in its output that say so."""
    inherits: tuple[int, ...] = ()
    """Open file descriptors handed to it."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 8.0
    last_signal: signal.Signals = signal.SIGKILL
    """What it gets from the kernel when the supervisor itself was killed."""
    is_engine: bool = False


@dataclass(frozen=True)
class Example:
    """An example service: its folder in examples/ and where it will listen."""

    folder: str
    port: int


@dataclass(frozen=True)
class Site:
    """Everything about this machine and this start that the table depends on."""

    base: Path
    url: str
    """The hub's address for programs on this machine."""
    database_url: str
    redis_url: str
    environment: Mapping[str, str]
    """What every process of the hub gets: the caller's environment, the addresses of the engines, the secrets."""
    listener: int
    """The file descriptor of the listening socket. The supervisor owns it, so that the port stays the hub's and callers
    wait instead of being refused while the web server starts again."""
    web_answers: Callable[[], bool]
    examples: tuple[Example, ...] = ()


def engine(server: Engine) -> Part:
    """Return PostgreSQL or Redis as a part."""
    return Part(
        name=server.name,
        command=server.command(),
        cwd=server.directory,
        environment=os.environ,
        answers=server.answers,
        hint=f"the disk and the permissions of {server.directory}; HUB_DATA_DIR names another place for it",
        stop_signal=server.stop_signal,
        stop_seconds=20.0,
        last_signal=server.stop_signal,
        is_engine=True,
    )


def preparation(site: Site, admin_password: str) -> Part:
    """Return the process that brings the database up to date and then ends."""
    environment = {**site.environment, "HUB_ADMIN_PASSWORD": admin_password}
    return Part("prepare", _manage("preparehub"), site.base, "DATABASE_URL and REDIS_URL", environment)


def web(site: Site) -> Part:
    """Return the web server: one process, the edge and Django in it."""
    return Part(
        "web",
        [sys.executable, "-m", "xerpium.serve", "--fd", str(site.listener)],
        site.base,
        "what `python manage.py check` says",
        site.environment,
        answers=site.web_answers,
        inherits=(site.listener,),
    )


def background(site: Site) -> list[Part]:
    """Return what works behind the web server, in the order of starting; stopped from the last to the first."""
    celery = [sys.executable, "-m", "celery", "-A", "xerpium"]
    pool = ["--pool", "threads", "--concurrency", "6", "--without-gossip", "--without-mingle"]
    environment, base = site.environment, site.base
    return [
        Part("relay", _manage("relay_events"), base, _ENGINES, environment, ready_line="is now running"),
        Part("consumer", _manage("consume_events"), base, _ENGINES, environment, ready_line="is now running"),
        Part(
            "worker",
            [*celery, "worker", *pool, "--loglevel", "info"],
            base,
            _ENGINES,
            environment,
            ready_line=" ready.",
        ),
        Part("beat", [*celery, "beat", "--loglevel", "info"], base, _ENGINES, environment, ready_line="is starting."),
    ]


def examples(site: Site) -> list[Part]:
    """Return the example services."""
    return [_example(site, example) for example in site.examples]


def _example(site: Site, example: Example) -> Part:
    name = example.folder.removesuffix("_service")
    command = [sys.executable, "-m", "uvicorn", f"{example.folder}.main:app", "--port", str(example.port)]
    return Part(
        name,
        [*command, "--no-access-log", "--timeout-graceful-shutdown", "3"],
        site.base / "examples",
        f"examples/{example.folder}; DEMO=0 leaves the example services out",
        {**_without_secrets(site.environment), "HUB_URL": site.url, "PORT": str(example.port)},
        ready_line="Application startup complete",
    )


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a service may see of the hub's environment: it is a stranger that speaks to the hub's API."""
    return {name: value for name, value in environment.items() if not name.startswith(("DATABASE_URL", "SECRET_KEY"))}


_ENGINES = "whether PostgreSQL and Redis answer; DATABASE_URL and REDIS_URL say where they are"


def _manage(command: str) -> list[str]:
    return [sys.executable, "manage.py", command]
