"""Filters of the lists of events and dead letters. Each is a condition on one index; none counts rows."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, TextFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.core.companies import every_company_name
from apps.events.models import DeadLetter, EventTypeDeclaration, EventTypeHour, Verdict
from apps.events.streams import ENVELOPE_STREAMS
from apps.events.wording import STATES, VERDICTS, reason_of, stream_word
from xerpium_sdk.wire.envelope import EventType

Choices = list[tuple[str, str]]
Found = QuerySet[Any]
ANY = "any"
RECENT = dt.timedelta(days=7)


class Exact(TextFilter):
    """By a value that is typed in full: what is indexed is found at once among millions."""

    def queryset(self, request: HttpRequest, queryset: Found) -> Found:
        """Keep those with exactly this value."""
        value = (self.value() or "").strip()
        return queryset.filter(**{self.parameter_name: value}) if value else queryset


class Chosen(DropdownFilter):
    """By a value that is chosen from a list; one in the address that is not listed is added to it."""

    def has_output(self) -> bool:
        """A filter in the address counts, also when there is nothing to choose from."""
        return True

    def known(self) -> Choices:
        """Return what there is to choose from."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return what there is to choose from, and what is asked for."""
        known = self.known()
        asked = request.GET.get(self.parameter_name, "")
        return known if not asked or asked in dict(known) else [*known, (asked, asked)]

    def queryset(self, request: HttpRequest, queryset: Found) -> Found:
        """Keep those with this value."""
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


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


class CompanyFilter(Chosen):
    """By the company that it belongs to."""

    title, parameter_name = "company", "company"

    def known(self) -> Choices:
        """Return all companies, by name."""
        return [("none", "Of no company"), *((str(pk), name) for pk, name in every_company_name().items())]

    def queryset(self, request: HttpRequest, queryset: Found) -> Found:
        """Keep what is the company's; nothing for a number that is none."""
        value = self.value()
        if not value:
            return queryset
        if value == "none":
            return queryset.filter(company_id=None)
        is_number = value.isascii() and value.isdecimal() and len(value) < 19
        return queryset.filter(company_id=int(value)) if is_number else queryset.none()


class TimeForm(forms.Form):
    """The quick ranges, and a from and a to."""

    def __init__(self, data: Mapping[str, Any], choices: Choices) -> None:
        super().__init__(data)
        moment = {"type": "datetime-local", "step": "1"}
        self.fields["within"] = forms.ChoiceField(
            label="By time", required=False, choices=choices, widget=UnfoldAdminSelectWidget
        )
        for name, label in (("since", "From (UTC)"), ("until", "To (UTC)")):
            widget = UnfoldAdminTextInputWidget(attrs=moment)
            self.fields[name] = forms.CharField(label=label, required=False, widget=widget)


class TimeFilter(admin.ListFilter):
    """By when it happened: one of the quick ranges, or from and to; a part that is no time is passed over."""

    title = "time"
    names: ClassVar[dict[str, str]] = {"within": "time", "since": "from", "until": "to"}
    template = "unfold/filters/filters_field.html"
    ranges: ClassVar[dict[str, tuple[str, dt.timedelta]]] = {
        "15m": ("Last 15 min", dt.timedelta(minutes=15)),
        "1h": ("Last hour", dt.timedelta(hours=1)),
        "24h": ("Last 24 hours", dt.timedelta(hours=24)),
        "7d": ("Last 7 days", dt.timedelta(days=7)),
    }

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: "ModelAdmin[Any]"
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.field = "dead_at" if model is DeadLetter else "occurred_at"
        for name in filter(None, self.expected_parameters()):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        """There is always time."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the names in the address."""
        return list(self.names)

    @property
    def lookup_choices(self) -> Choices:
        """The quick ranges by name."""
        return [(name, label) for name, (label, _) in self.ranges.items()]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Yield the form."""
        yield {"form": TimeForm(self.used_parameters, [("", "Any time"), *self.lookup_choices])}

    def queryset(self, request: HttpRequest, queryset: Found) -> Found:
        """Keep what happened then."""
        since, until = (_moment(str(self.used_parameters.get(name, ""))) for name in ("since", "until"))
        quick = self.ranges.get(str(self.used_parameters.get("within", "")))
        if quick:
            since = max(filter(None, (since, timezone.now() - quick[1])))
        bounds = {f"{self.field}__gte": since, f"{self.field}__lt": until}
        return queryset.filter(**{name: moment for name, moment in bounds.items() if moment is not None})


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


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
    TimeFilter, TypeFilter, ServiceFilter, EntityTypeFilter, EntityIdFilter, CompanyFilter, CorrelationFilter,
    StreamFilter, VerdictFilter, EventIdFilter,
)  # fmt: skip
LETTER_FILTERS = (
    StateFilter, GroupFilter, HandlerFilter, ReasonFilter, TypeFilter, ServiceFilter, CompanyFilter, TimeFilter,
    EventIdFilter, CorrelationFilter,
)  # fmt: skip
