"""Filters of the lists of components and widgets."""

from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from apps.core.filters import Choices, Chosen, CompanyFilter
from apps.menus.lifetimes import Lifetime
from apps.menus.selectors.lives import lifetimes_of
from apps.uiregistry.models import COMPONENT_TYPES, WIDGET_TYPES

__all__ = ["COMPONENT_FILTERS", "WIDGET_FILTERS"]

_LIVES = {
    "marked": ("Service unwell", (Lifetime.DEGRADED, Lifetime.UNHEALTHY)),
    "hidden": ("Service gone", (Lifetime.STALE, Lifetime.LEFT)),
    "unregistered": ("Service never registered", (Lifetime.UNREGISTERED,)),
}


class StateFilter(DropdownFilter):
    """By how it is doing; what was taken back is shown only to those who ask for it."""

    title, parameter_name = "state", "state"
    all_option: ClassVar[list[str]] = ["", "All that is declared"]

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        """Return the states."""
        lives = [(word, title) for word, (title, _) in _LIVES.items()]
        displaced = [("displaced", "Displaced")] if _has_routes(model_admin.model) else []
        return [("shown", "Shown"), *lives, ("off", "Switched off"), *displaced, ("taken-back", "Taken back")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep those in this state."""
        value = self.value()
        if value == "taken-back":
            return queryset.exclude(archived_at=None)
        found = queryset.filter(archived_at=None)
        if not value:
            return found
        if value == "off":
            return found.filter(is_active=False)
        if value == "displaced":
            return found.filter(displaced=True) if _has_routes(queryset.model) else found.none()
        found = found.filter(is_active=True)
        if _has_routes(queryset.model):
            found = found.filter(displaced=False)
        names = set(found.order_by().values_list("service_name", flat=True).distinct())
        wanted = _LIVES[value][1] if value in _LIVES else tuple(one for one in Lifetime if one.is_shown)
        return found.filter(service_name__in=[name for name, life in lifetimes_of(names).items() if life in wanted])


class ServiceFilter(Chosen):
    """By the service that declares it."""

    title, parameter_name = "service", "service_name"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Any], admin: Any) -> None:
        self._model = model
        super().__init__(request, params, model, admin)

    def known(self) -> Choices:
        """Return the services that declare something."""
        names = self._model.objects.order_by().values_list("service_name", flat=True).distinct()
        return [(name, name) for name in sorted(names)]


class ComponentTypeFilter(Chosen):
    """By type."""

    title, parameter_name = "type", "component_type"

    def known(self) -> Choices:
        """Return the types that there are."""
        return [(kind, kind.capitalize()) for kind in COMPONENT_TYPES]


class WidgetTypeFilter(Chosen):
    """By type."""

    title, parameter_name = "type", "widget_type"

    def known(self) -> Choices:
        """Return the types that there are."""
        return [(kind, kind.capitalize()) for kind in WIDGET_TYPES]


def _has_routes(model: type[Any]) -> bool:
    return hasattr(model, "route_path")


COMPONENT_FILTERS = (StateFilter, ServiceFilter, ComponentTypeFilter, CompanyFilter)
WIDGET_FILTERS = (StateFilter, ServiceFilter, WidgetTypeFilter, CompanyFilter)
