"""The course of events: calm, storm, calm, and the end, when everybody has to have done everything."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

import psutil

from tests.chaos_events.actors import Actor, EngineActor
from tests.chaos_events.cast import World
from tests.chaos_events.evidence import Streams, count_lines, unsent
from tests.chaos_events.ledger import now
from tests.chaos_events.plan import CONSUMERS, HUB, PUBLISHERS, Fault, faults, pauses

TICK_SECONDS = 0.02
LOOK_SECONDS = 0.25
PROGRESS_SECONDS = 10.0
WHOLE_SECONDS = 60.0
DRAIN_SECONDS = 90.0
"""In which at least something has to be handled, while something is left."""
SLACK_NS = 1_000_000_000
MOST_BYTES = 4000

Say = Callable[[str], None]


@dataclass(frozen=True)
class Weather:
    """How much of everything.

    Attributes:
        kills: how many processes are killed at least.
        events: how many events are acknowledged at least.
        mean_pause: between faults, in seconds.
        calm: how long nothing is done at the beginning and at the end, in seconds.
    """

    seed: int
    kills: int
    events: int
    mean_pause: float
    calm: float = 6.0


@dataclass
class Log:
    """What was done, and when."""

    done: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    intervals: list[tuple[int, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class Storm:
    """Lets a plan happen to a world. Call `run`."""

    def __init__(self, world: World, streams: Streams, weather: Weather, say: Say) -> None:
        self.log = Log()
        self.late: list[str] = []
        """What did not happen in time, in words."""
        self._world, self._streams, self._weather, self._say = world, streams, weather, say
        self._began = time.monotonic()
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._next_progress = 0.0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self._began

    @property
    def acknowledged(self) -> int:
        """How many events were acknowledged."""
        return count_lines(self._world.ledger, "acknowledged-*", self._sizes)

    def run(self) -> list[str]:
        """Run from calm to calm; return, in words, what was not done at the end."""
        self._until_whole()
        self._say(f"{self.seconds:6.1f} s  calm")
        self._wait(self._weather.calm)
        self._say(f"{self.seconds:6.1f} s  storm")
        self._blow()
        self._say(f"{self.seconds:6.1f} s  calm")
        self._until_whole()
        self._wait(self._weather.calm)
        self._world.company.dismiss(*PUBLISHERS)
        self._say(f"{self.seconds:6.1f} s  the last event is published; {self.acknowledged:,} were acknowledged")
        while True:
            before = sum(self._behind().values())
            with suppress(TimeoutError):
                self._until(lambda: not unsent(self._world) and not self._streams.waiting(), DRAIN_SECONDS)
            left = [*unsent(self._world), *self._streams.waiting()]
            if not left or sum(self._behind().values()) >= before:
                return left

    def _until_whole(self) -> None:
        """Wait until nothing is being done any more and everybody works."""
        try:
            self._until(lambda: not self._later and not self._world.company.missing(), WHOLE_SECONDS)
        except TimeoutError:
            who = "; ".join(self._world.company.missing()) or "some fault"
            self.late.append(f"after {WHOLE_SECONDS:g} s without a fault there was no end of {who}")

    def _blow(self) -> None:
        weather = self._weather
        present = {"wire", *(actor.role.name for actor in self._world.company)}
        plan = (fault for fault in faults(weather.seed) if fault.target in present)
        gaps = pauses(weather.seed, weather.mean_pause)
        while self.log.kills.total() < weather.kills or self.acknowledged < weather.events:
            if self.log.kills.total() < weather.kills:
                self._do(next(plan))
            self._wait(next(gaps))

    # --- faults

    def _do(self, fault: Fault) -> None:
        if fault.target == "wire":
            self._do_on_the_wire(fault)
            return
        actors = [
            one for one in self._world.company.of(fault.target) if one.runs and not one.frozen and not one.leaving
        ]
        if not actors or (isinstance(actors[0], EngineActor) and not actors[0].answers()):
            return  # a server that never comes back proves nothing
        actor = actors[fault.copy % len(actors)]
        if fault.deed == "restart" and not actor.answers():
            return  # it would end, but not in order: nobody listens to signals yet
        match fault.deed:
            case "kill":
                actor.kill(random.Random(fault.copy))
            case "kill-session":
                with suppress(psutil.NoSuchProcess):
                    self._world.company.engine("postgres").kill_a_session(random.Random(fault.seed))
            case "restart":
                actor.leave()
            case "freeze":
                self._freeze(actor, fault)
        if fault.deed != "freeze":
            self._note(fault, actor)

    def _freeze(self, actor: Actor, fault: Fault) -> None:
        try:
            actor.freeze()
        except psutil.NoSuchProcess:
            return
        begin, pid = now(), actor.pid

        def thaw() -> None:
            if actor.runs and actor.pid == pid:
                actor.thaw()
            self.log.intervals.append((begin, now() + SLACK_NS))

        self._after(fault.seconds, thaw)
        self._tell(fault, actor.name)

    def _do_on_the_wire(self, fault: Fault) -> None:
        proxy, rng, begin = self._world.proxy, random.Random(fault.seed), now()
        match fault.deed:
            case "cut":
                proxy.cut(rng, fault.share)
            case "cut-within":
                proxy.cut_within(rng, fault.share, MOST_BYTES)
            case "stall":
                proxy.stall(rng, fault.share, fault.seconds)
            case "half-close":
                proxy.half_close(rng, fault.share, fault.seconds)
            case "swallow":
                proxy.swallow(rng, fault.share, fault.seconds)
            case "desert":
                proxy.desert(rng, fault.share, fault.seconds)
            case "refuse":
                proxy.refuse()
                self._after(fault.seconds, proxy.accept)
        self.log.intervals.append((begin, begin + int(fault.seconds * 1e9) + SLACK_NS))
        self._tell(fault, "")

    def _note(self, fault: Fault, actor: Actor) -> None:
        begin = now()
        if fault.kills:
            self.log.kills[fault.target] += 1

        def over() -> None:
            """Look again until it works: what it was doing may come again until then."""
            if actor.due is not None or not actor.answers():
                self._after(0.2, over)
            else:
                self.log.intervals.append((begin, now() + SLACK_NS))

        self._after(0.2, over)
        self._tell(fault, actor.name)

    def _tell(self, fault: Fault, name: str) -> None:
        self.log.done[f"{fault.deed} {fault.target}"] += 1
        self.log.lines.append(f"{self.seconds:.2f}\t{fault}\t{name}")

    # --- time

    def _after(self, seconds: float, deed: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._later, (time.monotonic() + seconds, self._number, deed))

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._tick()

    def _until(self, question: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        next_look = 0.0
        while True:
            self._tick()
            if time.monotonic() >= next_look:
                if question():
                    return
                next_look = time.monotonic() + LOOK_SECONDS
            if time.monotonic() > deadline:
                raise TimeoutError

    def _tick(self) -> None:
        moment = time.monotonic()
        while self._later and self._later[0][0] <= moment:
            heappop(self._later)[2]()
        self._world.company.look(moment)
        if moment >= self._next_progress:
            self._next_progress = moment + PROGRESS_SECONDS
            self._streams.keep_small()
            self._progress()
        time.sleep(TICK_SECONDS)

    def _progress(self) -> None:
        kills = self.log.kills
        groups = {"engines": ("redis", "postgres"), "hub": HUB, "consumers": CONSUMERS, "producers": PUBLISHERS}
        told = ", ".join(f"{sum(kills[one] for one in roles)} {name}" for name, roles in groups.items())
        behind = ", ".join(f"{group} {count:,}" for group, count in self._behind().items() if count > 0)
        self._say(
            f"{self.seconds:6.1f} s  {self.acknowledged:>9,} events  {kills.total():>4} kills ({told})"
            f"  behind: {behind or 'nobody'}"
        )

    def _behind(self) -> dict[str, int]:
        """Return about how many events each group has still to handle, by what is written down."""
        world, published = self._world, self.acknowledged
        return {
            group: published - count_lines(world.ledger, f"handled-{group}-*", self._sizes)
            for group in CONSUMERS
            if group in world.roles
        }
