"""Commands that run until they are told to stop."""

import logging
import os
import signal
import time
from collections.abc import Callable
from io import StringIO
from threading import Timer
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError

from apps.core import redis
from apps.core.loop import OUTAGES, RunForever, StopFlag

# The loop asks after this thread's connection, which tests before these may have left open.
pytestmark = pytest.mark.django_db

AWAY = OperationalError("connection to server failed:\nConnection refused")


class Scripted(RunForever):
    """Does one after another what its script says; stops itself at the end of it."""

    name = "scripted"
    idle_seconds = 0.0
    longest_pause = 0.001
    script: list[bool | Exception | Callable[[], bool]]

    def step(self) -> bool:
        action = self.script.pop(0)
        if not self.script:
            self.stopping.set()
        if isinstance(action, Exception):
            raise action
        return action if isinstance(action, bool) else action()

    def end(self) -> str:
        return "All done."


def run(*script: Any, command: type[Scripted] = Scripted, **options: Any) -> list[str]:
    out = StringIO()
    instance = command()
    instance.script = list(script)
    call_command(instance, stdout=out, **options)
    return out.getvalue().splitlines()


def test_it_says_when_it_runs_and_when_it_stopped() -> None:
    assert run(True, False, True) == ["scripted is now running", "scripted stopped. All done."]


def test_it_runs_only_after_the_first_step_that_went_through() -> None:
    assert run(AWAY, AWAY) == ["scripted stopped. All done."]
    assert run(AWAY, True)[0] == "scripted is now running"


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "apps.core.loop")
    run(True, AWAY, redis.AWAY[0]("gone"), AWAY, True, True, AWAY, False)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert "trying again" in lines[0]
    assert "connection to server failed: Connection refused" in lines[0]
    assert "3 attempts" in lines[1]
    assert "1 attempts" in lines[3]


def test_pauses_grow_up_to_the_longest() -> None:
    command = Scripted()
    command.longest_pause = 2.0
    pauses = []
    for failures in range(1, 20):
        command._failures = failures
        pauses.append(command._pause())
    assert pauses[0] <= 0.1
    assert all(1.0 <= pause <= 2.0 for pause in pauses[8:])


def test_a_defect_ends_it_after_the_summary() -> None:
    with pytest.raises(ZeroDivisionError):
        run(True, ZeroDivisionError())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_step(number: signal.Signals) -> None:
    done = []

    def interrupted() -> bool:
        os.kill(os.getpid(), number)
        done.append("the rest of the step")
        return True

    assert run(interrupted, *[True] * 1000)[-1] == "scripted stopped. All done."
    assert done == ["the rest of the step"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_ends_its_pause() -> None:
    class Sleepy(Scripted):
        idle_seconds = 30.0

    began = time.monotonic()
    timer = Timer(0.1, os.kill, [os.getpid(), signal.SIGTERM])
    timer.start()
    run(False, True, command=Sleepy)
    timer.join()
    assert time.monotonic() - began < 5


def test_once_ends_when_nothing_is_left() -> None:
    assert run(True, True, False, ZeroDivisionError(), once=True)[-1] == "scripted stopped. All done."


def test_once_does_not_wait_for_an_outage_to_end() -> None:
    with pytest.raises(OperationalError):
        run(AWAY, True, once=True)


def test_the_flag_may_be_raised_by_a_handler_while_its_own_thread_waits() -> None:
    flag = StopFlag()
    assert flag.wait(0) is False
    assert flag.wait(0.001) is False
    previous = signal.signal(signal.SIGALRM, flag.set)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert flag.wait(30) is True
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert flag.is_set()
    assert flag.wait(30) is True


def test_bugs_are_no_outages() -> None:
    assert not issubclass(redis.ResponseError, OUTAGES)
    assert not issubclass(ValueError, OUTAGES)
