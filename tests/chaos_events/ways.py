"""The ways in which events get onto the bus; each is one that a service may take."""

import asyncio
import http.client
import json
import os
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

import redis
from redis.exceptions import RedisError

from tests.chaos_events.events import Source, junk
from tests.chaos_events.ledger import Attempt
from xerpium_sdk.wire.envelope import Envelope, stream_of
from xerpium_sdk.wire.keys import STREAM_EVENTS

PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05


class Way(Protocol):
    """One way to publish."""

    outages: tuple[type[Exception], ...]
    """What `send` raises when the batch may not be safe; it is then sent again."""

    def make(self, source: Source, rng: random.Random) -> tuple[Attempt, Any]:
        """Return something to be published, and what is written down of it."""

    def send(self, batch: Sequence[Any]) -> None:
        """Publish ``batch`` in this order; it is safe when this returns."""

    def close(self) -> None:
        """Let go of connections."""


class Envelopes:
    """What most ways have in common: they publish what the source makes."""

    outages: tuple[type[Exception], ...] = (OSError, RedisError)

    def make(self, source: Source, rng: random.Random) -> tuple[Attempt, Envelope]:
        """See `Way`."""
        return source.next()


class Single(Envelopes):
    """The SDK's publisher, one event after the other."""

    def __init__(self) -> None:
        from xerpium_sdk.events import EventPublisher, PublishFailed

        self.outages = (PublishFailed,)
        self._publisher = EventPublisher("chaos")
        self._sent: set[str] = set()

    def send(self, batch: Sequence[Envelope]) -> None:
        """See `Way`; what is safe is not sent again."""
        for envelope in batch:
            if envelope.event_id not in self._sent:
                self._publisher.publish_event(*_arguments(envelope), **_named(envelope))
                self._sent.add(envelope.event_id)
        self._sent.clear()

    def close(self) -> None:
        """See `Way`."""
        self._publisher.close()


class Many(Envelopes):
    """The SDK's publisher, a batch in one round trip."""

    def __init__(self) -> None:
        from xerpium_sdk.events import EventPublisher, PublishFailed

        self.outages = (PublishFailed,)
        self._publisher = EventPublisher("chaos")

    def send(self, batch: Sequence[Envelope]) -> None:
        """See `Way`."""
        self._publisher.publish_many(batch)

    def close(self) -> None:
        """See `Way`."""
        self._publisher.close()


class Async(Envelopes):
    """The SDK's publisher on an event loop: events of different entities at the same time."""

    def __init__(self) -> None:
        from xerpium_sdk.events import AsyncEventPublisher, PublishFailed

        self._failed = PublishFailed
        self._runner = asyncio.Runner()
        self._publisher = AsyncEventPublisher("chaos")

    def send(self, batch: Sequence[Envelope]) -> None:
        """See `Way`."""
        self._runner.run(self._send(batch))

    def close(self) -> None:
        """See `Way`."""
        self._runner.run(self._publisher.aclose())
        self._runner.close()

    async def _send(self, batch: Sequence[Envelope]) -> None:
        chains: dict[Any, list[Envelope]] = {}
        for envelope in batch:
            chains.setdefault(envelope.entity_id, []).append(envelope)
        await asyncio.gather(*map(self._send_in_turn, chains.values()))

    async def _send_in_turn(self, chain: Sequence[Envelope]) -> None:
        for envelope in chain:
            while True:
                try:
                    await self._publisher.publish_event(*_arguments(envelope), **_named(envelope))
                    break
                except self._failed:
                    await asyncio.sleep(PAUSE_SECONDS)


def _arguments(envelope: Envelope) -> tuple[Any, ...]:
    return envelope.event_type, envelope.entity_type, envelope.entity_id, envelope.company_id, envelope.user_id


def _named(envelope: Envelope) -> dict[str, Any]:
    return {"data": envelope.data, "event_id": envelope.event_id, "timestamp": envelope.timestamp}


