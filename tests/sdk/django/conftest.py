"""The SDK's app for Django services, on PostgreSQL and on SQLite."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from tests.support.database import transactional_db
from xerpium_sdk.django import seat
from xerpium_sdk.django.relay import OutboxRelay
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["transactional_db"]

LITE = "lite"


@pytest.fixture(params=["default", LITE], ids=["PostgreSQL", "SQLite"])
def using(request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """The alias of a database that has the app's tables, empty."""
    if request.param == LITE:
        with sqlite(tmp_path):
            yield LITE
    else:
        yield "default"


class sqlite:  # noqa: N801 - used as a function is
    """A database in a file of its own, known as ``lite`` within the block."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "service.sqlite3"

    def __enter__(self) -> Path:
        settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self._path), "OPTIONS": {"timeout": 20}}
        filled = connections.configure_settings({"default": dict(connections.settings["default"]), LITE: settings})
        connections.settings[LITE] = filled[LITE]
        call_command("migrate", "xerpium_sdk", database=LITE, verbosity=0)
        return self._path

    def __exit__(self, *about: object) -> None:
        connections[LITE].close()
        del connections[LITE]
        del connections.settings[LITE]


@pytest.fixture
def make_relay(using: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., OutboxRelay]]:
    """A function that makes relays; they are closed after the test."""
    made: list[OutboxRelay] = []

    def make(**options: Any) -> OutboxRelay:
        made.append(OutboxRelay(**{"redis_url": os.environ["REDIS_URL"], "using": using, **options}))
        return made[-1]

    yield make
    for relay in made:
        relay.close()
    monkeypatch.undo()


@pytest.fixture
def relay(make_relay: Callable[..., OutboxRelay]) -> OutboxRelay:
    """A relay."""
    return make_relay()


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that end within a moment."""
    monkeypatch.setattr(seat, "LEASE_SECONDS", 0.3)


def events_in(client: Any, stream: str = STREAM_EVENTS) -> list[Envelope]:
    """Return what is in a stream."""
    return [Envelope.decode(fields, text_ids=True) for _, fields in client.xrange(stream)]


def numbers_in(client: Any) -> list[Any]:
    """Return the ids of the entities of the events in the stream."""
    return [event.entity_id for event in events_in(client)]
