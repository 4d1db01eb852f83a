"""A ledger tells what was written before its writer died, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.chaos_events.ledger import (
    PLAIN,
    Attempt,
    Handling,
    Ledger,
    name_of_process,
    read_acknowledged,
    read_attempts,
    read_handlings,
    rows,
)
from tests.support.running_hub import ROOT
from tests.support.wait import wait_until

WRITER = """
import sys
from pathlib import Path
from tests.chaos_events.ledger import Ledger
ledger, number = Ledger(Path(sys.argv[1])), 0
while True:
    number += 1
    ledger.write([(number, "x" * 100), (number, "y" * 100)])
"""


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with Ledger(tmp_path / "attempts-a") as ledger:
        ledger.write([(5, "e1", "shop:1", 1, PLAIN), (6, "e2", "shop:1", 2, PLAIN)])
    with Ledger(tmp_path / "attempts-b") as ledger:
        ledger.write([(4, "e1", "shop:1", 1, PLAIN)])
    with Ledger(tmp_path / "acknowledged-a") as ledger:
        ledger.write([(7, "e1")])
    for name, at in (("handled-g-1", 9), ("handled-g-2", 8), ("handled-other-1", 1)):
        with Ledger(tmp_path / name) as ledger:
            ledger.write([(at, "e1", "shop:1", 1)])
    assert read_attempts(tmp_path) == {
        "e1": Attempt(4, "e1", "shop:1", 1, PLAIN),
        "e2": Attempt(6, "e2", "shop:1", 2, PLAIN),
    }
    assert read_acknowledged(tmp_path) == {"e1": 7}
    assert read_handlings(tmp_path, "g") == [
        Handling(8, "e1", "shop:1", 1, "handled-g-2"),
        Handling(9, "e1", "shop:1", 1, "handled-g-1"),
    ]


def test_what_was_handled_at_once_keeps_its_order(tmp_path: Path) -> None:
    with Ledger(tmp_path / "handled-g-1") as ledger:
        ledger.write([(5, "b", "shop:1", 1), (5, "a", "shop:1", 2)])
    assert [one.event_id for one in read_handlings(tmp_path, "g")] == ["b", "a"]


def test_a_line_without_its_end_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "acknowledged-a"
    path.write_text("1\te1\n2\te")
    assert list(rows(path)) == [["1", "e1"]]


def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT)
    wait_until(lambda: path.exists() and path.stat().st_size > 100_000, 10, "the writer to write")
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    found = list(rows(path))
    assert len(found) > 400
    assert [int(number) for number, _ in found] == [1 + index // 2 for index in range(len(found))]
    assert {len(text) for _, text in found} == {100}


def test_a_process_has_a_name_of_its_own() -> None:
    assert name_of_process() != name_of_process()
