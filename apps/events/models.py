"""What is stored of events: the outbox, the journal, dead letters, declared types, and how the streams were doing."""

import json
from math import isinf
from typing import Any

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q

from apps.core.tenancy import Scope
from apps.core.tenancy.models import CompanyScoped, HubOwned
from apps.events.groups import q_in_sight

__all__ = [
    "DeadLetter",
    "EventTypeDeclaration",
    "EventTypeHour",
    "GroupState",
    "JournalEntry",
    "OutboxEntry",
    "StreamSample",
    "StreamState",
    "Verdict",
]

MAX_DIGITS = 4000
"""Python reads no integers with many more: their conversion takes time that grows with the square of their length."""


class AnyJSON(json.JSONDecoder):
    """Reads whatever jsonb gives back: a number that Python cannot read, such as 1e5000, as the text of its digits.

    One entry that somebody put into Redis must not make all pages unreadable on which it stands.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "parse_int": _integer, "parse_float": _float})


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _float(digits: str) -> float | str:
    number = float(digits)
    return digits if isinf(number) else number


class OutboxEntry(HubOwned):
    """One stream entry, written in the transaction that it tells of (see ``services``).

    It is *pending* until the relay has appended it. An entry of a stream that nothing else could restore is then kept
    for a while as *relayed*, to be sent again should Redis lose it. One that cannot be sent is *parked* with its error.
    """

    id = models.BigAutoField(primary_key=True)
    stream = models.TextField()
    entry_id = models.TextField(null=True, help_text="The id that the entry must have; without one Redis chooses.")  # noqa: DJ001 - null is what Redis chooses for
    fields = models.JSONField(help_text="Text by field name.")
    created_at = models.DateTimeField(db_default=TransactionNow())
    relayed_as = models.TextField(null=True, editable=False, help_text="The id under which Redis took it.")  # noqa: DJ001 - null is not relayed
    relayed_at = models.DateTimeField(null=True, editable=False)
    parked_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True, db_default="", editable=False, help_text="Why it is parked.")

    class Meta(HubOwned.Meta):
        verbose_name = "outbox entry"
        verbose_name_plural = "outbox"
        indexes = [
            # What the relay asks for many times a second; nearly always empty, whatever is kept or parked.
            models.Index(fields=["id"], condition=Q(relayed_as=None, parked_at=None), name="outbox_pending"),
            models.Index(fields=["id"], condition=Q(parked_at__isnull=False), name="outbox_parked"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} #{self.pk}"


class Verdict(models.TextChoices):
    """What the hub makes of an entry: it judges what others have put into Redis, and stores it all the same."""

    VALID = "valid", "valid"
    """Its type is declared and its data fits the schema."""
    UNVERIFIED = "unverified", "unverified"
    """Its type is known, and nobody has declared a schema for it."""
    UNDECLARED = "undeclared", "undeclared"
    """Nobody has declared its type."""
    MISMATCH = "mismatch", "does not fit its schema"
    UNDECODABLE = "undecodable", "cannot be read"


class JournalEntry(CompanyScoped):
    """One event as it stood on a stream; a partition for each day of ``recorded_at`` (see migration 0002).

    ``event_id`` is unique: what is delivered twice is stored once. An entry that cannot be read is stored under
    ``<stream>/<stream id>`` with its ``fault``; ``extra`` holds what it had beyond the eleven fields, or instead of
    them.
    """

    id = models.BigAutoField(primary_key=True)
    recorded_at = models.DateTimeField(help_text="When the hub stored it.")
    stream = models.TextField()
    stream_id = models.TextField()
    event_id = models.TextField()
    event_type = models.TextField(blank=True)
    service_name = models.TextField(blank=True)
    entity_type = models.TextField(blank=True)
    entity_id = models.TextField(blank=True)
    company_id = models.BigIntegerField(null=True)
    user_id = models.TextField(blank=True)
    timestamp = models.TextField(blank=True, help_text="As it came.")
    occurred_at = models.DateTimeField(help_text="The timestamp; the time of storing where there is none.")
    data = models.JSONField(null=True, decoder=AnyJSON)
    version = models.TextField(blank=True)
    correlation_id = models.TextField(blank=True)
    verdict = models.TextField(choices=Verdict.choices)
    fault = models.TextField(blank=True, help_text="Why it does not fit its schema, or cannot be read.")
    extra = models.JSONField(null=True, decoder=AnyJSON)

    class Meta(CompanyScoped.Meta):
        managed = False
        db_table = "events_journalentry"
        verbose_name = "event"
        verbose_name_plural = "stream explorer"

    def __str__(self) -> str:
        return f"{self.event_type or 'unreadable entry'} {self.event_id}"

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may see.

        The company of an entry that cannot be read may not be known: then it is for who acts for all.
        """
        return Q(company_id=None) & ~Q(verdict=Verdict.UNDECODABLE) | Q(company_id__in=scope.companies)


