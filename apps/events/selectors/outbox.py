"""What the outbox holds, for operators and monitoring."""

from dataclasses import dataclass

from django.db.models import Count, Min
from django.db.models.functions import Now

from apps.core import redis
from apps.events.models import OutboxEntry
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM

__all__ = ["OutboxState", "outbox_state", "unhandled_seconds"]


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


def unhandled_seconds(group: str = "hub-core") -> float:
    """Return for how long the oldest event has waited that no consumer of ``group`` has taken yet; 0 when none waits.

    Redis 6.2 notes no sign of life of a consumer that finds nothing, so what waits is the only thing to go by.

    Raises:
        redis.RedisError: Redis is away.
    """
    return max(_waiting_seconds(stream, group) for stream in (STREAM_EVENTS, STREAM_EVENTS_CUSTOM))


def _waiting_seconds(stream: str, group: str) -> float:
    client = redis.client()
    try:
        groups = {found["name"]: found["last-delivered-id"] for found in client.xinfo_groups(stream)}
    except redis.ResponseError:
        return 0.0  # no such stream yet
    waiting = client.xrange(stream, min=f"({groups.get(group, '0-0')}", count=1)
    if not waiting:
        return 0.0
    seconds, microseconds = client.time()
    return float(max(seconds + microseconds / 1e6 - int(str(waiting[0][0]).partition("-")[0]) / 1000, 0.0))
