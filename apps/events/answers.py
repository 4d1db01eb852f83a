"""What the bus' routes answer: the shapes for the OpenAPI document, and the functions that make them."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.schema import page_of
from apps.events.models import DeadLetter, JournalEntry, Verdict
from apps.events.selectors import ConsumerView, EventTypeView, GroupView, StreamView

_ID = {"type": ["integer", "string", "null"]}
_INT64 = range(-(2**63), 2**63)


@extend_schema_field(_ID)
class IdOut(serializers.Field[Any, Any, Any, Any]):
    """The id of an entity or a user: a number where it is one."""


@extend_schema_field({})
class AnyOut(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value."""


class PublishedOut(serializers.Serializer[Any]):
    """Where an event is now."""

    event_id = serializers.CharField(help_text="The one that was sent, or the one that was made.")
    stream_id = serializers.CharField(help_text="The id of its entry in its stream.")


class EnvelopeOut(serializers.Serializer[Any]):
    """The fields of an event; what it does not have is null."""

    event_id = serializers.CharField(help_text="Of an entry that cannot be read: `<stream>/<stream id>`.")
    event_type = serializers.CharField()
    service_name = serializers.CharField()
    entity_type = serializers.CharField()
    entity_id = IdOut()
    company_id = serializers.IntegerField(allow_null=True)
    user_id = IdOut()
    timestamp = serializers.CharField(help_text="As it came.")
    data = AnyOut(help_text="An object, or null when it cannot be read.")  # type: ignore[assignment]  # takes the place of the property
    version = serializers.CharField()
    correlation_id = serializers.CharField(allow_null=True)


class JournalEntryOut(EnvelopeOut):
    """One event as the journal has it."""

    id = serializers.IntegerField()
    stream = serializers.CharField()
    stream_id = serializers.CharField()
    recorded_at = serializers.DateTimeField(help_text="When the hub stored it.")
    occurred_at = serializers.DateTimeField(help_text="Its timestamp; when it was stored if it has none.")
    verdict = serializers.ChoiceField(choices=Verdict.choices, help_text="What the hub makes of it.")
    fault = serializers.CharField(allow_null=True, help_text="Why it does not fit its schema, or cannot be read.")
    extra = AnyOut(help_text="What it had beyond the eleven fields, or instead of them.")


class EventTypeOut(serializers.Serializer[Any]):
    """One type of the catalogue."""

    id = serializers.IntegerField(allow_null=True, help_text="Null for a standard type that nobody has declared.")
    event_type = serializers.CharField()
    standard = serializers.BooleanField(help_text="Every consumer of today knows it.")
    stream = serializers.CharField(help_text="Where its events travel.")
    service_name = serializers.CharField(allow_null=True, help_text="Who declared it.")
    company_id = serializers.IntegerField(allow_null=True)
    description = serializers.CharField()
    schema = serializers.DictField(allow_null=True, help_text="JSON Schema (2020-12) of `data`.")
    example = serializers.DictField(allow_null=True, help_text="An example of `data`.")
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)


class DeadLetterOut(serializers.Serializer[Any]):
    """A message that a group gave up on."""

    id = serializers.IntegerField()
    group = serializers.CharField(help_text="Who gave up.")
    handler = serializers.CharField(allow_null=True)
    reason = serializers.CharField(help_text="For programs.")
    error = serializers.CharField(help_text="The error, with an excerpt of its traceback.")
    attempts = serializers.IntegerField()
    stream = serializers.CharField(help_text="Where the group read it.")
    stream_id = serializers.CharField()
    dead_at = serializers.DateTimeField()
    event_id = serializers.CharField(allow_null=True)
    event_type = serializers.CharField(allow_null=True)
    service_name = serializers.CharField(allow_null=True)
    entity_type = serializers.CharField(allow_null=True)
    entity_id = IdOut()
    company_id = serializers.IntegerField(allow_null=True)
    correlation_id = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(choices=DeadLetter.State.choices)
    replayable = serializers.BooleanField(help_text="Off: its bytes were no text, so it cannot be sent again.")
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField(allow_null=True)
    replay_of = serializers.IntegerField(
        allow_null=True, help_text="The dead letter whose replay failed again as this."
    )


