"""`AsyncEventPublisher`: events to their streams."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from redis.asyncio import Redis

from xerpium_sdk.events._async.line import AsyncLine
from xerpium_sdk.events._tasks import sleep
from xerpium_sdk.events.business import business_event
from xerpium_sdk.events.errors import InvalidEvent, PublishFailed
from xerpium_sdk.events.packing import Packer, all_faults
from xerpium_sdk.events.patience import Patience, Undelivered
from xerpium_sdk.trace import current_correlation_id
from xerpium_sdk.wire.envelope import Envelope, EventType

__all__ = ["AsyncEventPublisher"]

MAX_EVENTS = 10_000
MAX_BYTES = 64 * 1024 * 1024
AT_ONCE = 200
"""Events that are packed before others on the event loop have their turn."""


class AsyncEventPublisher:
    """Publishes the events of one service: those of `EventType` where every consumer reads, declared types beside them.

    An event is in Redis when `publish_event` returns. When a connection was lost before Redis answered it is sent again
    with the same ``event_id``, so it may be there twice; consumers that must not care have an idempotency store.

    Safe for many callers at once, on several event loops too. Nothing is sent by making one, so Redis may be away then.

    Args:
        service_name: the service that publishes.
        client: a redis-py client of the server, for its settings; the publisher makes connections of its own.
        redis_url: in place of ``client``; default ``REDIS_URL`` of the environment.
        max_length: the hard cap of a stream, about; should be the hub's ``EVENTS_HARD_MAX_LENGTH``. The hub trims long
            before, and only what everybody has read.
        attempts: how often one call tries at most.
        deadline: for how many seconds one call tries.
        timeout: how many seconds one answer may take.
        connections: how many there may be at once.

    Raises:
        ValueError: ``redis_url`` or ``REDIS_URL`` is no address, or the service has no name.
    """

    def __init__(
        self,
        service_name: str,
        *,
        client: Redis | None = None,
        redis_url: str | None = None,
        max_length: int = 5_000_000,
        attempts: int = 8,
        deadline: float = 10.0,
        timeout: float = 5.0,
        connections: int = 32,
    ) -> None:
        if not service_name:
            raise ValueError("Events need the name of the service that publishes them.")
        self.service_name = service_name
        patience = Patience(attempts=attempts, deadline=deadline, timeout=timeout)
        self._line = AsyncLine(client, redis_url, patience, connections=connections)
        self._packer = Packer(max_length)

    async def publish_event(
        self,
        event_type: EventType | str,
        entity_type: str,
        entity_id: int | str | UUID | None = None,
        company_id: int | None = None,
        user_id: int | str | UUID | None = None,
        data: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        *,
        event_id: str | UUID | None = None,
        timestamp: datetime | str | None = None,
    ) -> str:
        """Publish one event and return its ``event_id``.

        Args:
            event_type: a member of `EventType`, or the name of a type that a service has declared.
            entity_type: what it is about, such as ``Product``.
            entity_id: which one; text only for declared types.
            company_id: whose it is; None for all companies.
            user_id: who did it; text only for declared types.
            data: what else there is to say; see `xerpium_sdk.wire.data` for what it may hold.
            correlation_id: what it came from; default: as the event that is being handled here.
            event_id: default: a new one.
            timestamp: when it happened; default: now.

        Raises:
            InvalidEvent: it cannot be published as it is; nothing was sent.
            PublishFailed: Redis did not confirm it.
        """
        envelope = Envelope.create(
            *(event_type, entity_type, entity_id, company_id, user_id, data),
            current_correlation_id() if correlation_id is None else correlation_id,
            service_name=self.service_name,
            event_id=event_id,
            timestamp=timestamp,
        )
        await self._send([envelope], [self._packer.pack(envelope)])
        return envelope.event_id

    async def publish_business_event(
        self,
        event_type: EventType | str,
        business_object: Any,
        action: str = "created",
        changed_fields: Sequence[str] | None = None,
        *,
        user_id: int | str | UUID | None = None,
        correlation_id: str | None = None,
    ) -> str:
        """Publish what happened to an object and return the ``event_id``.

        Its ``id`` and ``company_id`` are the event's, its class names the entity; ``data`` holds ``action``, its text
        as ``entity_name``, ``changed_fields`` if there are any, and ``name``, ``code``, ``email`` where it has such.

        Raises:
            InvalidEvent, PublishFailed: as `publish_event` does.
        """
        parts = business_event(business_object, action, changed_fields)
        return await self.publish_event(event_type, **parts, user_id=user_id, correlation_id=correlation_id)

    async def publish_many(self, events: Iterable[Envelope]) -> list[str]:
        """Publish events in this order, in one round trip and all or none; return their ids.

        Up to 10,000 events and 64 MiB. Events without a ``correlation_id`` get that of the event which is handled here.

        Raises:
            InvalidEvent: some cannot be published as they are; nothing was sent.
            PublishFailed: Redis did not confirm them. Only when a stream is a key of another type, it has taken those
                of the other stream; then ``event_ids`` are the ones that it has not.
        """
        envelopes = list(events)
        if not envelopes:
            return []
        if len(envelopes) > MAX_EVENTS:
            raise ValueError(f"{len(envelopes):,} events at once; {MAX_EVENTS:,} are the most that go as one.")
        if (correlation_id := current_correlation_id()) is not None:
            envelopes = [
                replace(one, correlation_id=correlation_id) if one.correlation_id is None else one for one in envelopes
            ]
        await self._send(envelopes, await self._packed(envelopes))
        return [one.event_id for one in envelopes]

    async def aclose(self) -> None:
        """Close all connections; what is published after that opens new ones."""
        await self._line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _packed(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        packed: list[bytes] = []
        try:
            for start in range(0, len(envelopes), AT_ONCE):
                if start:
                    await sleep(0)
                packed += self._packer.pack_many(envelopes[start : start + AT_ONCE])
        except InvalidEvent:
            raise InvalidEvent(all_faults(envelopes)) from None
        if (size := sum(map(len, packed))) > MAX_BYTES:
            raise ValueError(f"{size:,} bytes at once; {MAX_BYTES:,} are the most that go as one.")
        return packed

    async def _send(self, envelopes: Sequence[Envelope], commands: Sequence[bytes]) -> None:
        try:
            answers = await self._line.send(commands)
        except Undelivered as failure:
            doubt = "they may have been written" if failure.may_be_done else "nothing was written"
            message = f"{_counted(len(envelopes))} not confirmed, {doubt}. {failure}"
            ids = [one.event_id for one in envelopes]
            raise PublishFailed(message, ids, may_be_written=failure.may_be_done) from failure.__cause__
        if refused := [index for index, answer in enumerate(answers) if isinstance(answer, Exception)]:
            message = f"{_counted(len(refused))} of {len(envelopes)} refused: {answers[refused[0]]}"
            ids = [envelopes[index].event_id for index in refused]
            raise PublishFailed(message, ids, may_be_written=False) from answers[refused[0]]


def _counted(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
