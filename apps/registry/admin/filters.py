"""Filters of the lists of services and instances: the same ones, whichever of the two is listed."""

from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from apps.registry import observed
from apps.registry.models import Instance
from apps.serviceauth.selectors import company_names
from xerpium_sdk.wire.registry import Status

Choices = list[tuple[str, str]]
EVERYTHING = "any"


class StatusFilter(DropdownFilter):
    """By status; what has left is shown only to those who ask for it."""

    title = "status"
    parameter_name = "status"
    all_option: ClassVar[list[str]] = ["", "All that are registered"]

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return the statuses, worst first."""
        words = observed.WORST_INSTANCES_FIRST if model_admin.model is Instance else observed.WORST_SERVICES_FIRST
        return [*((word.value, word.value.capitalize()) for word in words), (EVERYTHING, "Also those that left")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep those of the status asked for."""
        if self.value() == EVERYTHING:
            return queryset
        return queryset.filter(status=self.value()) if self.value() else queryset.exclude(status=Status.DEREGISTERED)


class InstanceFilter(DropdownFilter):
    """By something that instances have; a service is kept when one of its registered instances has it."""

    def has_output(self) -> bool:
        """A filter in the address counts, also when there is nothing to choose from."""
        return True

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return every value that there is."""
        return [(value, value) for value in observed.values_of(self.parameter_name)]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep what has the value asked for."""
        if not self.value():
            return queryset
        if queryset.model is Instance:
            return queryset.filter(self.wanted(self.value()))
        having = Instance.objects.exclude(status=Status.DEREGISTERED).filter(self.wanted(self.value()))
        return queryset.filter(pk__in=having.values("service_id"))

    def wanted(self, value: str) -> Q:
        """Return the condition on an instance."""
        return Q(**{self.parameter_name: value})


class TagFilter(InstanceFilter):
    """By a tag."""

    title, parameter_name = "tag", "tags"

    def wanted(self, value: str) -> Q:
        """Return that the tag is among the instance's."""
        return Q(tags__contains=[value])


class CapabilityFilter(InstanceFilter):
    """By a capability."""

    title, parameter_name = "capability", "capabilities"

    def wanted(self, value: str) -> Q:
        """Return that the capability is among the instance's."""
        return Q(capabilities__contains=[value])


class ZoneFilter(InstanceFilter):
    """By a zone."""

    title, parameter_name = "zone", "zone"


class VersionFilter(InstanceFilter):
    """By a version."""

    title, parameter_name = "version", "version"


class DrainingFilter(InstanceFilter):
    """By whether an operator took it out of rotation."""

    title, parameter_name = "draining", "draining"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return yes and no."""
        return [("yes", "Taken out by an operator"), ("no", "In rotation")]

    def wanted(self, value: str) -> Q:
        """Return that the drain is set, or is not."""
        return Q(draining=value == "yes")


class CompanyFilter(DropdownFilter):
    """By the company that owns it."""

    title, parameter_name = "company", "company"

    def has_output(self) -> bool:
        """A filter in the address counts, also when there is nothing to choose from."""
        return True

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return the companies that own something, by name where it is known."""
        pks = observed.company_ids()
        names = company_names(pks)
        return [("none", "For all companies"), *((str(pk), names.get(pk, f"Company {pk}")) for pk in pks)]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep what the company owns; nothing for a number that is none."""
        value = self.value()
        if not value:
            return queryset
        path = "service__company_id" if queryset.model is Instance else "company_id"
        if value == "none":
            return queryset.filter(**{f"{path}__isnull": True})
        return queryset.filter(**{path: int(value)}) if value.isdecimal() and len(value) < 10 else queryset.none()


class ServiceNameFilter(DropdownFilter):
    """Only the instances of one service, as the links on its page ask for."""

    title, parameter_name = "service", "service"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return the service that is asked for: hundreds of names are found by the search, not in a list."""
        name = request.GET.get("service")
        return [(name, name)] if name else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the instances of that service."""
        return queryset.filter(service__name=self.value()) if self.value() else queryset


SERVICE_FILTERS = (StatusFilter, TagFilter, CapabilityFilter, ZoneFilter, CompanyFilter, VersionFilter, DrainingFilter)
INSTANCE_FILTERS = (StatusFilter, ServiceNameFilter, *SERVICE_FILTERS[1:])