class ReplayOut(serializers.Serializer[Any]):
    """A later dead letter of the same message."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=DeadLetter.State.choices)
    dead_at = serializers.DateTimeField()


class WholeDeadLetterOut(DeadLetterOut):
    """A dead letter with the original entry and what became of its replays."""

    # The field takes the place of the property.
    fields = serializers.DictField(child=serializers.CharField(), help_text="All of the entry's.")  # type: ignore[assignment]
    replays = ReplayOut(many=True, help_text="What came back after it was replayed.")


class ReplayedOut(serializers.Serializer[Any]):
    """How many were sent again."""

    replayed = serializers.IntegerField()
    not_replayable = serializers.IntegerField(help_text="Meant too, but their bytes were no text; they still wait.")


class DiscardedOut(serializers.Serializer[Any]):
    """How many were discarded."""

    discarded = serializers.IntegerField()


class ConsumerOut(serializers.Serializer[Any]):
    """One consumer of a group; its counts are null when it is no consumer of the SDK and tells none."""

    name = serializers.CharField()
    pending = serializers.IntegerField()
    idle_seconds = serializers.FloatField()
    alive = serializers.BooleanField(allow_null=True, help_text="It beat within the last seconds.")
    active = serializers.BooleanField(help_text="It is the one that reads, where a group lets one read at a time.")
    host = serializers.CharField(allow_null=True)
    pid = serializers.IntegerField(allow_null=True)
    in_hand = serializers.IntegerField(allow_null=True)
    handled = serializers.IntegerField(allow_null=True)
    failed = serializers.IntegerField(allow_null=True)
    retried = serializers.IntegerField(allow_null=True)
    dead = serializers.IntegerField(allow_null=True)


class GroupOut(serializers.Serializer[Any]):
    """A consumer group of one stream."""

    stream = serializers.CharField()
    group = serializers.CharField()
    own = serializers.BooleanField(help_text="One of the hub's.")
    pending = serializers.IntegerField(help_text="Read and not acknowledged.")
    lag = serializers.IntegerField(allow_null=True, help_text="Not read yet; null where nobody can tell.")
    lag_seconds = serializers.FloatField(help_text="Age of the oldest entry that is not acknowledged.")
    last_delivered_id = serializers.CharField()
    active_at = serializers.DateTimeField(allow_null=True)
    live = serializers.BooleanField(help_text="From Redis, now; otherwise what the last look found.")
    seen_at = serializers.DateTimeField()
    consumers = ConsumerOut(many=True)


class StreamOut(serializers.Serializer[Any]):
    """One stream of the bus."""

    stream = serializers.CharField()
    length = serializers.IntegerField()
    first_id = serializers.CharField()
    last_id = serializers.CharField()
    memory = serializers.IntegerField(help_text="Bytes in Redis, estimated.")
    target = serializers.IntegerField(help_text="Trimmed to this length.")
    hard_max = serializers.IntegerField(help_text="At this length idle groups no longer count.")
    groups = serializers.IntegerField()
    trimmed = serializers.IntegerField(help_text="Entries that the hub has cut off so far.")
    trimmed_at = serializers.DateTimeField(allow_null=True)
    held_by = serializers.ListField(child=serializers.CharField(), help_text="Groups that keep it from being trimmed.")
    alarm = serializers.CharField(allow_null=True)
    live = serializers.BooleanField(help_text="From Redis, now; otherwise what the last look found.")
    seen_at = serializers.DateTimeField()


JournalPage = page_of(JournalEntryOut)
EventTypePage = page_of(EventTypeOut)
DeadLetterPage = page_of(DeadLetterOut)
GroupPage = page_of(GroupOut)
StreamPage = page_of(StreamOut)


def id_out(text: str) -> int | str | None:
    """Return a stored id as the wire means it: a number where it is one of 64 bit, null where there is none."""
    if not text:
        return None
    if len(text) <= 20 and text.isascii() and text.removeprefix("-").isdigit():
        number = int(text)
        if str(number) == text and number in _INT64:
            return number
    return text


def published(event_ids: Iterable[str], stream_ids: Iterable[str]) -> list[dict[str, str]]:
    """Return where each event is now."""
    return [
        {"event_id": event_id, "stream_id": stream_id}
        for event_id, stream_id in zip(event_ids, stream_ids, strict=True)
    ]


def journal_entry(entry: JournalEntry) -> dict[str, Any]:
    """Return a journalled event as the wire shows it."""
    return {
        "id": entry.pk,
        "event_id": entry.event_id,
        "event_type": entry.event_type,
        "service_name": entry.service_name,
        "entity_type": entry.entity_type,
        "entity_id": id_out(entry.entity_id),
        "company_id": entry.company_id,
        "user_id": id_out(entry.user_id),
        "timestamp": entry.timestamp,
        "data": entry.data,
        "version": entry.version,
        "correlation_id": entry.correlation_id or None,
        "stream": entry.stream,
        "stream_id": entry.stream_id,
        "recorded_at": entry.recorded_at,
        "occurred_at": entry.occurred_at,
        "verdict": entry.verdict,
        "fault": entry.fault or None,
        "extra": entry.extra,
    }


def event_type(view: EventTypeView) -> dict[str, Any]:
    """Return a type of the catalogue as the wire shows it."""
    return {
        "id": view.id,
        "event_type": view.event_type,
        "standard": view.is_seed,
        "stream": view.stream,
        "service_name": view.service_name or None,
        "company_id": view.company_id,
        "description": view.description,
        "schema": view.schema,
        "example": view.example,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
    }


def dead_letter(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter as lists show it, without the original entry."""
    return {
        "id": letter.pk,
        "group": letter.group,
        "handler": letter.handler or None,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "stream": letter.stream,
        "stream_id": letter.stream_id,
        "dead_at": letter.dead_at,
        "event_id": letter.event_id or None,
        "event_type": letter.event_type or None,
        "service_name": letter.service_name or None,
        "entity_type": letter.entity_type or None,
        "entity_id": id_out(letter.entity_id),
        "company_id": letter.company_id,
        "correlation_id": letter.correlation_id or None,
        "state": letter.state,
        "replayable": letter.is_text,
        "decided_at": letter.decided_at,
        "decided_by": letter.decided_by or None,
        "replay_of": letter.replay_of_id,
    }


