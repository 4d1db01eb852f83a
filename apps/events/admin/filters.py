"""Filters of the lists of events and dead letters. Each is a condition on one index; none counts rows."""

import datetime as dt
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter

from apps.core.filters import Choices, Chosen, CompanyFilter, Exact, Found, TimeFilter
from apps.events.models import DeadLetter, EventTypeDeclaration, EventTypeHour, Verdict
from apps.events.streams import ENVELOPE_STREAMS
from apps.events.wording import STATES, VERDICTS, reason_of, stream_word
from xerpium_sdk.wire.envelope import EventType

ANY = "any"
RECENT = dt.timedelta(days=7)


class TypeFilter(Chosen):
    """By the type of the event."""

    title, parameter_name = "type", "event_type"

    def known(self) -> Choices:
        """Return the types that everyone knows, those that are declared, and those that came lately."""
        recent = EventTypeHour.objects.filter(hour__gt=timezone.now() - RECENT)
        seen = set(recent.order_by().values_list("event_type", flat=True).distinct())
        declared = set(EventTypeDeclaration.objects.values_list("event_type", flat=True))
        return [(name, name) for name in sorted(seen | declared | {str(member) for member in EventType})]


class ServiceFilter(Exact):
    """By the service that published it."""

    title, parameter_name = "service", "service_name"


class EntityTypeFilter(Exact):
    """By the kind of thing that it is about."""

    title, parameter_name = "entity type", "entity_type"


class EntityIdFilter(Exact):
    """By the one thing that it is about."""

    title, parameter_name = "entity id", "entity_id"


class CorrelationFilter(Exact):
    """By what it belongs to."""

    title, parameter_name = "correlation id", "correlation_id"


class StreamFilter(Chosen):
    """By the stream that it came on."""

    title, parameter_name = "stream", "stream"

    def known(self) -> Choices:
        """Return the streams that the journal copies."""
        return [(name, f"{name} ({stream_word(name)})") for name in ENVELOPE_STREAMS]


class VerdictFilter(Chosen):
    """By what the hub made of it."""

    title, parameter_name = "verdict", "verdict"

    def known(self) -> Choices:
        """Return the verdicts, the worst first."""
        return [(word.value, VERDICTS[word].badge.word) for word in reversed(Verdict)]


class OccurredFilter(TimeFilter):
    """By when it happened."""

    field = "occurred_at"


class DeadFilter(TimeFilter):
    """By when it was given up."""

    field = "dead_at"


class StateFilter(DropdownFilter):
    """By what became of it; what nobody has decided on yet is shown first."""

    title, parameter_name = "state", "state"
    all_option: ClassVar[list[str]] = ["", "Waiting for a decision"]

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return the states, and all of them together."""
        told = [(name, badge.word.capitalize()) for name, badge in STATES.items() if name != "waiting"]
        return [*told, (ANY, "Any")]

    def queryset(self, request: HttpRequest, queryset: Found) -> Found:
        """Keep those in this state."""
        if self.value() == ANY:
            return queryset
        return queryset.filter(state=self.value() or DeadLetter.State.WAITING)


class LetterFilter(Chosen):
    """By a value that dead letters have."""

    def known(self) -> Choices:
        """Return the values of those that wait, however many there are."""
        waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING).order_by()
        values = set(waiting.values_list(self.parameter_name, flat=True).distinct())
        return [(value, self.word(value)) for value in sorted(values) if value]

    def word(self, value: str) -> str:
        """Return how a value is told."""
        return value


class GroupFilter(LetterFilter):
    """By the group that gave it up."""

    title, parameter_name = "group", "group"


class HandlerFilter(LetterFilter):
    """By the handler that failed."""

    title, parameter_name = "handler", "handler"


class ReasonFilter(LetterFilter):
    """By why it was given up."""

    title, parameter_name = "reason", "reason"

    def word(self, value: str) -> str:
        """Return the reason in plain words."""
        return {"max_attempts": "failed too often"}.get(value) or reason_of(value).word


class EventIdFilter(Exact):
    """By the event itself."""

    title, parameter_name = "event id", "event_id"


JOURNAL_FILTERS = (
    OccurredFilter, TypeFilter, ServiceFilter, EntityTypeFilter, EntityIdFilter, CompanyFilter, CorrelationFilter,
    StreamFilter, VerdictFilter, EventIdFilter,
)  # fmt: skip
LETTER_FILTERS = (
    StateFilter, GroupFilter, HandlerFilter, ReasonFilter, TypeFilter, ServiceFilter, CompanyFilter, DeadFilter,
    EventIdFilter, CorrelationFilter,
)  # fmt: skip
