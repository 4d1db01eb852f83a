"""Filters that lists of several apps share. Each is a condition on one index; none counts rows."""

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

__all__ = ["Choices", "Chosen", "CompanyFilter", "Exact", "Found", "TimeFilter"]

Choices = list[tuple[str, str]]
Found = QuerySet[Any]


class Exact(TextFilter):  # type: ignore[misc]  # Unfold has no types
    """By a value that is typed in full: what is indexed is found at once among millions."""

    def queryset(self, request: HttpRequest, queryset: Found) -> Found:
        """Keep those with exactly this value."""
        value = (self.value() or "").strip()
        return queryset.filter(**{self.parameter_name: value}) if value else queryset


class Chosen(DropdownFilter):  # type: ignore[misc]  # Unfold has no types
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
    """By a time: one of the quick ranges, or from and to; a part that is no time is passed over."""

    title = "time"
    names: ClassVar[dict[str, str]] = {"within": "time", "since": "from", "until": "to"}
    template = "unfold/filters/filters_field.html"
    field: ClassVar[str]
    """The column that is compared."""
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
