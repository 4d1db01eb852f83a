"""What the outbox holds, for operators and monitoring."""

from dataclasses import dataclass

from django.db.models import Count, Min
from django.db.models.functions import Now

from apps.events.models import OutboxEntry

__all__ = ["OutboxState", "outbox_state"]


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How many entries wait for the relay, how long the oldest has (seconds), and how many are set aside."""

    pending: int
    oldest_seconds: float
    parked: int


def outbox_state() -> OutboxState:
    """Return the state of the outbox now, with two queries that read two small indexes."""
    waiting = OutboxEntry.objects.filter(relayed_as=None, parked_at=None).aggregate(
        count=Count("pk"), age=Now() - Min("created_at")
    )
    parked = OutboxEntry.objects.filter(parked_at__isnull=False).count()
    age = waiting["age"].total_seconds() if waiting["age"] else 0.0
    return OutboxState(waiting["count"], max(age, 0.0), parked)
