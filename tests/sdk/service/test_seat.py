"""Several processes at one address: one of them joins for all."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.service.conftest import Maker, Remains
from tests.sdk.ui.hub import UIHub
from tests.support.wait import wait_until
from xerpium_sdk.service import _seat
from xerpium_sdk.service._seat import Seat

HOLDER = """
import sys
from xerpium_sdk.service._seat import Seat
print(Seat(*sys.argv[1:]).take(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(_seat.tempfile, "tempdir", None)


def holder(*identity: str) -> "subprocess.Popen[str]":
    """Return another process that holds a seat."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *identity], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_seat_is_of_one_process_until_that_ends() -> None:
    seat, others = Seat("hub", "shop", "a:1"), Seat("hub", "shop", "b:1")
    with holder("hub", "shop", "a:1") as process:
        assert (seat.take(), others.take()) == (False, True)
        process.kill()
    assert (seat.take(), seat.take()) == (True, True)
    seat.give_back()
    others.give_back()
    with holder("hub", "shop", "a:1") as process:
        process.kill()


def test_where_it_cannot_be_kept_it_is_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_seat.tempfile, "tempdir", "/nowhere/at/all")
    assert Seat("hub", "shop").take() is True


def test_a_process_joins_when_the_one_that_had_joined_ends(hub: UIHub, make: Maker) -> None:
    made, remains = make(), Remains()
    with holder(hub.url, "shop", "127.0.0.1:8101") as process:
        made.start()
        assert (made.state.joined, made.member, hub.known) == (None, None, {})
        document = made.health.check_health_sync()["checks"]["hub"]
        assert (document["status"], document["details"]["registered"]) == ("healthy", None)
        process.kill()
    wait_until(lambda: made.state.joined, description="this one to join")
    assert made.stop() is True
    with holder(hub.url, "shop", "127.0.0.1:8101") as process:
        made.start()
        assert made.stop() is True
        process.kill()
    wait_until(lambda: remains() == [], description="the last thread")
