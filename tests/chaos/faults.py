"""What is done to the hub. Each fault returns when it is over; what comes then is the hub's own work."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
import redis.asyncio

from tests.chaos.fleet import Fleet
from tests.support.running_hub import RunningHub

PARTS = ("web", "worker", "beat", "relay", "consumer", "postgres", "redis")
ENGINES = ("postgres", "redis")
PAUSE_SECONDS = 10.0
OUTAGE_SECONDS = 20.0

Deed = Callable[[RunningHub, Fleet], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """A way to break the hub.

    Attributes:
        restarts: the parts that have to come back as new processes.
        spares_reads: whether not one read may fail, in it and after it.
        marks_reads: whether some answers have to say that nobody could confirm them.
    """

    name: str
    do: Deed
    restarts: tuple[str, ...] = ()
    spares_reads: bool = True
    marks_reads: bool = False


def kill(*parts: str) -> Deed:
    """Return a deed that ends processes without a warning."""
    return _send(signal.SIGKILL, parts)


def restart(part: str, number: signal.Signals) -> Deed:
    """Return a deed that asks a process to end in order."""
    return _send(number, (part,))


def _send(number: signal.Signals, parts: tuple[str, ...]) -> Deed:
    async def deed(hub: RunningHub, fleet: Fleet) -> None:
        for pid in [hub.pid(part) for part in parts]:
            os.kill(pid, number)

    return deed


def freeze(seconds: float, *parts: str) -> Deed:
    """Return a deed that stops processes for a while: they neither answer nor refuse."""

    async def deed(hub: RunningHub, fleet: Fleet) -> None:
        with frozen(*(hub.pid(part) for part in parts)):
            await asyncio.sleep(seconds)

    return deed


def outage(seconds: float) -> Deed:
    """Return a deed that kills both engines and keeps them away: the supervisor that would restart them is stopped."""

    async def deed(hub: RunningHub, fleet: Fleet) -> None:
        with frozen(hub.process.pid, whole_tree=False):
            await kill(*ENGINES)(hub, fleet)
            await asyncio.sleep(seconds)

    return deed


@contextmanager
def frozen(*pids: int, whole_tree: bool = True) -> Iterator[None]:
    """Stop processes, with all of their children, for as long as the block runs."""
    stopped = []
    for pid in pids:
        process = psutil.Process(pid)
        process.suspend()
        stopped += [process, *(process.children(recursive=True) if whole_tree else ())]
        for one in stopped:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
    try:
        yield
    finally:
        for one in stopped:
            with suppress(psutil.NoSuchProcess):
                one.resume()


async def empty_redis(hub: RunningHub, fleet: Fleet) -> None:
    """Take everything from Redis."""
    async with redis.asyncio.from_url(hub.addresses["REDIS_URL"]) as client:
        await client.flushall()


async def kill_a_backend(hub: RunningHub, fleet: Fleet) -> None:
    """End one of PostgreSQL's own processes, after which it throws all its clients out and recovers."""
    backends = psutil.Process(hub.pid("postgres")).children()
    # The youngest serves a client; the oldest are PostgreSQL's own helpers.
    max(backends, key=lambda process: process.create_time()).kill()


async def kill_web_while_the_relay_is_frozen(hub: RunningHub, fleet: Fleet) -> None:
    """Let the web server start from a projection that nobody keeps up to date."""
    with frozen(hub.pid("relay")):
        await asyncio.sleep(1)
        await kill("web")(hub, fleet)
        await asyncio.sleep(PAUSE_SECONDS)


async def restart_fleet(hub: RunningHub, fleet: Fleet) -> None:
    """Let all instances register again at once, each with a new version."""
    await fleet.restart_at_once()


FAULTS = (
    *(Fault(f"kill -9 {part}", kill(part), restarts=(part,), spares_reads=part != "web") for part in PARTS),
    Fault("kill -9 a backend of postgres", kill_a_backend),
    Fault("kill -9 postgres and redis", kill(*ENGINES), restarts=ENGINES),
    Fault("kill -9 relay and redis", kill("relay", "redis"), restarts=("relay", "redis")),
    Fault("restart postgres", restart("postgres", signal.SIGINT), restarts=("postgres",)),
    Fault("restart redis", restart("redis", signal.SIGTERM), restarts=("redis",)),
    Fault("FLUSHALL", empty_redis),
    Fault(f"freeze worker {PAUSE_SECONDS:g} s", freeze(PAUSE_SECONDS, "worker")),
    Fault(f"freeze relay {PAUSE_SECONDS:g} s", freeze(PAUSE_SECONDS, "relay")),
    Fault(f"freeze redis {PAUSE_SECONDS:g} s", freeze(PAUSE_SECONDS, "redis")),
    Fault(f"freeze postgres {PAUSE_SECONDS:g} s", freeze(PAUSE_SECONDS, "postgres")),
    Fault(f"freeze both engines {OUTAGE_SECONDS:g} s", freeze(OUTAGE_SECONDS, *ENGINES), marks_reads=True),
    Fault(f"both engines gone {OUTAGE_SECONDS:g} s", outage(OUTAGE_SECONDS), restarts=ENGINES, marks_reads=True),
    Fault("kill -9 web, relay frozen", kill_web_while_the_relay_is_frozen, restarts=("web",), spares_reads=False),
    Fault("all instances restart at once", restart_fleet),
)
