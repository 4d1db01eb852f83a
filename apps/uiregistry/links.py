"""Addresses of the UI registry's pages in the admin."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

__all__ = [
    "component_url",
    "components_url",
    "dashboard_url",
    "dashboards_url",
    "manifest_url",
    "manifests_url",
    "service_url",
    "tile_url",
    "widget_url",
    "widgets_url",
]


def components_url(**filters: Any) -> str:
    """Return the address of the list of components, filtered; a filter without a value is left out."""
    return _list("admin:uiregistry_component_changelist", filters)


def component_url(pk: int) -> str:
    """Return the address of the page of a component."""
    return reverse("admin:uiregistry_component_change", args=[pk])


def widgets_url(**filters: Any) -> str:
    """Return the address of the list of widgets, filtered; a filter without a value is left out."""
    return _list("admin:uiregistry_widget_changelist", filters)


def widget_url(pk: int) -> str:
    """Return the address of the page of a widget."""
    return reverse("admin:uiregistry_widget_change", args=[pk])


def tile_url(pk: int, **query: Any) -> str:
    """Return the address of what a widget shows now, drawn."""
    return _with(reverse("admin:uiregistry_widget_tile", args=[pk]), query)


def dashboards_url() -> str:
    """Return the address of the list of dashboards."""
    return reverse("admin:uiregistry_dashboard_changelist")


def dashboard_url(pk: int, **query: Any) -> str:
    """Return the address of the page of a dashboard, arranged for a scope if ``query`` names one."""
    return _with(reverse("admin:uiregistry_dashboard_change", args=[pk]), query)


def manifests_url() -> str:
    """Return the address of the list of manifests."""
    return reverse("admin:uiregistry_manifest_changelist")


def manifest_url(pk: int, **query: Any) -> str:
    """Return the address of the page of a manifest."""
    return _with(reverse("admin:uiregistry_manifest_change", args=[pk]), query)


def service_url(name: str) -> str:
    """Return the address of what the registry knows of a service, also when it never registered."""
    return f"{reverse('admin:registry_service_changelist')}?{urlencode({'q': name, 'status': 'any'})}"


def _list(view: str, filters: dict[str, Any]) -> str:
    return _with(reverse(view), filters)


def _with(address: str, query: dict[str, Any]) -> str:
    asked = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{address}?{urlencode(asked)}" if asked else address
