"""Relays on the test database, and a projection to watch them by."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection

from apps.core import redis
from apps.core.access import OpenHub, Principal
from apps.core.tenancy import system, use
from apps.events import declarations, projections
from apps.events import relay as relay_module
from apps.events.relay import Relay
from tests.support.api import Api
from tests.support.database import transactional_db
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import REGISTRY_CATALOG, REGISTRY_CHANGES

__all__ = ["make_event", "transactional_db"]


def make_event(number: int = 0, event_type: str = "service_registered") -> Envelope:
    return Envelope(
        event_id=str(uuid4()),
        event_type=event_type,
        service_name="xerpium-hub",
        entity_type="service",
        entity_id=number,
        company_id=None,
        user_id=None,
        timestamp="2026-01-02T03:04:05.678Z",
        data={"number": number},
    )


class Totals:
    """A projection that keeps what each change set last, and the revision that this is as of."""

    def __init__(self) -> None:
        self.truth: dict[str, str] = {}
        self.revision = 0
        self.as_of = 0
        self.rebuilds = 0

    def project(self, pipeline: redis.Pipeline, entries: Sequence[Mapping[str, str]]) -> None:
        for entry in entries:
            change = json.loads(entry["change"])
            if change["revision"] > self.as_of:
                pipeline.hset(REGISTRY_CATALOG, mapping={change["name"]: change["value"], "meta": change["revision"]})

    def is_missing(self, client: redis.Redis) -> bool:
        return not client.exists(REGISTRY_CATALOG)

    def rebuild(self, client: redis.Redis) -> None:
        self.rebuilds += 1
        self.as_of = self.revision
        content: dict[Any, Any] = {**self.truth, "meta": self.revision}
        client.hset(REGISTRY_CATALOG, mapping=content)


@pytest.fixture(autouse=True)
def no_declarations_of_the_test_before() -> None:
    """Let this process look anew at which types are declared."""
    declarations.forget()


@pytest.fixture
def totals(monkeypatch: pytest.MonkeyPatch) -> Totals:
    """The only projection there is, fed by the registry's changes."""
    projection = Totals()
    monkeypatch.setattr(projections, "_projections", {REGISTRY_CHANGES: projection})
    return projection


@pytest.fixture
def dsn(transactional_db: None) -> str:
    """The address of the test database, for a connection of one's own."""
    own = connection.settings_dict
    user, password = quote(own["USER"]), quote(own["PASSWORD"])
    return f"postgresql://{user}{':' if password else ''}{password}@{own['HOST']}:{own['PORT']}/{own['NAME']}"


@pytest.fixture
def make_relay(dsn: str, totals: Totals, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Relay]]:
    """A function that makes relays, which look around more often than real ones; they are closed after the test."""
    monkeypatch.setattr(relay_module, "BEAT_SECONDS", 0.05)
    made: list[Relay] = []

    def make() -> Relay:
        made.append(Relay(dsn, redis.client()))
        return made[-1]

    yield make
    for relay in made:
        relay.close()


@pytest.fixture
def relay(make_relay: Callable[[], Relay]) -> Relay:
    """A relay that has taken over."""
    relay = make_relay()
    relay.step()
    return relay


@contextmanager
def running(relay: Relay) -> Iterator[None]:
    """Let ``relay`` run in a thread, as its command would; an exception in it fails the test."""
    stop, failures = Event(), []

    @use(system("tests"))
    def run() -> None:
        try:
            while not stop.is_set():
                relay.step()
        except Exception as error:
            failures.append(error)
        finally:
            relay.close()

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures


@pytest.fixture
def api(transactional_db: None) -> Api:
    """A caller of the REST API on this machine, without credentials: the hub of the tests is open to it."""
    return Api()


@pytest.fixture
def come_in_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Principal], None]:
    """A function that makes every later caller somebody in particular, as credentials will."""

    def come_in(caller: Principal) -> None:
        monkeypatch.setattr(OpenHub, "authenticate", lambda self, request: (caller, None))

    return come_in