class DeadLetter(CompanyScoped):
    """A message that a consumer group gave up on, with the reason; it waits until an operator decides."""

    class State(models.TextChoices):
        """What became of it."""

        WAITING = "waiting", "waiting"
        REPLAYED = "replayed", "replayed"
        DISCARDED = "discarded", "discarded"

    id = models.BigAutoField(primary_key=True)
    entry_id = models.TextField(unique=True, help_text="Its id in the stream of dead letters.")
    group = models.TextField()
    handler = models.TextField(blank=True)
    reason = models.TextField()
    error = models.TextField(blank=True)
    attempts = models.IntegerField(default=0)
    stream = models.TextField(help_text="Where the group read it.")
    stream_id = models.TextField()
    dead_at = models.DateTimeField()
    event_id = models.TextField(blank=True)
    event_type = models.TextField(blank=True)
    service_name = models.TextField(blank=True)
    entity_type = models.TextField(blank=True)
    entity_id = models.TextField(blank=True)
    company_id = models.BigIntegerField(null=True)
    correlation_id = models.TextField(blank=True)
    fields = models.JSONField(help_text="All fields of the original entry, as text.")
    is_text = models.BooleanField(default=True, help_text="Off: some bytes were no UTF-8, so it cannot be sent again.")
    state = models.TextField(choices=State.choices, default=State.WAITING)
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_by = models.TextField(blank=True, editable=False)
    replay_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="replays")

    class Meta(CompanyScoped.Meta):
        verbose_name = "dead letter"
        permissions = [("decide_deadletter", "Can replay and discard dead letters")]
        indexes = [
            models.Index(fields=["group", "-id"], condition=Q(state="waiting"), name="dead_waiting"),
            models.Index(fields=["event_type", "-id"], name="dead_type"),
            models.Index(fields=["event_id"], name="dead_event"),
            models.Index(fields=["company_id", "-id"], name="dead_company"),
            models.Index(fields=["decided_at"], condition=Q(decided_at__isnull=False), name="dead_decided"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or 'unreadable entry'} given up by {self.group}"

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may see: as `JournalEntry`, by what the entry itself says.

        Of an event of all companies the error is still that of the group which gave it up: it is told to whoever is
        told of that group.
        """
        everybodys = Q(company_id=None, fields__company_id="") & q_in_sight()
        return everybodys | Q(company_id__in=scope.companies)


class EventTypeDeclaration(CompanyScoped):
    """What a service says of an event type that it publishes; a type has one owner in the hub."""

    id = models.BigAutoField(primary_key=True)
    event_type = models.TextField(unique=True)
    service_name = models.TextField()
    company_id = models.BigIntegerField(null=True)
    description = models.TextField(blank=True)
    schema = models.JSONField(null=True, help_text="JSON Schema (2020-12) of the event's data.")
    example = models.JSONField(null=True, help_text="Data of an example, which fits the schema.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(CompanyScoped.Meta):
        verbose_name = "event type"
        ordering = ["event_type"]
        indexes = [models.Index(fields=["service_name"], name="event_type_service")]

    def __str__(self) -> str:
        return self.event_type


class EventTypeHour(CompanyScoped):
    """How many events of a type a company had in one hour, written with them: counting afterwards would read them."""

    id = models.BigAutoField(primary_key=True)
    event_type = models.TextField()
    hour = models.DateTimeField()
    company_id = models.BigIntegerField(null=True)
    count = models.BigIntegerField(default=0)
    last_at = models.DateTimeField(help_text="When the hub stored the last one.")

    class Meta(CompanyScoped.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["event_type", "hour", "company_id"], name="event_type_hour", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["hour"], name="event_type_hours")]

    def __str__(self) -> str:
        return f"{self.event_type} at {self.hour:%d.%m. %H}h"


class GroupState(models.Model):
    """What the last look at the streams found of one consumer group, and since when it stands still."""

    id = models.BigAutoField(primary_key=True)
    stream = models.TextField()
    group = models.TextField()
    last_delivered_id = models.TextField(default="0-0")
    first_pending_id = models.TextField(blank=True, help_text="The oldest entry that it read and did not acknowledge.")
    pending = models.BigIntegerField(default=0)
    lag = models.BigIntegerField(null=True, help_text="Entries it has not read; null where Redis cannot say.")
    lag_seconds = models.FloatField(default=0, help_text="Age of the oldest entry that it has not acknowledged.")
    consumers = models.IntegerField(default=0)
    active_at = models.DateTimeField(help_text="When it last read or acknowledged something, or a consumer asked.")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "group"], name="group_of_stream")]

    def __str__(self) -> str:
        return f"{self.group} on {self.stream}"


class StreamState(models.Model):
    """What the last look found of one stream, and what trimming made of it."""

    id = models.BigAutoField(primary_key=True)
    stream = models.TextField(unique=True)
    length = models.BigIntegerField(default=0)
    first_id = models.TextField(blank=True)
    last_id = models.TextField(blank=True)
    added = models.BigIntegerField(default=0, help_text="Entries that it ever had, as far as can be told.")
    memory = models.BigIntegerField(default=0, help_text="Bytes in Redis, estimated.")
    trimmed = models.BigIntegerField(default=0, help_text="Entries that the hub has cut off so far.")
    trimmed_at = models.DateTimeField(null=True)
    held_by = models.JSONField(default=list, help_text="Groups that keep it longer than it should be.")
    alarm = models.TextField(blank=True, help_text="What threatens to be lost, and when.")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.stream


class StreamSample(models.Model):
    """How a stream, or one group of it, was doing at one moment: the points of the charts."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    stream = models.TextField()
    group = models.TextField(blank=True, help_text="Empty: the stream itself.")
    length = models.BigIntegerField(default=0, help_text="Entries in the stream.")
    published = models.BigIntegerField(default=0, help_text="Entries added since the sample before.")
    pending = models.BigIntegerField(default=0)
    lag = models.BigIntegerField(null=True)
    lag_seconds = models.FloatField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["stream", "group", "at"], name="stream_sample"),
            models.Index(fields=["at"], name="stream_sample_at"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.group} at {self.at:%H:%M:%S}"
