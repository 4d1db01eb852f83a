"""A process of its own for each contestant, on the client's core: it takes orders as JSON lines and answers in them.

One process each, because libraries leave threads, loops and patched clients behind. It stays between the rounds, so
that importing is no part of any.
"""

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import psutil

__all__ = ["Stopwatch", "Task", "main"]


class Stopwatch:
    """Clock and processor time between two moments; the first start counts."""

    def __init__(self, server: psutil.Process | None = None) -> None:
        self._server = server
        self._begun: tuple[float, float, float] | None = None
        self.seconds = self.cpu = self.server_cpu = 0.0

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._begun is None:
            self._begun = time.perf_counter(), time.process_time(), self._spent_by_server()

    def stop(self) -> None:
        """Take the times.

        Raises:
            RuntimeError: it was never started.
        """
        if self._begun is None:
            raise RuntimeError("Nothing came, so there is nothing to time.")
        self.seconds = time.perf_counter() - self._begun[0]
        self.cpu = time.process_time() - self._begun[1]
        self.server_cpu = self._spent_by_server() - self._begun[2]

    def _spent_by_server(self) -> float:
        if self._server is None:
            return 0.0
        times = self._server.cpu_times()
        return times.user + times.system


@dataclass(frozen=True)
class Task:
    """One order: what to talk to and how many messages to move."""

    url: str
    count: int
    ready: Callable[[], None]
    """To be called by what waits for messages that others publish, once it does."""
    watch: Stopwatch
    """What it measures is the answer, beside what the function returns."""
    rate: float = 0.0
    """Messages a second, for what publishes at a pace."""


def main() -> int:
    """Do what comes on standard input until it ends."""
    module, cores = sys.argv[1], {int(core) for core in sys.argv[2:]}
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    # What libraries print goes to the errors; the answers have the pipe for themselves.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        contestant = importlib.import_module(module)
        _say(answers, {"ready": True})
        for line in sys.stdin:
            _say(answers, _perform(contestant, json.loads(line), answers))
    return 0


def _perform(contestant: Any, order: dict[str, Any], answers: IO[str]) -> dict[str, Any]:
    watch = Stopwatch(psutil.Process(order["server"]) if order.get("server") else None)
    task = Task(order["url"], order["count"], lambda: _say(answers, {"ready": True}), watch, order.get("rate") or 0.0)
    gc.collect()
    told = getattr(contestant, order["call"])(task)
    if not watch.seconds:
        raise RuntimeError(f"{order['call']} did not finish.")
    spent = {"seconds": watch.seconds, "cpu": watch.cpu, "redis_cpu": watch.server_cpu}
    return {"count": task.count, **spent, "told": told}


def _say(answers: IO[str], document: dict[str, Any]) -> None:
    answers.write(json.dumps(document) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
