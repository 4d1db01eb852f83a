"""The table of what `runhub` runs. Pure: it names commands and probes, and starts nothing."""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    level: int = 0
    """A part needs what is below its level, so the highest is stopped first; what has one level stops together."""
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

    @property
    def service(self) -> str:
        """The name under which it registers."""
        return self.folder.replace("_", "-")


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
    owner: Mapping[str, str]
    """What the preparation gets besides: how it connects as the owner of the tables."""
    listener: int
    """The file descriptor of the listening socket. The supervisor owns it, so that the port stays the hub's and callers
    wait instead of being refused while the web server starts again."""
    web_answers: Callable[[], bool]
    examples: tuple[Example, ...] = ()


def engines(servers: Sequence[Engine]) -> list[Part]:
    """Return the engines in the order of starting: PostgreSQL, then Redis."""
    return [_engine(server, level) for level, server in enumerate(servers)]


def preparation(site: Site, admin_password: str) -> Part:
    """Return the process that brings the database up to date and then ends."""
    environment = {**site.environment, **site.owner, "HUB_ADMIN_PASSWORD": admin_password}
    return replace(_django(site, "prepare", "manage.py", "preparehub"), environment=environment)


def key_issue(site: Site, example: Example) -> Part:
    """Return the process that says a new key for an example service, and ends."""
    return _django(site, "keys", "manage.py", "issue_key", example.service, "--companies", "*", "--print")


def background(site: Site) -> list[Part]:
    """Return what works behind the web server."""
    celery = ("-W", ROOT_IS_NO_NEWS, "-m", "celery", "-A", "xerpium")
    pool = ("--pool", "threads", "--concurrency", "6", "--without-gossip", "--without-mingle")
    return [
        _django(site, "relay", "manage.py", "relay_events", level=2, ready_line="is now running"),
        _django(site, "consumer", "manage.py", "consume_events", level=2, ready_line="is now running"),
        _django(
            site, "worker", *celery, "--quiet", "worker", *pool, "--loglevel", "info", level=3, ready_line=" ready."
        ),
        _django(site, "beat", *celery, "beat", "--loglevel", "info", level=3, ready_line="is starting."),
    ]


def web(site: Site) -> Part:
    """Return the web server: one process, the edge and Django in it."""
    part = _django(site, "web", "-m", "xerpium.serve", "--fd", str(site.listener), level=4)
    hint = "what `python manage.py check` says"
    return replace(part, hint=hint, answers=site.web_answers, inherits=(site.listener,))


def examples(site: Site, keys: Mapping[str, str] | None = None) -> list[Part]:
    """Return the example services, each with its own of ``keys``, which are by service name."""
    return [_example(site, example, (keys or {}).get(example.service, "")) for example in site.examples]


OF_A_SERVICE = ("XERPIUM_SERVICE_", "XERPIUM_ENROLMENT_")
"""How variables begin in which the SDK looks for who its service is and what proves it."""
SECRETS = ("DATABASE_", "SECRET_KEY", "KEY_PEPPERS", "HUB_ADMIN_PASSWORD", *OF_A_SERVICE)
"""How names of variables begin that only the hub may know."""
ROOT_IS_NO_NEWS = "ignore:You're running the worker with superuser privileges"
"""Celery's warning to root, eight lines at each start: in a container it always is."""


def _engine(server: Engine, level: int) -> Part:
    return Part(
        server.name,
        server.command(),
        server.directory,
        f"the disk and the permissions of {server.directory}; HUB_DATA_DIR names another place for it",
        level,
        _for_strangers(os.environ),
        answers=server.answers,
        stop_signal=server.stop_signal,
        stop_seconds=20.0,
        last_signal=server.stop_signal,
        is_engine=True,
    )


def _django(site: Site, name: str, *arguments: str, level: int = 0, ready_line: str = "") -> Part:
    hint = "whether PostgreSQL and Redis answer; DATABASE_URL and REDIS_URL say where they are"
    return Part(name, [sys.executable, *arguments], site.base, hint, level, site.environment, ready_line=ready_line)


def _example(site: Site, example: Example, key: str) -> Part:
    server = ("-m", "uvicorn", f"{example.folder}.main:app", "--no-access-log", "--timeout-graceful-shutdown", "3")
    own = {"XERPIUM_HUB_URL": site.url, "XERPIUM_HOST": "127.0.0.1", "XERPIUM_PORT": str(example.port)}
    if key:
        own |= {"XERPIUM_SERVICE_NAME": example.service, "XERPIUM_SERVICE_KEY": key}
    return Part(
        example.folder.removesuffix("_service"),
        [sys.executable, *server, "--port", str(example.port)],
        site.base / "examples",
        f"examples/{example.folder}; DEMO=0 leaves the example services out",
        level=5,
        environment=_for_strangers(site.environment) | own,
        ready_line="Application startup complete",
    )


def _for_strangers(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what others may see of the hub's environment: not the keys to its database, its sessions and services."""
    return {name: value for name, value in environment.items() if not name.startswith(SECRETS)}
