"""A bus to look at: events in the journal, dead letters, groups in Redis with consumers, samples of a day."""

import datetime as dt
import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any
from uuid import uuid4

from django.utils import timezone

from apps.core import redis
from apps.events.models import DeadLetter, EventTypeHour, GroupState, JournalEntry, StreamSample
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, events_members
from xerpium_sdk.wire.times import format_time

__all__ = ["consumer", "event", "hour", "letter", "publish", "read_by", "sampled", "stood_still"]

_numbers = count(1)


def event(event_type: str = "product_created", *, ago: float = 0, **fields: Any) -> JournalEntry:
    """Store an event in the journal as if it had happened ``ago`` seconds before now."""
    at = timezone.now() - dt.timedelta(seconds=ago)
    number = next(_numbers)
    known = {
        "recorded_at": at,
        "stream": STREAM_EVENTS,
        "stream_id": f"{int(at.timestamp() * 1000)}-{number}",
        "event_id": str(uuid4()),
        "event_type": event_type,
        "service_name": "product-service",
        "entity_type": "product",
        "entity_id": str(number),
        "timestamp": format_time(at),
        "occurred_at": at,
        "data": {"name": "Espresso cup", "price": "4.50"},
        "version": "1.0",
        "verdict": "valid",
    }
    return JournalEntry.objects.create(**known | fields)


def letter(event_type: str = "order_created", *, ago: float = 0, **fields: Any) -> DeadLetter:
    """Store a dead letter that was given up ``ago`` seconds before now."""
    at = timezone.now() - dt.timedelta(seconds=ago)
    number = next(_numbers)
    told = {"service_name": "order-service", "entity_type": "order", "entity_id": str(number), "event_id": str(uuid4())}
    told |= {name: fields[name] for name in told if name in fields}
    original = {"event_type": event_type, **told, "timestamp": format_time(at), "data": json.dumps({"total": 12})}
    known = {
        "entry_id": f"{int(at.timestamp() * 1000)}-{number}",
        "group": "stock-service-group",
        "handler": "stock.handlers.reserve",
        "reason": "max_attempts",
        "error": "Traceback (most recent call last):\n  File \"stock/handlers.py\", line 12\nKeyError: 'warehouse_id'",
        "attempts": 5,
        "stream": STREAM_EVENTS,
        "stream_id": f"{number}-0",
        "dead_at": at,
        "event_type": event_type,
        "fields": original,
        **told,
    }
    return DeadLetter.objects.create(**known | fields)


def hour(event_type: str, number: int, *, ago: float = 0) -> None:
    """Note that ``number`` events of a type came in the hour ``ago`` seconds before now."""
    at = timezone.now() - dt.timedelta(seconds=ago)
    start = at.replace(minute=0, second=0, microsecond=0)
    EventTypeHour.objects.create(event_type=event_type, hour=start, count=number, last_at=at)


def publish(number: int = 1, *, stream: str = STREAM_EVENTS, ago: float = 0) -> list[str]:
    """Append events to a stream of Redis as if ``ago`` seconds before now; newer ones have to come later."""
    start = int((timezone.now().timestamp() - ago) * 1000)
    body: dict[Any, Any] = {**Envelope(
        event_id=str(uuid4()),
        event_type="product_created",
        service_name="product-service",
        entity_type="product",
        entity_id=1,
        company_id=None,
        user_id=None,
        timestamp=format_time(timezone.now()),
        data={},
    ).encode()}  # fmt: skip
    return [str(redis.client().xadd(stream, body, id=f"{start}-{step}")) for step in range(1, number + 1)]


def read_by(group: str, name: str, number: int = 0, *, stream: str = STREAM_EVENTS, acknowledge: bool = True) -> None:
    """Let a consumer of a group, which is made if there is none, read some entries of a stream."""
    client = redis.client()
    with suppress(redis.ResponseError):  # there is one
        client.xgroup_create(stream, group, id="0", mkstream=True)
    client.xgroup_createconsumer(stream, group, name)
    if number:
        answer: Any = client.xreadgroup(group, name, {stream: ">"}, count=number)
        for _, entries in answer:
            if acknowledge:
                client.xack(stream, group, *(entry_id for entry_id, _ in entries))


def consumer(group: str, name: str, *, seen_ago: float = 0, **told: Any) -> None:
    """Let a consumer on our engine say how it is doing."""
    now = timezone.now().timestamp()
    handlers: Mapping[str, Any] = {
        "stock.handlers.reserve": {
            "handled": 4200, "failed": 12, "retried": 9, "dead": 3,
            "seconds_p50": 0.004, "seconds_p99": 0.18, "seconds_total": 31.0,
        }
    }  # fmt: skip
    known = {
        "token": "t", "host": "shop-1", "pid": 4711, "seen_ms": int((now - seen_ago) * 1000), "active": True,
        "since": int((now - 3600) * 1000), "handled": 4200, "failed": 12, "retried": 9, "dead": 3, "ignored": 0,
        "recovered": 0, "in_hand": 2, "handlers": handlers,
    }  # fmt: skip
    redis.client().hset(events_members(group), name, json.dumps(known | told))
    redis.client().expire(events_members(group), 3600)


def stood_still(group: str, seconds: float, *, stream: str = STREAM_EVENTS) -> None:
    """Note that a group was last seen at work ``seconds`` ago."""
    now = timezone.now()
    at = now - dt.timedelta(seconds=seconds)
    GroupState.objects.create(stream=stream, group=group, active_at=at, seen_at=now)


def sampled(
    hours: float = 24, *, stream: str = STREAM_EVENTS, group: str = "", published: int = 120, lag_seconds: float = 0
) -> None:
    """Store a sample for every five minutes of the last hours, with a bell in the middle."""
    now = timezone.now()
    steps = int(hours * 12)
    rows = []
    for step in range(steps):
        bell = 1 - abs(step - steps / 2) / (steps / 2)
        at = now - dt.timedelta(minutes=5 * (steps - step))
        rows.append(
            StreamSample(
                at=at,
                stream=stream,
                group=group,
                length=step * published,
                published=0 if group else int(published * (0.3 + bell)),
                pending=0,
                lag=int(lag_seconds * bell * 10),
                lag_seconds=lag_seconds * bell,
            )
        )
    StreamSample.objects.bulk_create(rows)
