"""``xerpium watch``: follows the catalogue's stream in the one thread that there is, so that Ctrl-C ends it at once."""

from argparse import Namespace
from datetime import UTC, datetime
from random import random
from time import monotonic, sleep
from typing import Any

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.cli._changes import Change, changes
from xerpium_sdk.cli._hub import client_of
from xerpium_sdk.cli._ink import Inked, Piece
from xerpium_sdk.cli._screen import Screen
from xerpium_sdk.errors import HubUnavailable, Refused, UnreadableAnswer
from xerpium_sdk.registry import HubClient, ServiceRecord, Status
from xerpium_sdk.registry._follow import Follower
from xerpium_sdk.registry._view import OutOfStep, View
from xerpium_sdk.wire.times import format_time

__all__ = ["watch"]

PAUSES = Backoff(base=0.5, cap=5.0)


def watch(asked: Namespace, screen: Screen) -> int:
    """Tell every change until somebody ends it, or so many are told."""
    with client_of(asked) as hub:
        _Watch(screen, hub, frozenset(asked.names), asked.count).run()
    return 0


class _Done(Exception):
    """Raised when as many changes are told as were wanted."""


class _Watch:
    def __init__(self, screen: Screen, hub: HubClient, names: frozenset[str], count: int | None) -> None:
        self._screen, self._hub, self._names, self._left = screen, hub, names, count
        self._view = View()
        self._follower = Follower(self._view, PAUSES, random)
        self._known: dict[str, ServiceRecord] = {}
        self._began = self._is_lost = False

    def run(self) -> None:
        """Follow until the end."""
        while True:
            wanted = 0.0
            try:
                self._read()
                self._lost("the hub ended the stream")
            except _Done:
                return
            except (Refused, UnreadableAnswer):
                if not self._began:
                    raise  # nothing to wait for: somebody has to mend a setting
                self._lost("the hub does not let us in")
            except (HubUnavailable, OutOfStep) as error:
                wanted = error.retry_after if isinstance(error, HubUnavailable) else 0.0
                self._lost(str(error))
            sleep(self._follower.lost(monotonic(), retry_after=wanted))

    def _read(self) -> None:
        headers = self._follower.begin(monotonic())
        with self._hub.stream("catalog/stream", headers) as response:
            if self._began:
                self._back()
            for piece in response.iter_bytes():
                for changed in self._follower.heard(monotonic(), piece):
                    self._take(changed)

    def _take(self, changed: list[ServiceRecord]) -> None:
        """Tell what changed; the first snapshot is what was there before."""
        told = [one for record in changed for one in self._news(record)] if self._began else []
        for record in changed:
            if record.status is Status.DEREGISTERED:
                self._known.pop(record.name, None)
            else:
                self._known[record.name] = record
        if not self._began:
            self._began, self._is_lost = True, False
            services = len(self._known)
            self._tell(
                {"what": "began", "hub": self._hub.hub_url, "services": services, "revision": self._view.revision},
                [
                    Inked("following", "dim"),
                    f"  {self._hub.hub_url}: {services} services, revision {self._view.revision}",
                ],
            )
        for one in told:
            self._tell(one.to_json(), one.pieces())
            self._count()

    def _news(self, record: ServiceRecord) -> list[Change]:
        if self._names and record.name not in self._names:
            return []
        return list(changes(self._known.get(record.name), record))

    def _count(self) -> None:
        if self._left is not None:
            self._left -= 1
            if not self._left:
                raise _Done

    def _lost(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._tell({"what": "lost", "reason": reason}, [Inked("! lost", "yellow"), f"  {reason}; trying again"])

    def _back(self) -> None:
        if self._is_lost:
            self._is_lost = False
            self._tell(
                {"what": "back", "revision": self._view.revision},
                [Inked("● back", "green"), f"  revision {self._view.revision}"],
            )

    def _tell(self, document: dict[str, Any], pieces: list[Piece]) -> None:
        now = datetime.now(UTC)
        if self._screen.as_json:
            self._screen.document({"at": format_time(now), **document}, in_one_line=True)
        else:
            self._screen.line(Inked(f"{now.astimezone():%H:%M:%S}  ", "dim"), *pieces)
