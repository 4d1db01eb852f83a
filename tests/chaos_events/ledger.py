"""What programs write down while they are being killed: one line a deed, appended with one write.

A write that has returned is in the kernel, so no death of the writer undoes it; a line without its end is of a deed
that was not done. Times are of the monotonic clock, which all processes of a machine share.
"""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

PLAIN, POISON, JUNK = "plain", "poison", "junk"
"""Kinds of events: every handler succeeds in the end; no handler ever does; nobody can decode it."""


class Attempt(NamedTuple):
    """An event that a producer was about to publish.

    ``sequence`` counts the events of one ``entity`` in the order in which they were published.
    """

    at: int
    event_id: str
    entity: str
    sequence: int
    kind: str


class Handling(NamedTuple):
    """An event that a handler was done with. ``at`` is when it began with it, ``process`` who did it."""

    at: int
    event_id: str
    entity: str
    sequence: int
    process: str


class Ledger:
    """A file of one process, for appending."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Append ``rows`` with one write."""
        lines = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        data = lines.encode()
        if os.write(self._descriptor, data) != len(data):
            raise OSError("the ledger's disk is full")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def now() -> int:
    """Return the time in nanoseconds, comparable between processes of this machine."""
    return time.monotonic_ns()


def name_of_process() -> str:
    """Return a name for this process that no other has in this run: numbers of processes come again."""
    return f"{os.getpid()}-{now()}"


def rows(path: Path) -> Iterator[list[str]]:
    """Yield what was written to ``path``, without a line that has no end."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line.endswith("\n"):
                yield line[:-1].split("\t")


def read_attempts(directory: Path) -> dict[str, Attempt]:
    """Return what was ever attempted, by event id; of several attempts the first."""
    found: dict[str, Attempt] = {}
    for path in sorted(directory.glob("attempts-*")):
        for at, event_id, entity, sequence, kind in rows(path):
            one = Attempt(int(at), event_id, entity, int(sequence), kind)
            if event_id not in found or one.at < found[event_id].at:
                found[event_id] = one
    return found


def read_acknowledged(directory: Path) -> dict[str, int]:
    """Return what was acknowledged to its producer: event id -> when."""
    return {event_id: int(at) for path in directory.glob("acknowledged-*") for at, event_id in rows(path)}


def read_handlings(directory: Path, group: str) -> list[Handling]:
    """Return what the consumers of ``group`` handled, in the order of time."""
    found = [
        Handling(int(at), event_id, entity, int(sequence), path.name)
        for path in directory.glob(f"handled-{group}-*")
        for at, event_id, entity, sequence in rows(path)
    ]
    # What was handled at once stays in the order in which it was handled.
    return sorted(found, key=lambda one: one.at)
