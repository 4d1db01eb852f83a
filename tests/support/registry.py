"""The registry in tests: what a service sends over HTTP, a clock to pass in, what is stored, a relay that runs."""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import orjson
from django.db import connection
from django.test import override_settings

from apps.core import redis
from apps.core.tenancy import system, use
from apps.events.models import OutboxEntry
from apps.events.relay import Relay
from apps.registry.leases import unix_ms
from apps.registry.models import Instance
from tests.support.database import database_url
from xerpium_sdk.wire.keys import REGISTRY_CHANGES, REGISTRY_LEASES, STREAM_HUB

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
FIRST_PORT = 20_000
NO_REDIS = "redis://127.0.0.1:1/0"


def seconds(number: float) -> dt.timedelta:
    """Return a length of time."""
    return dt.timedelta(seconds=number)


def body(name: str = "orders", number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return what instance ``number`` of the service ``name`` sends to register, with ``changes``; nothing listens."""
    port = FIRST_PORT + number
    return {
        "name": name,
        "version": "1.0.0",
        "host": "127.0.0.1",
        "port": port,
        "health_check_url": f"http://127.0.0.1:{port}/health",
        "api_base_url": f"http://127.0.0.1:{port}/api/v1",
        **changes,
    }


def id_of(number: int = 1) -> str:
    """Return the id that the hub gives to instance ``number`` of `body`."""
    return f"127.0.0.1:{FIRST_PORT + number}"


def stored(pk: int) -> Instance:
    """Return an instance as it is stored now, with its service and its vitals."""
    return Instance.objects.select_related("vitals", "service").get(pk=pk)


def statuses(name: str) -> dict[str, str]:
    """Return the stored status of each instance of a service."""
    return dict(Instance.objects.filter(service__name=name).values_list("instance_id", "status"))


def events() -> list[str]:
    """Return the types of what the hub told of and no relay has taken yet, in order."""
    return [entry.fields["event_type"] for entry in OutboxEntry.objects.filter(stream=STREAM_HUB).order_by("id")]


def changes() -> list[dict[str, Any]]:
    """Return the changes of the catalogue that no relay has taken yet, in order."""
    entries = OutboxEntry.objects.filter(stream=REGISTRY_CHANGES).order_by("id")
    return [orjson.loads(entry.fields["change"]) for entry in entries]


def end_leases(pks: Iterable[int], at: dt.datetime) -> None:
    """Let the leases of instances be over at a moment, as silence would."""
    redis.client().zadd(REGISTRY_LEASES, {str(pk): unix_ms(at) for pk in pks})


@contextmanager
def redis_at(url: str) -> Iterator[None]:
    """Let the hub use another Redis, or one that is not there, while the block runs."""
    with override_settings(REDIS_URL=url):
        forget_connections()
        yield
    forget_connections()


def forget_connections() -> None:
    """Let the next use of Redis connect anew."""
    redis.client.cache_clear()
    redis.bytes_client.cache_clear()
    redis.blocking_client.cache_clear()


@contextmanager
def relaying() -> Iterator[Relay]:
    """Let a relay run in a thread, as its command would; an exception in it fails the test."""
    relay = Relay(database_url(), redis.client())
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
            connection.close()

    thread = Thread(target=run, name="relay")
    thread.start()
    try:
        yield relay
    finally:
        stop.set()
        thread.join()
    assert not failures, failures
