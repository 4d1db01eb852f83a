"""The services that live on the hub: each instance registers, sends heartbeats, and answers health polls."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

HOST = "127.0.0.1"
REGISTER = "/api/v1/services/register"
REPORT = "/api/v1/services/health"
POLL_SECONDS = 5
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 15.0
NEVER_DEREGISTER_SECONDS = 604_800
AWAY = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass
class Member:
    """One instance: what it declares, how it behaves, and what has to become of it.

    Attributes:
        word: what its heartbeats report; empty when it sends none.
        answers: whether its health endpoint answers well.
        expected: the status that it has to have whenever the hub is calm.
    """

    service: str
    instance_id: str
    lease_seconds: int = 15
    word: str = "healthy"
    answers: bool = True
    expected: str = "healthy"
    version: int = 0

    def registration(self, port: int) -> dict[str, Any]:
        """Return the body of its registration; its health endpoint is on ``port``."""
        base = f"http://{HOST}:{port}"
        return {
            "name": self.service,
            "instance_id": self.instance_id,
            "version": f"1.{self.version}.0",
            "host": HOST,
            "port": port,
            "health_check_url": f"{base}/health/{self.service}/{self.instance_id}",
            "api_base_url": f"{base}/api/v1",
            "lease_seconds": self.lease_seconds,
            "deregister_after_seconds": NEVER_DEREGISTER_SECONDS,
            "poll_interval_seconds": POLL_SECONDS,
        }


@dataclass
class Ledger:
    """What the hub has acknowledged. It must be true from then on, whatever is done to the hub.

    Attributes:
        there: acknowledged registrations, by service and instance.
        gone: acknowledged departures.
        forgotten: instances that were told "unknown" after their registration was acknowledged.
    """

    there: dict[tuple[str, str], Member] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    forgotten: list[str] = field(default_factory=list)

    def registered(self, member: Member) -> None:
        """Note a 201."""
        self.there[member.service, member.instance_id] = member

    def left(self, member: Member) -> None:
        """Note a 204."""
        del self.there[member.service, member.instance_id]
        self.gone.add((member.service, member.instance_id))


def members_of(size: int, rng: random.Random) -> list[Member]:
    """Return ``size`` instances, two to a service, the first few with troubles of their own."""
    members = [
        Member(f"fleet-{number // 2:02}", f"copy-{number % 2}", rng.randint(15, 30)) for number in range(size - 4)
    ]
    return [
        *members,
        Member("says-degraded", "only", word="degraded", expected="degraded"),
        Member("is-sick", "only", answers=False, expected="unhealthy"),
        Member("is-drained", "only", expected="draining"),
        # The seed's second sample: it registers and answers polls, and that is all.
        Member("is-silent", "only", word=""),
    ]


class Fleet:
    """All instances, one HTTP server for their health endpoints, and the ledger."""

    def __init__(self, url: str, members: Iterable[Member]) -> None:
        self.ledger = Ledger()
        self.members = list(members)
        self.answers: Counter[str] = Counter()
        """How often each kind of call ended how."""
        self._url = url
        self._sick = {(member.service, member.instance_id) for member in self.members if not member.answers}
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None
        self._port = 0

    @property
    def http(self) -> aiohttp.ClientSession:
        """Its connections to the hub."""
        assert self._http is not None
        return self._http

    async def start(self) -> None:
        """Serve the health endpoints, register everyone, and begin the heartbeats."""
        await self._serve_health()
        self._http = aiohttp.ClientSession(
            self._url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(PATIENCE_SECONDS)
        )
        await asyncio.gather(*(self.register(member) for member in self.members))
        (drained,) = (member for member in self.members if member.expected == "draining")
        path = f"/api/v1/services/{drained.service}/instances/{drained.instance_id}/drain"
        async with self.http.post(path, json={"reason": "chaos"}) as answer:
            answer.raise_for_status()
        self._tasks = [asyncio.create_task(self._beat(member)) for member in self.members if member.word]

    async def stop(self) -> None:
        """Let everyone fall silent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def register(self, member: Member) -> float:
        """Register until it is acknowledged; return how many seconds that took."""
        began = time.monotonic()
        while not await self.try_to_register(member):  # noqa: ASYNC110 - another process sets no event here
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.0))
        return time.monotonic() - began

    async def try_to_register(self, member: Member) -> bool:
        """Register once; return whether it was acknowledged."""
        status = await self._post(REGISTER, member.registration(self._port))
        if status == 201:
            self.ledger.registered(member)
        return status == 201

    async def leave(self, member: Member) -> None:
        """Deregister until it is acknowledged; a 404 after an answer that was lost says the same."""
        path = f"/api/v1/services/{member.service}/instances/{member.instance_id}"
        while True:
            with suppress(*AWAY):
                async with self.http.delete(path) as answer:
                    if answer.status in (204, 404):
                        break
            await asyncio.sleep(PAUSE_SECONDS)
        self.ledger.left(member)

    async def restart_at_once(self) -> float:
        """Let every instance register again with a new version, all together; return how long the slowest waited."""
        for member in self.members:
            member.version += 1
        return max(await asyncio.gather(*(self.register(member) for member in self.members)))

    async def _beat(self, member: Member) -> None:
        """Send heartbeats three times a lease; sooner after one that failed."""
        report = {"service_name": member.service, "instance_id": member.instance_id, "status": member.word}
        while True:
            status = await self._post(REPORT, report)
            if status == 404:
                self.ledger.forgotten.append(f"{member.service}/{member.instance_id}")
                await self.register(member)
            pause = member.lease_seconds / 3 if status == 200 else PAUSE_SECONDS
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))

    async def _post(self, path: str, body: dict[str, Any]) -> int:
        kind = path.rpartition("/")[2]
        try:
            async with self.http.post(path, json=body) as answer:
                await answer.read()
                status = answer.status
        except AWAY as error:
            self.answers[f"{kind} {type(error).__name__}"] += 1
            return 0
        self.answers[f"{kind} {status}"] += 1
        return status

    async def _serve_health(self) -> None:
        application = web.Application()
        application.router.add_get("/health/{service}/{instance}", self._health)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0, backlog=1024)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    async def _health(self, request: web.Request) -> web.Response:
        sick = (request.match_info["service"], request.match_info["instance"]) in self._sick
        return web.json_response({"status": "unhealthy" if sick else "healthy"}, status=503 if sick else 200)
