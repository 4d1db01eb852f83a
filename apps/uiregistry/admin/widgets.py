"""Widgets: the list, the page of one with its real data, and the tile that pages fetch again and again."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from apps.core import strictjson
from apps.core.errors import FieldError
from apps.uiregistry import links, schemas
from apps.uiregistry.admin import columns
from apps.uiregistry.admin.declared import DeclaredAdmin
from apps.uiregistry.admin.filters import WIDGET_FILTERS
from apps.uiregistry.admin.tiles import Answer, answer_for, example_of, tile_of
from apps.uiregistry.models import Layout, Widget

__all__ = ["WidgetAdmin"]

DATA = "data"
"""The input of the playground that holds data to draw with, instead of what the service answers."""
MOST_DATA = 256 * 1024


@admin.register(Widget)
class WidgetAdmin(DeclaredAdmin):
    """Charts, numbers, tables and modules of services for dashboards."""

    list_display = ("state", "name_link", "kind", "every", "service_link", "for_whom", "needs", "changed")
    list_filter = WIDGET_FILTERS
    searched = ("name", "service_name", "api_endpoint", "config__title")
    search_fields = ("name",)
    search_help_text = "Name, title, service or endpoint"
    preview_template: ClassVar[str] = "uiregistry/tile.html"

    def sections(self, row: Widget) -> Mapping[str, str]:
        """Return the one object of a widget."""
        return {"config": row.widget_type}

    def faults(self, row: Widget, values: Mapping[str, Any]) -> list[FieldError]:
        """Return what the schema finds."""
        return schemas.widget_faults(row.widget_type, values["config"])

    def warnings(self, row: Widget) -> list[FieldError]:
        """Return the keys that the schema does not know."""
        return schemas.widget_warnings(row.widget_type, row.config)

    def page(self, request: HttpRequest, row: Widget) -> dict[str, Any]:
        """Return the tile's address, and the dashboards that the widget is on."""
        return {
            "tile": tile_of(row),
            "dashboards": _dashboards_with(row),
            "example": example_of(row.widget_type),
            "data_name": DATA,
        }

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the tile."""
        view = self.admin_site.admin_view(require_GET(self.tile))
        return [path("<int:object_id>/tile/", view, name="uiregistry_widget_tile"), *super().get_urls()]

    def tile(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Answer what a widget shows now, drawn; in the company that the address names, else in its own."""
        row = self.seen(request, object_id)
        asked = request.GET.get("company", "")
        company_id = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 19 else row.company_id
        answer = answer_for(request, row, company_id)
        return TemplateResponse(request, "uiregistry/tile.html", {"row": row, "drawn": answer.drawn(row, row.config)})

    def try_out(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Answer what the values that somebody tries would look like."""
        return super().try_out(request, object_id)

    def preview(
        self, request: HttpRequest, row: Widget, values: Mapping[str, Any], posted: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the widget drawn with these values, and with data that was typed in, or that the service answers."""
        text = posted.get(DATA, "").strip()
        if text:
            try:
                answer = Answer(data=strictjson.parse(text.encode(), limit=MOST_DATA))
            except ValueError as error:
                answer = Answer(state="error", told=f"The data to draw with cannot be read. {error}")
        else:
            answer = answer_for(request, row, row.company_id)
        return {"drawn": answer.drawn(row, values["config"])}

    @admin.display(description="Name", ordering="name")
    def name_link(self, row: Widget) -> SafeString:
        """Its name."""
        return columns.link(links.widget_url(row.pk), row.name)

    @admin.display(description="Type")
    def kind(self, row: Widget) -> str:
        """What it is, and how large by default."""
        return f"{row.size} {row.widget_type}"

    @admin.display(description="Refreshed")
    def every(self, row: Widget) -> str:
        """How often its data is fetched."""
        return every(row.refresh_interval)


def every(seconds: int) -> str:
    """Return how often something is refreshed, in words."""
    if not seconds:
        return "by hand"
    if seconds % 3600 == 0:
        return f"every {seconds // 3600} h"
    return f"every {seconds // 60} min" if seconds % 60 == 0 else f"every {seconds} s"


def _dashboards_with(row: Widget) -> list[Any]:
    found = Layout.objects.filter(placements__contains=[{"widget_id": row.pk}]).select_related("dashboard")
    return sorted({layout.dashboard for layout in found}, key=lambda one: one.title)
