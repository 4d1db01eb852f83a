"""The way from the settings to a running hub."""

import asyncio
import os
import resource
import secrets
import sys
from functools import partial

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.core.engines import Engine, Postgres, Redis, StartError, free_port
from apps.core.supervisor import listener
from apps.core.supervisor.directory import DataDirectory, unusable
from apps.core.supervisor.fingerprint import fingerprint
from apps.core.supervisor.hub import ADDRESSES, OWN_SECRETS, Hub, Plan
from apps.core.supervisor.lines import wants_colour
from apps.core.supervisor.log import Log
from apps.core.supervisor.parts import OF_A_SERVICE, Example, Site

EXAMPLES = ("product_service", "order_service")
NAME_WIDTH = 8
MOST_OPEN_FILES = 1_048_576


def main() -> int:
    """Run the hub until it is asked to stop; return the exit code."""
    try:
        plan = make_plan()
        log = Log(sys.stdout, width=NAME_WIDTH, colour=wants_colour(sys.stdout.isatty(), os.environ))
        asyncio.run(Hub(plan, log).run())
    except (StartError, ImproperlyConfigured) as error:
        print(f"runhub: {error}", file=sys.stderr)  # noqa: T201 - a command speaks to whoever started it
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def make_plan() -> Plan:
    """Check everything that can be checked before a process is started, and return what to start.

    Raises:
        StartError: something stands in the way; the message names the setting to change.
        ImproperlyConfigured: a setting cannot be used.
    """
    data = DataDirectory(settings.HUB_DATA_DIR)
    try:
        return _plan(data)
    except OSError as error:
        raise unusable(data.path, error) from error


def _plan(data: DataDirectory) -> Plan:
    bind, port = settings.HUB_BIND, settings.HUB_PORT
    for left_by_a_killed_hub in (ADDRESSES, OWN_SECRETS):
        data.remove(left_by_a_killed_hub)
    socket = listener.listen(bind, port)
    raise_file_limit()
    engines = embedded_engines(data)
    for engine in engines:
        engine.prepare()
    urls = {ENGINE_SETTINGS[engine.name]: engine.url for engine in engines}
    secrets_made, owner = made_up_secrets(data), owner_environment(engines)
    site = Site(
        base=settings.BASE_DIR,
        url=listener.base_url(bind, port),
        database_url=urls.get("DATABASE_URL", settings.DATABASE_URL),
        redis_url=urls.get("REDIS_URL", settings.REDIS_URL),
        environment=hub_environment(data, urls | secrets_made),
        owner=owner,
        listener=socket.fileno(),
        web_answers=partial(listener.answers, bind, port, "/health/live"),
        examples=tuple(choose_examples(port)) if settings.DEMO else (),
    )
    return Plan(
        data=data,
        listener=socket,
        engines=engines,
        site=site,
        own_secrets=secrets_made | (owner if "DATABASE_URL" in urls else {}),
        examples_need_keys=not settings.HUB_OPEN,
        fingerprint=fingerprint(settings.BASE_DIR, settings.INSTALLED_APPS)
        if len(urls) == len(ENGINE_SETTINGS)
        else "",
        admin_password=settings.HUB_ADMIN_PASSWORD or secrets.token_urlsafe(12),
        password_is_made_up=not settings.HUB_ADMIN_PASSWORD,
    )


ENGINE_SETTINGS = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}
OWNER = "DATABASE_MIGRATION_URL"
NOT_FOR_THE_HUB = (OWNER, "HUB_ADMIN_PASSWORD", *OF_A_SERVICE)
"""How names of variables begin that the hub's processes never get."""


def is_named(setting: str) -> bool:
    """Return whether the environment gives ``setting``, directly or as a file."""
    return bool(os.environ.get(setting) or os.environ.get(f"{setting}_FILE"))


def embedded_engines(data: DataDirectory) -> list[Engine]:
    """Return the engines that the environment does not name; who knows the password of one learns none of the other."""
    engines: list[Engine] = [
        Postgres(data.path / "postgres", free_port(), data.secret("engine_password")),
        Redis(data.path / "redis", free_port(), data.secret("redis_password")),
    ]
    return [engine for engine in engines if not is_named(ENGINE_SETTINGS[engine.name])]


def made_up_secrets(data: DataDirectory) -> dict[str, str]:
    """Return the secrets that the environment does not name, made up once for ``data``."""
    made = {}
    if not is_named("SECRET_KEY"):
        made["SECRET_KEY"] = data.secret("secret_key")
    if not is_named("KEY_PEPPERS"):
        made["KEY_PEPPERS"] = f"1:{data.secret('key_pepper')}"
    return made


def owner_environment(engines: list[Engine]) -> dict[str, str]:
    """Return what only the preparation gets: how it connects as the owner of the tables."""
    if own := [engine.owner_url for engine in engines if isinstance(engine, Postgres)]:
        return {OWNER: own[0]}
    return {name: os.environ[name] for name in (OWNER, f"{OWNER}_FILE") if name in os.environ}


def hub_environment(data: DataDirectory, added: dict[str, str]) -> dict[str, str]:
    """Return the environment of the hub's own processes: ours without what they need not know, and ``added``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_FOR_THE_HUB)}
    environment |= added | {"PYTHONUNBUFFERED": "1"}
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Set in many containers. Seven processes that compile all they import would take three times as long to start;
        # out of the sources' way, the compiled files disturb nobody.
        environment["PYTHONPYCACHEPREFIX"] = str(data.path / "bytecode")
    return environment


def choose_examples(hub_port: int) -> list[Example]:
    """Return the example services on the ports after the hub's, or on any where those are taken.

    The same ports each time, because the address is an instance's identity.
    """
    return [Example(folder, free_port(preferred=hub_port + n)) for n, folder in enumerate(EXAMPLES, start=1)]


def raise_file_limit() -> None:
    """Let this process and its children open as many files as the system allows: a waiting caller costs one each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
