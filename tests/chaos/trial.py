"""One fault, from calm to calm, and the judgement on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from tests.chaos.faults import Fault
from tests.chaos.fleet import AWAY, Fleet, Member
from tests.chaos.witnesses import Follower, Knocker, Newcomers, Pulse, Reader, Reading
from tests.support.running_hub import RunningHub

READERS = 8
ANSWER_LIMIT_SECONDS = 10.0
"""Within which everything has to answer again (issue 2, "What must hold")."""
SETTLE_LIMIT_SECONDS = 30.0
"""Within which every status has to be right: a newcomer is polled within ten seconds, by a worker that starts again."""
GIVE_UP_SECONDS = 90.0
LOOK_AGAIN_SECONDS = 0.2
NEWCOMERS_MAY_BE = frozenset({"starting", "healthy", "deregistered"})


@dataclass
class Result:
    """What one fault did. Times are seconds.

    Attributes:
        live, discovery: the longest wait for an answer since the fault began.
        registration: the longest wait for an acknowledgement since it was over.
        settled: until every process was back and every status was right, since it was over.
        findings: what should not have been; empty when the hub stood.
    """

    fault: str
    live: float = 0.0
    discovery: float = 0.0
    registration: float = 0.0
    settled: float = 0.0
    reads: int = 0
    failed: int = 0
    marked: int = 0
    acknowledged: int = 0
    findings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, times to the millisecond."""
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}


