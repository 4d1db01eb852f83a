"""Where contestants meet: a Redis of their own on one core, a process for each on the other, rounds taken in turn."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
from redis import Redis

from apps.core.engines import Redis as RedisEngine
from apps.core.engines import free_port
from benchmarks.events.figures import Round
from benchmarks.stage import LOAD_CORE, ROOT, SERVER_CORE, pin, stop
from tests.support.engines import started

__all__ = ["Arena", "Contestant", "Player"]


@dataclass(frozen=True)
class Contestant:
    """One way of doing what is measured."""

    name: str
    module: str
    """Below `benchmarks.events.contestants`."""
    call: str
    """The function of that module: it takes a `benchmarks.events.player.Task`."""
    count: int
    """How many messages a round has; so many that a round takes about a second."""
    note: str = ""
    fresh: bool = False
    """Whether each round needs a new process, because what it runs cannot be run twice in one."""


class Player:
    """A process that performs what one module of contestants offers."""

    def __init__(self, module: str, core: int | None = LOAD_CORE) -> None:
        command = [sys.executable, "-m", "benchmarks.events.player", f"benchmarks.events.contestants.{module}"]
        command += [] if core is None else [str(core)]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the player
        self.process = psutil.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self._name = module
        self.wait()

    def order(self, call: str, url: str, count: int, server: int | None = None, rate: float | None = None) -> None:
        """Have a function performed; `wait` for its answer. ``server`` is the process whose time is told as well."""
        order = {"call": call, "url": url, "count": count, "server": server, "rate": rate}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def wait(self) -> dict[str, Any]:
        """Return the next thing it says.

        Raises:
            RuntimeError: it ended instead.
        """
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(timeout=10)
            self.errors.seek(0)
            raise RuntimeError(f"{self._name} ended:\n{self.errors.read()[-6000:]}")
        return dict(json.loads(line))

    def perform(self, call: str, url: str, count: int, server: int | None = None) -> dict[str, Any]:
        """Have a function performed and return its answer."""
        self.order(call, url, count, server)
        return self.wait()

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(psutil.TimeoutExpired):
            self.process.wait(timeout=5)
        stop(self.process)
        self.process.stdout.close()
        self.errors.close()


class Arena:
    """Starts a Redis that keeps nothing on disk, and the contestants' processes as they are needed."""

    def __init__(self, *, rounds: int, scale: float = 1.0) -> None:
        self.rounds, self.scale = rounds, scale
        self._players: dict[str, Player] = {}
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> "Arena":
        return self

    def __exit__(self, *exception: object) -> None:
        self._exit.close()

    @cached_property
    def directory(self) -> Path:
        """A directory that is gone at the end, in which engines of another user can reach their own."""
        directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="xerpium-bench-events-")))
        directory.chmod(0o711)
        return directory

    @cached_property
    def _engine(self) -> tuple[RedisEngine, psutil.Process]:
        engine = RedisEngine(self.directory / "redis", free_port(), "benchmarks", durable=False)
        process = psutil.Process(self._exit.enter_context(started(engine)).pid)
        pin(process, SERVER_CORE)
        return engine, process

    @property
    def url(self) -> str:
        """Where the Redis is."""
        return self._engine[0].url

    @cached_property
    def client(self) -> Redis:
        """A connection of the arena's own."""
        client = Redis.from_url(self.url)
        self._exit.callback(client.close)
        return client

    def player(self, module: str, core: int = LOAD_CORE) -> Player:
        """Return the process of a module of contestants, started if it is not there."""
        key = f"{module} {core}"
        if key not in self._players:
            self._players[key] = Player(module, core)
            self._exit.callback(self._players[key].close)
        return self._players[key]

    def compete(
        self, contestants: Sequence[Contestant], told: dict[str, list[Any]] | None = None
    ) -> dict[str, list[Round]]:
        """Let contestants take turns, and return the rounds of each; one round before them does not count.

        What their functions returned is put into ``told``, round by round.
        """
        found: dict[str, list[Round]] = {one.name: [] for one in contestants}
        for one in contestants:
            if not one.fresh:
                self._round(one, self.scale / 10)
        for _ in range(self.rounds):
            for one in contestants:
                answer = self._round(one, self.scale)
                found[one.name].append(Round(answer["count"], answer["seconds"], answer["cpu"], answer["redis_cpu"]))
                if told is not None:
                    told.setdefault(one.name, []).append(answer["told"])
        return found

    def _round(self, one: Contestant, scale: float) -> dict[str, Any]:
        self.client.flushall()
        player = Player(one.module) if one.fresh else self.player(one.module)
        try:
            return player.perform(one.call, self.url, max(100, int(one.count * scale)), self._engine[1].pid)
        finally:
            if one.fresh:
                player.close()


def environment() -> dict[str, str]:
    """Return the environment of a player: it finds the project, and nothing of the hub's settings."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "sdk" / "src")])
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": paths}
