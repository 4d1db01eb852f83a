"""The hub on one machine: the order in which its parts start, and what is said when all of them answer."""

import asyncio
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from apps.core.engines import Engine, StartError
from apps.core.supervisor import parts
from apps.core.supervisor.directory import DataDirectory
from apps.core.supervisor.keys import is_refused
from apps.core.supervisor.log import Log
from apps.core.supervisor.operator import CREATED, OPERATOR
from apps.core.supervisor.parts import Site
from apps.core.supervisor.report import table, without_password
from apps.core.supervisor.supervisor import Supervisor

ADDRESSES = "hub.env"
"""For programs, while the hub runs: where it is."""
OWN_SECRETS = "manage.env"
"""For `manage.py`, while the hub runs: the secrets that were made up, and how to connect as the tables' owner."""
PREPARED = "prepared"


@dataclass(frozen=True)
class Plan:
    """What one start of the hub consists of."""

    data: DataDirectory
    listener: socket.socket
    engines: list[Engine]
    """The engines to start here: both, one, or none."""
    site: Site
    own_secrets: Mapping[str, str]
    """What `manage.py` needs in another terminal, besides the addresses."""
    examples_need_keys: bool
    """Whether the hub lets nobody in without one."""
    fingerprint: str
    """What the database has to have been prepared for; empty when it is not ours and has to be looked at each time."""
    admin_password: str
    """For the first operator, if there is none yet."""
    password_is_made_up: bool


class Hub:
    """Runs a plan until it is asked to stop."""

    def __init__(self, plan: Plan, log: Log) -> None:
        """Prepare to run ``plan``, writing to ``log``."""
        self._plan, self._log = plan, log
        self._supervisor = Supervisor(log)
        self._stop_asked = asyncio.Event()
        self._began = time.monotonic()
        self._untold_password = ""

    async def run(self) -> None:
        """Start everything, keep it running until a signal asks for the end, and stop everything.

        Raises:
            StartError: something failed without which nothing can go on.
        """
        self._listen_to_signals()
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await self._stop()

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` starts programs with SIGHUP ignored, and it shall stay so.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)

    async def _start(self) -> None:
        await self._start_engines()
        await self._prepare()
        # The web server has the machine to itself until it answers: somebody is waiting for a page.
        site = self._plan.site
        web = self._supervisor.start([parts.web(site)])
        await self._supervisor.until_answering(web)
        self._log.hub(f"{site.url} answers, {time.monotonic() - self._began:.1f} s after the start")
        others = self._supervisor.start(parts.background(site))
        keys = await self._example_keys() if self._plan.examples_need_keys else {}
        others += self._supervisor.start(parts.examples(site, keys))
        await self._supervisor.until_answering(others)
        self._announce()

    async def _start_engines(self) -> None:
        for child in self._supervisor.start(parts.engines(self._plan.engines)):
            await self._supervisor.until_answering_or_hopeless(child)

    async def _prepare(self) -> None:
        plan = self._plan
        if plan.fingerprint and plan.data.read(PREPARED) == plan.fingerprint:
            return
        plan.data.remove(PREPARED)
        lines = await self._supervisor.run_to_end(parts.preparation(plan.site, plan.admin_password))
        if CREATED in lines and plan.password_is_made_up:
            self._untold_password = plan.admin_password
        plan.data.write(PREPARED, plan.fingerprint)

    async def _example_keys(self) -> dict[str, str]:
        """Return the keys of the example services: those of the last start, or new ones where the hub refuses them."""
        site, data = self._plan.site, self._plan.data
        keys = {}
        for example in site.examples:
            file = f"key_{example.folder}"
            key = data.read(file)
            if not key or await asyncio.to_thread(is_refused, site.url, example.service, key):
                try:
                    key = await self._supervisor.ask_for_key(parts.key_issue(site, example))
                except StartError as error:
                    self._log.hub(f"{example.service} starts without a key: {error}")
                    continue
                data.write(file, key)
            keys[example.service] = key
        return keys

    def _announce(self) -> None:
        site = self._plan.site
        # The same address by the names that hubs' own programs and the SDK's services ask for.
        addresses = {"HUB_URL": site.url, "XERPIUM_HUB_URL": site.url}
        addresses |= {"DATABASE_URL": site.database_url, "REDIS_URL": site.redis_url}
        for file, content in ((OWN_SECRETS, self._plan.own_secrets), (ADDRESSES, addresses)):
            self._plan.data.write(file, "".join(f"{name}={value}\n" for name, value in content.items()))
        rows = [
            ("Application", f"{site.url}/"),
            ("Operator", f"{site.url}/admin/  as {OPERATOR}"),
            ("API documents", f"{site.url}/api/docs/"),
            ("PostgreSQL", without_password(site.database_url)),
            ("Redis", without_password(site.redis_url)),
            *((example.folder, f"http://127.0.0.1:{example.port}/docs") for example in site.examples),
            ("For programs", str(self._plan.data.path / ADDRESSES)),
        ]
        self._log.plain(table(f"The hub is up ({time.monotonic() - self._began:.1f} s). Ctrl-C stops it.", rows))
        self._tell_password()

    def _tell_password(self) -> None:
        if self._untold_password:
            rows = [("User", OPERATOR), ("Password", self._untold_password)]
            self._log.plain(table("The first operator. This is shown once; change it after signing in.", rows))
            self._untold_password = ""

    def _asked_to_stop(self) -> None:
        if self._stop_asked.is_set():
            self._supervisor.hurry()
            return
        self._log.hub("stopping; Ctrl-C again stops at once")
        self._stop_asked.set()

    async def _stop(self) -> None:
        for file in (OWN_SECRETS, ADDRESSES):
            self._plan.data.remove(file)
        self._plan.listener.close()
        await self._supervisor.stop()
        self._tell_password()
        self._log.hub("stopped")