class HubOutbox(Envelopes):
    """The hub's outbox: what is committed is safe, and its relay brings it to the stream."""

    def __init__(self) -> None:
        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")
        django.setup()
        from apps.core.loop import OUTAGES

        self.outages = OUTAGES

    def send(self, batch: Sequence[Envelope]) -> None:
        """See `Way`."""
        from django.db import close_old_connections, transaction

        from apps.core.tenancy import system, use
        from apps.events.services import publish

        try:
            with use(system("publish as the hub")), transaction.atomic():
                for envelope in batch:
                    publish(envelope, stream=stream_of(envelope.event_type))
        finally:
            close_old_connections()

    def close(self) -> None:
        """See `Way`."""


class ServiceOutbox(Envelopes):
    """The outbox that the SDK brings into a service's Django."""

    def __init__(self) -> None:
        import django

        django.setup()
        from django.db import InterfaceError, OperationalError

        self.outages = (OperationalError, InterfaceError)

    def send(self, batch: Sequence[Envelope]) -> None:
        """See `Way`."""
        from django.db import close_old_connections, transaction

        from xerpium_sdk.django import publish_event

        try:
            with transaction.atomic():
                for envelope in batch:
                    publish_event(*_arguments(envelope), **_named(envelope))
        finally:
            close_old_connections()

    def close(self) -> None:
        """See `Way`."""


class Rest(Envelopes):
    """`POST /api/v1/events/`, of the types that need no declaration."""

    outages: tuple[type[Exception], ...] = (OSError, http.client.HTTPException)

    def __init__(self) -> None:
        self._address = urlsplit(os.environ["HUB_URL"])
        self._connection: http.client.HTTPConnection | None = None

    def make(self, source: Source, rng: random.Random) -> tuple[Attempt, Envelope]:
        """See `Way`."""
        return source.next(only_known=True)

    def send(self, batch: Sequence[Envelope]) -> None:
        """See `Way`; an answer that says no would never be another one.

        Raises:
            RuntimeError: the hub refuses the batch.
        """
        body = json.dumps([_as_json(envelope) for envelope in batch])
        try:
            status, text = self._post(body)
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if status >= 500:
            raise ConnectionError(f"{status} {text[:200]}")
        if status != 201:
            raise RuntimeError(f"the hub answered {status}: {text[:1000]}")

    def close(self) -> None:
        """See `Way`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: str) -> tuple[int, str]:
        if self._connection is None:
            host, port = self._address.hostname or "", self._address.port
            self._connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
        self._connection.request("POST", "/api/v1/events/", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()


def _as_json(envelope: Envelope) -> dict[str, Any]:
    names = ("event_id", "event_type", "service_name", "entity_type", "entity_id", "company_id", "timestamp", "data")
    return {name: getattr(envelope, name) for name in names}


class Raw(Envelopes):
    """A program that knows nothing of the SDK: fields on a stream, and again when something went wrong."""

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=5)

    def send(self, batch: Sequence[Any]) -> None:
        """See `Way`."""
        pipeline: Any = self._client.pipeline(transaction=False)
        for envelope in batch:
            self._add(pipeline, envelope)
        pipeline.execute()

    def close(self) -> None:
        """See `Way`."""
        with suppress(RedisError):
            self._client.close()

    def _add(self, pipeline: Any, payload: Any) -> None:
        pipeline.xadd(stream_of(payload.event_type), payload.encode())


class Junk(Raw):
    """The same with entries that are no events."""

    def make(self, source: Source, rng: random.Random) -> tuple[Attempt, Any]:
        """See `Way`."""
        return junk(rng)

    def _add(self, pipeline: Any, payload: Any) -> None:
        pipeline.xadd(STREAM_EVENTS, payload)


WAYS: dict[str, Callable[[], Way]] = {
    "single": Single,
    "many": Many,
    "async": Async,
    "outbox": HubOutbox,
    "service": ServiceOutbox,
    "rest": Rest,
    "raw": Raw,
    "junk": Junk,
}
