"""Its consumer: each event writes a row, in the transaction that remembers that it is handled."""

from collections.abc import Callable, Sequence

from tests.chaos_events.events import TYPES
from tests.chaos_events.service.models import Effect
from xerpium_sdk.django import DjangoIdempotencyStore, django_worker, is_database_outage
from xerpium_sdk.events import EventConsumer
from xerpium_sdk.wire.envelope import Envelope

__all__ = ["consumer_of_effects"]


def consumer_of_effects(
    group: str, handle: Callable[[Sequence[Envelope]], None], retry_seconds: tuple[float, float]
) -> EventConsumer:
    """Return a consumer that writes the effects, one by one or in batches, and then does ``handle``, which may fail."""
    consumer = EventConsumer(
        "chaos",
        group,
        retry_seconds=retry_seconds,
        concurrency=4,
        batch=50,
        max_in_hand=150,
        idempotency=DjangoIdempotencyStore(),
        around=django_worker,
        is_outage=is_database_outage,
    )

    @consumer.on(*TYPES["Partner"])
    def note(event: Envelope) -> None:
        Effect._default_manager.create(event_id=event.event_id)
        handle([event])

    @consumer.on_batch("*", size=100, seconds=0.1, concurrency=4)
    def note_all(events: Sequence[Envelope]) -> None:
        Effect._default_manager.bulk_create([Effect(event_id=event.event_id) for event in events])
        handle(events)

    return consumer
