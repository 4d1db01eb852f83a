"""The processes that take part: started, killed, frozen, and started again when they are gone."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from apps.core.engines import Engine, Redis
from apps.core.engines.base import as_stand_in, bound_to_parent
from apps.core.engines.postgres import OWNER
from tests.support.running_hub import ROOT
from tests.support.wait import wait_until

ENGINE_SECONDS = 60
STOP_SECONDS = 30
PAUSE_SECONDS = (0.05, 0.8)
TAIL_BYTES = 2000
SESSION = f"postgres: {OWNER}"  # and whose name begins so: the role with which the hub works
"""How the title of a process of PostgreSQL begins that serves a client."""


@dataclass(frozen=True)
class Role:
    """What a process does: several actors may have the same.

    Attributes:
        name: what plans call it.
        command: how it is started.
        ready: words in its output that say that it works; without them it counts as working at once.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = ""


class Actor:
    """One process of a role, over all its lives."""

    def __init__(self, role: Role, name: str, log: Path) -> None:
        self.role, self.name, self.log = role, name, log
        self.frozen = False
        self.due: float | None = None
        """When it is to be started again, if it was killed."""
        self.leaving = False
        """Whether it was asked to end in order, and is to be started again then."""
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped: list[psutil.Process] = []
        self._said = 0
        self._ready = False

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit status of its process; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def runs(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_excused(self) -> bool:
        """Whether its end, which nobody forced, is one that was to be expected."""
        return self.leaving and self.ended == 0

    def start(self) -> None:
        """Begin a life."""
        self.due, self.frozen, self.leaving, self._stopped, self._ready = None, False, False, [], False
        with self.log.open("ab") as log:
            self._said = log.tell()
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.role.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def command(self) -> list[str]:
        """Return the command line; the kernel ends it with this process."""
        return bound_to_parent(list(self.role.command))

    @property
    def folder(self) -> Path:
        """Where it works."""
        return ROOT

    def answers(self) -> bool:
        """Return whether it works, as far as it says so itself."""
        if not self._ready:
            self._ready = not self.role.ready or self.role.ready.encode() in self._log_of_this_life()
        return self.runs and self._ready

    def _log_of_this_life(self) -> bytes:
        with self.log.open("rb") as log:
            log.seek(self._said)
            return log.read()

    def kill(self, rng: random.Random) -> None:
        """End it without a warning; it is started again after a moment."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.frozen = False
        self.due = time.monotonic() + rng.uniform(*PAUSE_SECONDS)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self.runs:
            self._process.send_signal(signal.SIGTERM)

    def leave(self) -> None:
        """Ask it to end; it is started again when it has."""
        self.leaving = True
        self.ask_to_end()

    def freeze(self) -> None:
        """Stop it, and all that it has started: it neither answers nor refuses."""
        self.frozen = True
        process = psutil.Process(self.pid)
        process.suspend()
        self._stopped = [process, *process.children(recursive=True)]
        for one in self._stopped[1:]:
            with suppress(psutil.NoSuchProcess):
                one.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        self.frozen = False
        for one in self._stopped:
            with suppress(psutil.NoSuchProcess):
                one.resume()
        self._stopped = []

    def wait(self, seconds: float) -> int:
        """Wait for its end and return its status; kill it after ``seconds``."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return -signal.SIGKILL

    def about(self) -> str:
        """Return, in words, what its processes are doing."""
        try:
            process = psutil.Process(self.pid)
            family = [process, *process.children(recursive=True)]
            return ", ".join(f"{one.pid} {one.status()} {' '.join(one.cmdline())[:60]}" for one in family)
        except psutil.NoSuchProcess:
            return f"ended with {self.ended}"

    def tail(self) -> str:
        """Return the end of its log, on one line."""
        data = self.log.read_bytes()[-TAIL_BYTES:]
        return " | ".join(data.decode(errors="replace").splitlines()[-4:])


class EngineActor(Actor):
    """PostgreSQL or Redis."""

    def __init__(self, engine: Engine, log: Path) -> None:
        super().__init__(Role(engine.name, engine.command(), os.environ), engine.name, log)
        self.engine = engine
        self._answered = False

    @property
    def is_excused(self) -> bool:
        """PostgreSQL does not start as long as children of a killed one have its memory: that is tried again."""
        return not self._answered

    def start(self) -> None:
        """Clear what its predecessor left, and start it."""
        self._answered = False
        self.engine.prepare()
        super().start()

    def command(self) -> list[str]:
        """Return the command line, for the user that engines run as."""
        command = list(self.role.command)
        if isinstance(self.engine, Redis):
            # With `everysec` Redis acknowledges what a kill may take back; that would be told here as our loss.
            command += ["--appendfsync", "always"]
        return as_stand_in(bound_to_parent(command, self.engine.stop_signal))

    @property
    def folder(self) -> Path:
        """Its data directory."""
        return self.engine.directory

    def answers(self) -> bool:
        """Return whether it takes connections."""
        now = self.runs and self.engine.answers()
        self._answered = self._answered or now
        return now

    def kill_a_session(self, rng: random.Random) -> None:
        """End one of PostgreSQL's sessions, after which it throws all its clients out and recovers."""
        sessions = [child for child in psutil.Process(self.pid).children() if SESSION in " ".join(child.cmdline())]
        if sessions:
            rng.choice(sessions).kill()

    def ask_to_end(self) -> None:
        """Send what makes it end without waiting for its clients."""
        if self._process is not None and self.runs:
            self._process.send_signal(self.engine.stop_signal)


class Company:
    """All actors. Call `look` often: it starts again whoever is gone, and notes who went without being killed."""

    def __init__(self, directory: Path) -> None:
        self.deaths: list[str] = []
        """Who ended by itself, with the last it said."""
        self.actors: list[Actor] = []
        self._logs = directory / "logs"
        self._logs.mkdir(exist_ok=True)

    def engage(self, role: Role, copies: int = 1) -> None:
        """Start ``copies`` processes of ``role``."""
        for number in range(copies):
            name = f"{role.name}-{number}"
            self._add(Actor(role, name, self._logs / name))

    def engage_engine(self, engine: Engine) -> EngineActor:
        """Start a server and wait until it answers."""
        actor = EngineActor(engine, self._logs / engine.name)
        self._add(actor)
        wait_until(actor.answers, ENGINE_SECONDS, f"{engine.name} to answer")
        return actor

    def _add(self, actor: Actor) -> None:
        self.actors.append(actor)
        actor.start()

    def of(self, role: str) -> list[Actor]:
        """Return the actors of a role."""
        return [actor for actor in self.actors if actor.role.name == role]

    def engine(self, name: str) -> EngineActor:
        """Return a server."""
        (actor,) = self.of(name)
        assert isinstance(actor, EngineActor)
        return actor

    def look(self, now: float) -> None:
        """Start again who is gone."""
        for actor in self.actors:
            if actor.due is None and actor.ended is not None:
                if not actor.is_excused:
                    self.deaths.append(f"{actor.name} ended with {actor.ended}: {actor.tail()}")
                actor.due = now + PAUSE_SECONDS[1]
            if actor.due is not None and now >= actor.due:
                actor.start()

    def missing(self) -> list[str]:
        """Return, in words, who does not run or does not work."""
        return [
            f"{actor.name} ({actor.about()})"
            for actor in self.actors
            if actor.due is not None or actor.frozen or actor.leaving or not actor.answers()
        ]

    def dismiss(self, *roles: str) -> None:
        """End all actors of some roles in order, and wait for them; note who does not, or ends with a complaint."""
        leaving = [actor for role in roles for actor in self.of(role)]
        for actor in leaving:
            actor.ask_to_end()
        for actor in leaving:
            actor.thaw()
            if actor.runs and (status := actor.wait(STOP_SECONDS)):
                self.deaths.append(f"{actor.name} did not end in order ({status}): {actor.tail()}")
            self.actors.remove(actor)

    def end(self) -> None:
        """Kill everybody, engines last."""
        for actor in sorted(self.actors, key=lambda actor: isinstance(actor, EngineActor)):
            if actor.runs:
                actor.thaw()
                actor.ask_to_end() if isinstance(actor, EngineActor) else actor.kill(random.Random())
                actor.wait(STOP_SECONDS)

    def __iter__(self) -> Iterator[Actor]:
        return iter(self.actors)
