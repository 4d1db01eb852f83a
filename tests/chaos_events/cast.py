"""Who takes part: engines of its own, a proxy before Redis, a hub, a service with a database, producers, consumers.

Everybody but the judge reaches Redis through the proxy.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from apps.core.engines import Postgres, Redis, free_port
from tests.chaos_events.actors import Company, Role
from tests.chaos_events.plan import CONSUMERS, HUB, PUBLISHERS
from tests.chaos_events.proxy import HOST, Proxy
from tests.support.running_hub import NOT_OURS, ROOT

ROLES = (*HUB, *CONSUMERS, *PUBLISHERS)
PASSWORD = "chaos"
MAX_LENGTH = 10_000
"""Entries that the hub keeps of a stream: much less than are published."""
SERVICE_DATABASE = "service"
SERVICE_SETTINGS = "tests.chaos_events.service.settings"
OF_THE_SERVICE = frozenset({"service", "service-relay", "effects"})
IS_RUNNING = "is now running"
COPIES = {"ordered": 3, "shared": 3, "marked": 2, "bulk": 2, "effects": 2, "journal": 2, "relay": 2, "service-relay": 2}
PACES = {
    # way: share of all events, and the size of the largest batch
    "single": (0.15, 1),
    "many": (0.28, 60),
    "async": (0.20, 20),
    "outbox": (0.14, 20),
    "service": (0.12, 20),
    "rest": (0.05, 10),
    "raw": (0.05, 30),
    "junk": (0.01, 3),
}


@dataclass(frozen=True)
class World:
    """A place to break things in.

    Attributes:
        directory: everything that is written: ledger, logs, data of the engines.
        redis_url: Redis itself, for who judges; ``proxied_url`` is what everybody else knows.
        database_url: the hub's database; ``owner_url`` the same as the owner of its tables, ``service_url`` the one of
            the service, which owns all that is there.
        hub_port: where the hub's web server listens.
        roles: who takes part; everybody, but for who looks for the cause of a finding.
    """

    directory: Path
    company: Company
    proxy: Proxy
    redis_url: str
    proxied_url: str
    database_url: str
    owner_url: str
    service_url: str
    hub_port: int
    roles: frozenset[str]

    def engage(self, role: Role, copies: int = 1) -> None:
        """Start the processes of ``role``, if it takes part."""
        if role.name in self.roles:
            self.company.engage(role, copies)

    @property
    def ledger(self) -> Path:
        """Where the ledger is."""
        return self.directory / "ledger"

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of the hub's processes."""
        kept = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        return {
            **kept,
            "DEBUG": "1",
            "HUB_OPEN": "1",
            "SECRET_KEY": PASSWORD * 10,
            "HUB_DATA_DIR": str(self.directory / "hub"),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.proxied_url,
            "PYTHONUNBUFFERED": "1",
            **more,
        }

    def service_environment(self) -> dict[str, str]:
        """Return the environment of the service's processes."""
        return self.environment(DATABASE_URL=self.service_url, DJANGO_SETTINGS_MODULE=SERVICE_SETTINGS)


@contextmanager
def stage(directory: Path, roles: frozenset[str] = frozenset(ROLES)) -> Iterator[World]:
    """Start the engines and the proxy, prepare both databases, and end everything at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "ledger").mkdir()
    postgres = Postgres(directory / "postgres", free_port(), PASSWORD, max_connections=200)
    redis = Redis(directory / "redis", free_port(), PASSWORD)
    company = Company(directory)
    with Proxy(free_port(), redis.port) as proxy:
        try:
            company.engage_engine(postgres)
            company.engage_engine(redis)
            parts = urlsplit(postgres.owner_url)
            world = World(
                directory,
                company,
                proxy,
                redis.url,
                f"redis://:{PASSWORD}@{HOST}:{proxy.port}/0",
                postgres.url,
                postgres.owner_url,
                urlunsplit(parts._replace(path=f"/{SERVICE_DATABASE}")),
                free_port(),
                roles,
            )
            _prepare(world)
            yield world
        finally:
            company.end()


def _prepare(world: World) -> None:
    with psycopg.connect(world.owner_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {SERVICE_DATABASE}")
    hub = world.environment(HUB_ADMIN_PASSWORD=secrets.token_urlsafe(12), DATABASE_MIGRATION_URL=world.owner_url)
    commands = [([sys.executable, "manage.py", "preparehub"], hub)]
    if world.roles & OF_THE_SERVICE:
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        commands.append((migrate, world.service_environment()))
    for command, environment in commands:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def engage_hub(world: World) -> None:
    """Start the hub: what works behind the web server, and the web server."""
    environment = world.environment(HUB_PORT=str(world.hub_port))
    world.engage(_django("journal", environment, "manage.py", "consume_events"), COPIES["journal"])
    world.engage(_django("relay", environment, "manage.py", "relay_events"), COPIES["relay"])
    keeper = (sys.executable, "-m", "tests.chaos_events.keeper")
    settings = {"DJANGO_SETTINGS_MODULE": "xerpium.settings", "EVENTS_MAX_LENGTH": str(MAX_LENGTH)}
    world.engage(Role("keeper", keeper, world.environment(**settings)))
    web = Role("web", (sys.executable, "-m", "xerpium.serve", "--port", str(world.hub_port)), environment)
    world.engage(web)
    service = _django("service-relay", world.service_environment(), "-m", "django", "relay_outbox")
    world.engage(service, COPIES["service-relay"])


def engage_consumers(world: World) -> None:
    """Start all groups."""
    for kind in CONSUMERS:
        environment = world.service_environment() if kind == "effects" else world.environment()
        command = (sys.executable, "-m", "tests.chaos_events.consumer", kind, "--directory", str(world.ledger))
        world.engage(Role(kind, command, environment, IS_RUNNING), COPIES[kind])


def engage_producers(world: World, rate: float) -> None:
    """Start all producers, which together publish ``rate`` events a second."""
    all_shares = sum(share for way, (share, _) in PACES.items() if way in world.roles)
    for way, (share, most) in PACES.items():
        environment = (
            world.service_environment()
            if way == "service"
            else world.environment(HUB_URL=f"http://{HOST}:{world.hub_port}")
        )
        pace = ("--rate", f"{rate * share / all_shares:.1f}", "--most", str(most), "--directory", str(world.ledger))
        command = (sys.executable, "-m", "tests.chaos_events.producer", way, *pace)
        world.engage(Role(way, command, environment))


def _django(name: str, environment: dict[str, str], *arguments: str) -> Role:
    return Role(name, (sys.executable, *arguments), environment, IS_RUNNING)
