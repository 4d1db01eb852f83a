"""The supervisor and real processes: small ones, in Python."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from apps.core.engines import StartError
from apps.core.supervisor import backoff
from apps.core.supervisor.child import Child, how_it_ended
from apps.core.supervisor.log import Log
from apps.core.supervisor.parts import Part
from apps.core.supervisor.supervisor import Supervisor
from tests.support.wait import wait_until, wait_until_async

READY = "print('I am ready', flush=True)\n"
WAIT = "import time; time.sleep(60)\n"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


class Bench:
    """A supervisor in a test: its parts are scripts, its log is text."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.stream = directory, io.StringIO()
        self.supervisor = Supervisor(Log(self.stream, width=4, colour=False))

    @property
    def log(self) -> str:
        return self.stream.getvalue()

    def part(self, name: str, script: str, **options: object) -> Part:
        command = [sys.executable, "-S", "-c", textwrap.dedent(script)]
        named = {"environment": os.environ, "ready_line": "I am ready"} | options
        return Part(name, command, self.directory, f"the {name}", **named)

    def start(self, *parts: Part) -> list[Child]:
        return self.supervisor.start(parts)

    async def wait(self, predicate: Callable[[], object], description: str) -> None:
        async def ask() -> object:
            return predicate()

        await wait_until_async(ask, 10, description)


def run(test: Callable[[Bench], Awaitable[None]], directory: Path) -> Bench:
    """Run an async test with a bench, and see that no process is left."""
    bench = Bench(directory)

    async def body() -> None:
        try:
            await test(bench)
        finally:
            await bench.supervisor.stop()

    asyncio.run(body())
    assert processes_in(directory) == []
    return bench


def processes_in(directory: Path) -> list[psutil.Process]:
    """Return the processes that work in ``directory``: the parts of a bench and whatever they started."""
    found = psutil.process_iter(["cwd", "status"])
    return [p for p in found if p.info["cwd"] == str(directory) and p.info["status"] != psutil.STATUS_ZOMBIE]


def test_the_output_of_a_part_is_in_the_log_line_by_line(tmp_path):
    async def test(bench: Bench) -> None:
        bench.start(
            bench.part("web", "import sys; print('one'); print('two', file=sys.stderr); print('three', end='')")
        )
        await bench.wait(lambda: "three" in bench.log, "its words")

    log = run(test, tmp_path).log.splitlines()
    assert {"web  | one", "web  | two", "web  | three"} <= set(log)


def test_a_part_answers_when_it_says_so_and_no_longer_when_it_died(tmp_path):
    async def test(bench: Bench) -> None:
        (child,) = bench.start(bench.part("web", READY + WAIT))
        assert not child.answering.is_set()
        await bench.supervisor.until_answering([child])
        first = child.pid
        os.kill(first, signal.SIGKILL)
        await bench.wait(lambda: not child.answering.is_set(), "its death to be noticed")
        await bench.supervisor.until_answering([child])
        assert child.pid != first

    assert "web ended (killed by SIGKILL) and is started again in 0.2 s" in run(test, tmp_path).log


def test_a_part_that_is_asked_answers_when_the_question_is_answered(tmp_path):
    asked = []

    async def test(bench: Bench) -> None:
        part = Part(
            "web", [sys.executable, "-c", WAIT], tmp_path, "", answers=lambda: asked.append(1) or len(asked) > 3
        )
        (child,) = bench.start(part)
        await bench.supervisor.until_answering([child])

    run(test, tmp_path)
    assert len(asked) == 4


def test_five_quick_deaths_show_the_last_lines_and_what_to_look_at(tmp_path, monkeypatch):
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 0.001)

    async def test(bench: Bench) -> None:
        (child,) = bench.start(bench.part("web", "print('no such table'); raise SystemExit(3)"))
        await asyncio.wait_for(child.hopeless.wait(), 10)
        with pytest.raises(StartError, match="web does not start: look at the web"):
            await bench.supervisor.until_answering_or_hopeless(child)

    log = run(test, tmp_path).log
    assert log.count("started again in") == 4
    assert "hub  | web ended 5 times in a row (exit code 3). Its last lines:\nhub  |     no such table\n" in log
    assert "hub  | Look at the web. web is tried again every 30 s.\n" in log


def test_a_hopeless_part_that_is_mended_works_again(tmp_path, monkeypatch):
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(backoff, "SLOW_PAUSE_SECONDS", 0.05)
    script = "import os\nif not os.path.exists('mended'): raise SystemExit(1)\n" + READY + WAIT

    async def test(bench: Bench) -> None:
        (child,) = bench.start(bench.part("web", script))
        await asyncio.wait_for(child.hopeless.wait(), 10)
        (tmp_path / "mended").touch()
        await bench.supervisor.until_answering([child])
        assert not child.hopeless.is_set()

    run(test, tmp_path)


def test_a_command_that_does_not_exist_is_said_and_does_not_end_the_supervisor(tmp_path, monkeypatch):
    monkeypatch.setattr("apps.core.supervisor.life.bound_to_parent", lambda command, last: command)

    async def test(bench: Bench) -> None:
        bench.start(Part("web", ["./no-such-program"], tmp_path, "the web"))
        await bench.wait(lambda: "web ended (not started) and is started again" in bench.log, "the second try")

    assert "web  | cannot be started: [Errno 2]" in run(test, tmp_path).log


