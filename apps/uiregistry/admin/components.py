"""Components: the list, and the page of one with a preview of what its service declared."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.errors import FieldError
from apps.menus.selectors.items import items
from apps.uiregistry import links, schemas
from apps.uiregistry.admin import columns
from apps.uiregistry.admin.declared import DeclaredAdmin
from apps.uiregistry.admin.fields import inputs_of
from apps.uiregistry.admin.filters import COMPONENT_FILTERS
from apps.uiregistry.models import Component

__all__ = ["ComponentAdmin"]

MOST_ITEMS = 20


@admin.register(Component)
class ComponentAdmin(DeclaredAdmin):
    """Pages, forms, modals and widgets at a route."""

    list_display = ("state", "name_link", "kind", "route", "service_link", "for_whom", "needs", "changed")
    list_filter = COMPONENT_FILTERS
    searched = ("name", "service_name", "route_path", "api_endpoint")
    search_fields = ("name",)
    search_help_text = "Name, service, route or endpoint"
    preview_template: ClassVar[str] = "uiregistry/component_preview.html"

    def sections(self, row: Component) -> Mapping[str, str]:
        """Return the two objects of a component."""
        return {"props": row.component_type, "metadata": schemas.METADATA}

    def faults(self, row: Component, values: Mapping[str, Any]) -> list[FieldError]:
        """Return what the schemas find."""
        return schemas.component_faults(row.component_type, values["props"], values["metadata"])

    def warnings(self, row: Component) -> list[FieldError]:
        """Return the keys that no schema knows."""
        return schemas.component_warnings(row.component_type, row.props, row.metadata)

    def page(self, request: HttpRequest, row: Component) -> dict[str, Any]:
        """Return the preview and the menu items that lead here."""
        return self.preview(request, row, self.values(row), {}) | {"leading": leading_to(row)}

    def preview(
        self, request: HttpRequest, row: Component, values: Mapping[str, Any], posted: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return what the component looks like with these values."""
        props, metadata = values["props"], values["metadata"]
        crumbs = metadata.get("breadcrumb") or ()
        return {
            "props": props,
            "title": metadata.get("title") or props.get("title") or row.name,
            "description": metadata.get("description") or props.get("description") or "",
            "crumbs": [str(one.get("label", "")) if isinstance(one, Mapping) else str(one) for one in crumbs],
            "inputs": inputs_of(props) if row.component_type == "form" else [],
            "table_columns": _columns(props) if row.component_type == "page" else [],
        }

    @admin.display(description="Name", ordering="name")
    def name_link(self, row: Component) -> SafeString:
        """Its name."""
        return columns.link(links.component_url(row.pk), row.name)

    @admin.display(description="Type")
    def kind(self, row: Component) -> str:
        """What it is."""
        return row.component_type

    @admin.display(description="Route")
    def route(self, row: Component) -> SafeString:
        """Where it is shown."""
        return format_html('<span class="hub-mono hub-why" title="{0}">{0}</span>', row.route_path)


def leading_to(row: Component) -> list[dict[str, str]]:
    """Return the menu items with the route of a component: their name, their service, and the address of their page."""
    found = items(path=row.route_path).order_by("company_id", "id")[:MOST_ITEMS]
    return [
        {
            "name": item.name,
            "service_name": item.service_name,
            "address": reverse("admin:menus_menuitem_change", args=[item.pk]),
        }
        for item in found
        if row.company_id is None or item.company_id in (None, row.company_id)
    ]


def _columns(props: Mapping[str, Any]) -> list[str]:
    return [
        str(one.get("label") or one.get("name") or "") if isinstance(one, Mapping) else str(one)
        for one in props.get("columns") or ()
    ]