class Stage:
    """A hub, the fleet on it, and the witnesses, who watch from one fault to the next."""

    def __init__(self, hub: RunningHub, fleet: Fleet) -> None:
        self.hub, self.fleet = hub, fleet
        self.reading, self.follower = Reading(), Follower(fleet)
        self.live, self.discovery, self.registration = Pulse(), Pulse(), Pulse()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Wait until the fleet is as it should be, and let the witnesses in."""
        await self._until(self._is_settled, SETTLE_LIMIT_SECONDS)
        readers = [Reader(self.fleet, self.reading, self.discovery).run() for _ in range(READERS)]
        watching = [*readers, Knocker(self.fleet, self.live).run(), self.follower.run()]
        self._tasks = [asyncio.create_task(one) for one in watching]
        await self._until(self._is_followed, ANSWER_LIMIT_SECONDS)

    async def close(self) -> None:
        """Send the witnesses away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def try_fault(self, fault: Fault, calm_seconds: float = 1.0) -> Result:
        """Do ``fault`` after ``calm_seconds``, wait until the hub is calm again, and return what came of it."""
        result = Result(fault.name)
        self._begin()
        newcomers = Newcomers(self.fleet, self.registration)
        arriving = asyncio.create_task(newcomers.run())
        await asyncio.sleep(calm_seconds)
        old = {part: self.hub.pid(part) for part in fault.restarts}
        began = time.monotonic()
        await fault.do(self.hub, self.fleet)
        over = time.monotonic()
        try:
            await self._until(lambda: self._answers_again(over, old), GIVE_UP_SECONDS)
        except TimeoutError:
            result.findings.append(f"not all of it answers {GIVE_UP_SECONDS:g} s after the fault was over")
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)
        result.live, result.discovery = self.live.longest_since(began), self.discovery.longest_since(began)
        result.registration = self.registration.longest_since(over)
        await self._settle(result, over)
        self._judge(result, fault)
        await self._dismiss(newcomers.members, result)
        return result

    async def watch(self, seconds: float) -> Result:
        """Do nothing, and return what came of it: leases that were lost in secret would run out now."""
        result = Result(f"nothing, for {seconds:g} s")
        self._begin()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        result.live, result.discovery = self.live.longest_since(began), self.discovery.longest_since(began)
        await self._settle(result, time.monotonic())
        self._judge(result, Fault(result.fault, self._no_deed))
        return result

    @staticmethod
    async def _no_deed(hub: RunningHub, fleet: Fleet) -> None:
        """Leave the hub in peace."""

    def _begin(self) -> None:
        self.reading.forget()
        self.follower.faults.clear()
        self.follower.statuses.clear()
        self.fleet.ledger.forgotten.clear()
        for pulse in (self.live, self.discovery, self.registration):
            pulse.forget()

    async def _answers_again(self, over: float, old: dict[str, int]) -> bool:
        back = all(self.hub.pid(part) != pid for part, pid in old.items())
        pulses = (self.live, self.discovery, self.registration)
        return back and all(pulse.answered_since(over) for pulse in pulses) and await self._is_ready()

    async def _is_ready(self) -> bool:
        try:
            async with self.fleet.http.get("/health/ready") as answer:
                return answer.status == 200
        except AWAY:
            return False

    async def _settle(self, result: Result, over: float) -> None:
        """Wait until every status is right, and the follower holds what discovery answers."""
        for question, limit in ((self._is_settled, SETTLE_LIMIT_SECONDS), (self._is_followed, ANSWER_LIMIT_SECONDS)):
            with suppress(TimeoutError):
                await self._until(question, limit)
        result.settled = time.monotonic() - over
        result.findings += await self._wrong()
        result.findings += await self._not_followed()
        result.acknowledged = len(self.fleet.ledger.there)

    async def _is_settled(self) -> bool:
        return not await self._wrong()

    async def _is_followed(self) -> bool:
        return not await self._not_followed()

    async def _wrong(self) -> list[str]:
        """Return every acknowledged registration that is lost or has not the status that it should have."""
        return [
            words for words in await asyncio.gather(*map(self._fault_of, self.fleet.ledger.there.values())) if words
        ]

    async def _fault_of(self, member: Member) -> str:
        record = await self._record(member.service)
        rows = [row for row in record.get("instances", ()) if row["instance_id"] == member.instance_id]
        name = f"{member.service}/{member.instance_id}"
        if not rows:
            return f"LOST: {name}, acknowledged, is not there ({record.get('problem', 'others are')})"
        if rows[0]["status"] != member.expected:
            return f"{name} is {rows[0]['status']} and should be {member.expected}"
        if rows[0]["version"] != f"1.{member.version}.0":
            return f"LOST: {name} has version {rows[0]['version']}, acknowledged was 1.{member.version}.0"
        return ""

    async def _record(self, service: str) -> dict[str, Any]:
        try:
            async with self.fleet.http.get(f"/api/v1/services/{service}") as answer:
                body: dict[str, Any] = await answer.json(content_type=None)
                return body if answer.status == 200 else {"problem": answer.status}
        except (*AWAY, aiohttp.ContentTypeError) as error:
            return {"problem": type(error).__name__}

    async def _not_followed(self) -> list[str]:
        """Return the services of which the event stream has told something else than discovery answers."""
        services = sorted({service for service, _ in self.fleet.ledger.there})
        records = await asyncio.gather(*map(self._record, services))
        told = self.follower.services
        return [
            f"the stream told another story of {name}"
            for name, record in zip(services, records, strict=True)
            if _essence(told.get(name, {})) != _essence(record)
        ]

    def _judge(self, result: Result, fault: Fault) -> None:
        reading, found = self.reading, result.findings
        result.reads, result.failed, result.marked = reading.reads, reading.failed, reading.marked
        found += reading.back + self.follower.faults
        found += [f"{name}, acknowledged, was told that it is unknown" for name in self.fleet.ledger.forgotten]
        found += sorted(self._false_statuses())
        if fault.spares_reads and reading.failed:
            found.append(f"{reading.failed} reads failed: {dict(reading.failures)}")
        if fault.marks_reads and not reading.marked:
            found.append("no answer was marked as unconfirmed")
        for what in ("live", "discovery", "registration"):
            if (seconds := getattr(result, what)) > ANSWER_LIMIT_SECONDS:
                found.append(f"{what} did not answer for {seconds:.1f} s")

    def _false_statuses(self) -> set[str]:
        expected = {(member.service, member.instance_id): {member.expected} for member in self.fleet.members}
        return {
            f"{service}/{instance} was told to be {status}"
            for service, instance, status in self.follower.statuses
            if status not in expected.get((service, instance), NEWCOMERS_MAY_BE)
        }

    async def _dismiss(self, newcomers: list[Member], result: Result) -> None:
        """Let the newcomers leave; whoever has left must stay away."""
        there = [member for member in newcomers if (member.service, member.instance_id) in self.fleet.ledger.there]
        await asyncio.gather(*map(self.fleet.leave, there))
        records = await asyncio.gather(*(self._record(member.service) for member in there))
        back = [record["name"] for record in records if "name" in record]
        result.findings += [f"{name} left, acknowledged, and is there" for name in back]

    @staticmethod
    async def _until(question: Callable[[], Awaitable[bool]], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not await question():  # noqa: ASYNC110 - another process sets no event here
                await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _essence(record: dict[str, Any]) -> Any:
    rows = [(row["instance_id"], row["status"], row["version"]) for row in record.get("instances", ())]
    return record.get("revision"), record.get("status"), sorted(rows)