def test_levels_stop_one_after_the_other_the_highest_first(tmp_path):
    slow = """
        import signal, sys, time
        def end(*_):
            time.sleep(0.1)
            print("I am gone", flush=True)
            sys.exit()
        signal.signal(signal.SIGTERM, end)
        print("I am ready", flush=True)
        time.sleep(60)
    """

    async def test(bench: Bench) -> None:
        levels = {"top": 3, "base": 0, "one": 1, "two": 1}
        children = bench.start(*(bench.part(name, slow, level=level) for name, level in levels.items()))
        await bench.supervisor.until_answering(children)

    log = run(test, tmp_path).log.splitlines()
    told = [line for line in log if "stopping" in line or "gone" in line]
    assert told[:2] == ["hub  | stopping top", "top  | I am gone"]
    assert told[2] == "hub  | stopping one, two"
    assert sorted(told[3:5]) == ["one  | I am gone", "two  | I am gone"]
    assert told[5:] == ["hub  | stopping base", "base | I am gone"]


def test_a_part_that_does_not_end_in_time_is_killed_with_its_children(tmp_path):
    script = STUBBORN + f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {STUBBORN + WAIT!r}])\n"

    async def test(bench: Bench) -> None:
        children = bench.start(bench.part("web", script + READY + WAIT, stop_seconds=0.2))
        await bench.supervisor.until_answering(children)

    assert "web does not end within 0.2 s and is killed" in run(test, tmp_path).log


def test_what_a_dead_part_had_started_does_not_stay(tmp_path):
    script = f"import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', {WAIT!r}]).pid)\n"

    async def test(bench: Bench) -> None:
        (child,) = bench.start(bench.part("web", script))
        await bench.wait(lambda: child.last_lines, "the number of the grandchild")
        await bench.wait(lambda: not psutil.pid_exists(int(child.last_lines[0])), "the grandchild to be gone")

    run(test, tmp_path)


def test_whoever_is_in_a_hurry_does_not_wait(tmp_path):
    async def test(bench: Bench) -> None:
        children = bench.start(bench.part("web", STUBBORN + READY + WAIT, stop_seconds=50))
        await bench.supervisor.until_answering(children)
        bench.supervisor.hurry()

    began = time.monotonic()
    run(test, tmp_path)
    assert time.monotonic() - began < 10


def test_a_part_stops_while_it_waits_for_its_next_start(tmp_path, monkeypatch):
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 50.0)

    async def test(bench: Bench) -> None:
        bench.start(bench.part("web", "raise SystemExit(1)"))
        await bench.wait(lambda: "started again in" in bench.log, "its death")

    began = time.monotonic()
    run(test, tmp_path)
    assert time.monotonic() - began < 10


def test_a_part_stops_that_was_only_just_started(tmp_path):
    async def test(bench: Bench) -> None:
        bench.start(bench.part("web", WAIT, stop_seconds=50))

    began = time.monotonic()
    run(test, tmp_path)
    assert time.monotonic() - began < 10


def test_one_piece_of_work_is_run_to_its_end_and_its_failure_is_told(tmp_path):
    async def test(bench: Bench) -> None:
        assert await bench.supervisor.run_to_end(bench.part("once", "print('done')")) == ["done"]
        with pytest.raises(StartError, match=r"once failed \(too bad\): look at the once"):
            await bench.supervisor.run_to_end(bench.part("once", "import sys; sys.exit('too bad')"))

    run(test, tmp_path)


def test_a_piece_of_work_that_is_cancelled_leaves_no_process(tmp_path):
    async def test(bench: Bench) -> None:
        work = asyncio.create_task(bench.supervisor.run_to_end(bench.part("once", READY + WAIT)))
        await bench.wait(lambda: "I am ready" in bench.log, "its start")
        work.cancel()
        await asyncio.wait([work])

    run(test, tmp_path)


SUPERVISOR = f"""
import asyncio, os, signal, sys
from pathlib import Path
from apps.core.supervisor.log import Log
from apps.core.supervisor.parts import Part
from apps.core.supervisor.supervisor import Supervisor

async def main():
    supervisor = Supervisor(Log(sys.stderr, width=4, colour=False))
    script = {(STUBBORN + READY + WAIT)!r}
    part = Part("web", [sys.executable, "-c", script], Path.cwd(), "", environment=os.environ, ready_line="ready")
    (child,) = supervisor.start([part])
    await supervisor.until_answering([child])
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_children_follow_a_supervisor_that_was_killed():
    done = subprocess.run([sys.executable, "-c", SUPERVISOR], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    wait_until(lambda: not psutil.pid_exists(int(done.stdout)), 5, "the child to be gone too")


@pytest.mark.parametrize(
    ("code", "words"),
    [(None, "not started"), (0, "exit code 0"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")],
)
def test_an_end_in_words(code, words):
    assert how_it_ended(code) == words