def whole_dead_letter(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter with the original entry and what came back of its replays (one query)."""
    replays = letter.replays.order_by("id").only("id", "state", "dead_at")
    return {
        **dead_letter(letter),
        "fields": letter.fields,
        "replays": [{"id": one.pk, "state": one.state, "dead_at": one.dead_at} for one in replays],
    }


def group(view: GroupView, consumers: Iterable[ConsumerView]) -> dict[str, Any]:
    """Return a consumer group with its consumers as the wire shows it."""
    return {
        "stream": view.stream,
        "group": view.group,
        "own": view.is_own,
        "pending": view.pending,
        "lag": view.lag,
        "lag_seconds": view.lag_seconds,
        "last_delivered_id": view.last_delivered_id,
        "active_at": view.active_at,
        "live": view.is_live,
        "seen_at": view.seen_at,
        "consumers": [_consumer(consumer) for consumer in consumers],
    }


def _consumer(view: ConsumerView) -> dict[str, Any]:
    tells = view.is_alive is not None
    counts = ("in_hand", "handled", "failed", "retried", "dead")
    return {
        "name": view.name,
        "pending": view.pending,
        "idle_seconds": view.idle_seconds,
        "alive": view.is_alive,
        "active": view.is_active,
        "host": view.host or None,
        "pid": view.pid,
        **{name: getattr(view, name) if tells else None for name in counts},
    }


def stream(view: StreamView) -> dict[str, Any]:
    """Return a stream as the wire shows it."""
    return {
        "stream": view.stream,
        "length": view.length,
        "first_id": view.first_id,
        "last_id": view.last_id,
        "memory": view.memory,
        "target": view.target,
        "hard_max": view.hard_max,
        "groups": view.groups,
        "trimmed": view.trimmed,
        "trimmed_at": view.trimmed_at,
        "held_by": view.held_by,
        "alarm": view.alarm or None,
        "live": view.is_live,
        "seen_at": view.seen_at,
    }
