"""Writing to the outbox: an event is stored in the transaction that it tells of, both or neither.

Events are relayed in the order of their row ids, with one exception that no outbox escapes: an id is drawn before its
transaction commits, so of two transactions at the same time the one with the higher id may be relayed first. Events of
one entity stay in order when each transaction locks its row (`select_for_update`, or an update) before it publishes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction

from xerpium_sdk.events.business import business_event
from xerpium_sdk.events.errors import InvalidEvent
from xerpium_sdk.events.packing import all_faults, checked_fields
from xerpium_sdk.trace import current_correlation_id
from xerpium_sdk.wire.envelope import Envelope, EventType, stream_of

__all__ = ["CHANNEL", "OutboxPublisher", "publish_business_event", "publish_event", "publish_many"]

CHANNEL = "xerpium_sdk_outbox"
"""What the relay listens to on PostgreSQL, which tells it when the transaction commits, and not before."""


class OutboxPublisher:
    """Publishes as `xerpium_sdk.events.EventPublisher` does, but into the outbox: what rolls back is never published.

    Args:
        service_name: the service that publishes.
        using: alias of the database; default: where Django's routers put the outbox.
    """

    def __init__(self, service_name: str, *, using: str | None = None) -> None:
        if not service_name:
            raise ValueError("Events need the name of the service that publishes them.")
        self.service_name = service_name
        self._using = using

    def publish_event(
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
        """Publish one event when the running transaction commits; return its ``event_id``.

        Arguments as for `xerpium_sdk.events.EventPublisher.publish_event`.

        Raises:
            TransactionManagementError: no transaction is running, so the event and what it tells of could part ways.
            InvalidEvent: it cannot be published as it is.
        """
        envelope = Envelope.create(
            *(event_type, entity_type, entity_id, company_id, user_id, data, correlation_id),
            service_name=self.service_name,
            event_id=event_id,
            timestamp=timestamp,
        )
        return self._write([envelope], checked=checked_fields)[0]

    def publish_business_event(
        self,
        event_type: EventType | str,
        business_object: Any,
        action: str = "created",
        changed_fields: Sequence[str] | None = None,
        *,
        user_id: int | str | UUID | None = None,
        correlation_id: str | None = None,
    ) -> str:
        """Publish what happened to an object when the running transaction commits; return the ``event_id``.

        Arguments as for `xerpium_sdk.events.EventPublisher.publish_business_event`; raises as `publish_event` does.
        """
        parts = business_event(business_object, action, changed_fields)
        return self.publish_event(event_type, **parts, user_id=user_id, correlation_id=correlation_id)

    def publish_many(self, events: Iterable[Envelope]) -> list[str]:
        """Publish events in this order when the running transaction commits, with one statement; return their ids.

        Raises:
            TransactionManagementError: no transaction is running.
            InvalidEvent: some cannot be published as they are; none was written.
        """
        envelopes = list(events)
        if faults := all_faults(envelopes):
            raise InvalidEvent(faults)
        return self._write(envelopes, checked=Envelope.encode)

    def _write(self, envelopes: list[Envelope], *, checked: Any) -> list[str]:
        from xerpium_sdk.django.models import OutboxEvent  # models can be imported only when all apps are loaded

        using = self._using or router.db_for_write(OutboxEvent)
        connection = transaction.get_connection(using)
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError(
                "An event must be written in the transaction that it tells of: wrap both in transaction.atomic()."
            )
        correlation_id = current_correlation_id()
        rows = []
        for one in envelopes:
            known = replace(one, correlation_id=correlation_id) if one.correlation_id is None else one
            kind = str(known.event_type)
            rows.append(
                OutboxEvent(stream=stream_of(kind), event_id=known.event_id, event_type=kind, fields=checked(known))
            )
        if rows:
            OutboxEvent._default_manager.using(using).bulk_create(rows, batch_size=500)
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
        return [one.event_id for one in envelopes]


def publish_event(
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
    using: str | None = None,
) -> str:
    """Publish one event of this service when the running transaction commits; see `OutboxPublisher.publish_event`."""
    return _publisher(using).publish_event(
        *(event_type, entity_type, entity_id, company_id, user_id, data, correlation_id),
        event_id=event_id,
        timestamp=timestamp,
    )


def publish_business_event(
    event_type: EventType | str,
    business_object: Any,
    action: str = "created",
    changed_fields: Sequence[str] | None = None,
    *,
    user_id: int | str | UUID | None = None,
    correlation_id: str | None = None,
    using: str | None = None,
) -> str:
    """Publish what happened to an object; see `OutboxPublisher.publish_business_event`."""
    return _publisher(using).publish_business_event(
        event_type, business_object, action, changed_fields, user_id=user_id, correlation_id=correlation_id
    )


def publish_many(events: Iterable[Envelope], *, using: str | None = None) -> list[str]:
    """Publish events when the running transaction commits; see `OutboxPublisher.publish_many`."""
    return _publisher(using).publish_many(events)


def _publisher(using: str | None) -> OutboxPublisher:
    name = getattr(settings, "XERPIUM_SERVICE_NAME", "")
    if not name:
        raise ImproperlyConfigured("XERPIUM_SERVICE_NAME must say as which service this one publishes.")
    return OutboxPublisher(name, using=using)
