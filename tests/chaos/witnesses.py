"""Who notices: callers that keep asking, readers that remember revisions, and a follower of the event stream."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.fleet import AWAY, PATIENCE_SECONDS, Fleet, Member

STREAM = "/api/v1/catalog/stream"
ASK_AGAIN_SECONDS = 0.1
KEEP_ALIVE_LATE_SECONDS = 20.0


class Pulse:
    """How long callers waited who ask a question, and ask it again until it is answered."""

    def __init__(self) -> None:
        self._waits: list[tuple[float, float]] = []
        self._open: list[float] = []

    async def ask(self, question: Callable[[], Awaitable[bool]]) -> None:
        """Ask until the answer is good."""
        asked = time.monotonic()
        self._open.append(asked)
        try:
            while not await question():  # noqa: ASYNC110 - another process sets no event here
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            self._waits.append((asked, time.monotonic()))
        finally:
            self._open.remove(asked)

    def longest_since(self, moment: float) -> float:
        """Return the longest wait that ended after ``moment``, or goes on; what lies before it does not count."""
        ends = [(begin, time.monotonic()) for begin in self._open] + self._waits
        return max([0.0, *(end - max(begin, moment) for begin, end in ends if end > moment)])

    def answered_since(self, moment: float) -> bool:
        """Return whether a question was answered that was asked after ``moment``, and none is open from before."""
        return min(self._open, default=moment) >= moment and any(begin > moment for begin, _ in self._waits)

    def forget(self) -> None:
        """Forget the waits that are over."""
        self._waits.clear()


@dataclass
class Reading:
    """What the readers of discovery saw.

    Attributes:
        marked: answers that said they could not be confirmed.
        failures: reads without a good answer, by what came instead.
        back: reads that showed an older revision than the same reader had seen.
    """

    reads: int = 0
    marked: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    back: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many reads failed."""
        return self.failures.total()

    def forget(self) -> None:
        """Begin anew."""
        self.reads = self.marked = 0
        self.failures.clear()
        self.back.clear()


class Reader:
    """Looks services of the fleet up, one after the other, and remembers the revision of each."""

    ROUTES = ("/api/v1/services/{}",) * 4 + ("/api/v1/services/{}?version=^1", "/api/v1/services/{}?zone=here")
    PAUSE_SECONDS = 0.03

    def __init__(self, fleet: Fleet, reading: Reading, pulse: Pulse) -> None:
        self._http, self._names = fleet.http, sorted({member.service for member in fleet.members})
        self._reading, self._pulse = reading, pulse
        self._seen: dict[str, int] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            path = random.choice(self.ROUTES).format(random.choice(self._names))
            await self._pulse.ask(lambda path=path: self._read(path))  # type: ignore[misc]  # bound at once
            await asyncio.sleep(self.PAUSE_SECONDS)

    async def _read(self, path: str) -> bool:
        reading = self._reading
        try:
            async with self._http.get(path) as answer:
                body = await answer.json(content_type=None)
                status = answer.status
        except AWAY as error:
            reading.failures[type(error).__name__] += 1
            return False
        if status != 200:
            reading.failures[str(status)] += 1
            return False
        reading.reads += 1
        reading.marked += "X-Catalog-Stale" in answer.headers
        self._compare(body["name"], body["revision"])
        return True

    def _compare(self, name: str, revision: int) -> None:
        before = self._seen.get(name, 0)
        if revision < before:
            self._reading.back.append(f"{name}: revision {revision} after {before}")
        self._seen[name] = revision


class Follower:
    """Holds what the event stream tells, as an SDK would, and judges the order in which it tells it."""

    def __init__(self, fleet: Fleet) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.position = 0
        self.faults: list[str] = []
        """Frames that came in the wrong order."""
        self.statuses: list[tuple[str, str, str]] = []
        """Service, instance and status of everything that was told since somebody emptied this list."""
        self._fleet = fleet

    async def run(self) -> None:
        """Follow until cancelled; a stream that ends is opened again from the last id."""
        while True:
            with suppress(*AWAY):
                await self._follow()
            await asyncio.sleep(random.uniform(0.1, 0.5))

    async def _follow(self) -> None:
        headers = {"Last-Event-ID": str(self.position)} if self.position else {}
        patience = aiohttp.ClientTimeout(total=None, connect=PATIENCE_SECONDS, sock_read=KEEP_ALIVE_LATE_SECONDS)
        async with self._fleet.http.get(STREAM, headers=headers, timeout=patience, read_bufsize=2**22) as answer:
            answer.raise_for_status()
            event: dict[str, str] = {}
            async for line in answer.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                elif event:
                    self._take(event)
                    event = {}

    def _take(self, event: Mapping[str, str]) -> None:
        if "data" not in event:
            return
        revision, data = int(event["id"]), json.loads(event["data"])
        if event["event"] == "snapshot":
            if revision < self.position:
                self.faults.append(f"a snapshot of revision {revision} after {self.position}")
            self.services = {record["name"]: record for record in data["services"]}
            told = data["services"]
        else:
            if revision < self.position:  # several services may change with one revision
                self.faults.append(f"the change {revision} after {self.position}")
            self._change(data)
            told = [data]
        self.position = revision
        for record in told:
            self.statuses += [(record["name"], row["instance_id"], row["status"]) for row in record["instances"]]

    def _change(self, record: dict[str, Any]) -> None:
        if record["instances"]:
            self.services[record["name"]] = record
        else:
            self.services.pop(record["name"], None)


class Newcomers:
    """Registers one new service after the other, so that there is always a registration on its way."""

    PAUSE_SECONDS = 0.4

    def __init__(self, fleet: Fleet, pulse: Pulse) -> None:
        self.members: list[Member] = []
        self._fleet, self._pulse, self._count = fleet, pulse, 0

    async def run(self) -> None:
        """Register until cancelled. Newcomers send no heartbeats: polls keep them alive."""
        while True:
            self._count += 1
            member = Member(f"new-{self._count:05}", "only", word="")
            self.members.append(member)
            await self._pulse.ask(lambda member=member: self._fleet.try_to_register(member))  # type: ignore[misc]
            await asyncio.sleep(self.PAUSE_SECONDS)


class Knocker:
    """Asks `GET /health/live`, as whatever restarts containers would."""

    PAUSE_SECONDS = 0.1

    def __init__(self, fleet: Fleet, pulse: Pulse) -> None:
        self._http, self._pulse = fleet.http, pulse

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._pulse.ask(self._lives)
            await asyncio.sleep(self.PAUSE_SECONDS)

    async def _lives(self) -> bool:
        try:
            async with self._http.get("/health/live") as answer:
                return answer.status == 200
        except AWAY:
            return False
