"""What the routes of dashboards answer: the shapes for the OpenAPI document, and the functions that make them."""

from typing import Any

from rest_framework import serializers

from apps.core.schema import page_of
from apps.uiregistry.layouts import COLUMNS
from apps.uiregistry.models import SCOPES, SIZES, WIDGET_TYPES, Dashboard, Layout, Widget
from apps.uiregistry.selectors.dashboards import Place, Shown

__all__ = [
    "DashboardOut",
    "DashboardPage",
    "LayoutOut",
    "ShownDashboardOut",
    "dashboard",
    "data_url",
    "layout",
    "shown_dashboard",
]


class PlacementOut(serializers.Serializer[Any]):
    """A widget's place on the grid."""

    widget_id = serializers.IntegerField()
    x = serializers.IntegerField()
    y = serializers.IntegerField()
    w = serializers.IntegerField()
    h = serializers.IntegerField()


class DashboardOut(serializers.Serializer[Any]):
    """A dashboard."""

    id = serializers.IntegerField()
    slug = serializers.CharField()
    title = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True)
    placements = PlacementOut(
        many=True, allow_null=True, help_text="The layout that everybody gets; null: all widgets by their sizes."
    )
    created_at = serializers.DateTimeField()


class LayoutOut(serializers.Serializer[Any]):
    """How a dashboard is arranged for one scope."""

    dashboard_id = serializers.IntegerField()
    scope = serializers.ChoiceField(choices=SCOPES)
    scope_id = serializers.IntegerField(help_text="0 for global.")
    company_id = serializers.IntegerField(allow_null=True)
    placements = PlacementOut(many=True)
    actor = serializers.CharField(help_text="Who arranged it last.")
    updated_at = serializers.DateTimeField()


class ShownWidgetOut(serializers.Serializer[Any]):
    """A widget, with where its data is."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    service_name = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True)
    widget_type = serializers.ChoiceField(choices=WIDGET_TYPES)
    api_endpoint = serializers.CharField()
    refresh_interval = serializers.IntegerField(help_text="Seconds; 0: by hand.")
    size = serializers.ChoiceField(choices=SIZES)
    permissions = serializers.ListField(child=serializers.CharField())
    config = serializers.DictField()
    data_url = serializers.CharField(help_text="Where its data is, on the hub.")


class ShownPlaceOut(serializers.Serializer[Any]):
    """A widget in its place."""

    x = serializers.IntegerField()
    y = serializers.IntegerField()
    w = serializers.IntegerField()
    h = serializers.IntegerField()
    service_status = serializers.CharField(required=False, help_text="Only of a service that is not well.")
    widget = ShownWidgetOut()


class ShownDashboardOut(serializers.Serializer[Any]):
    """A dashboard as its viewer sees it."""

    id = serializers.IntegerField()
    slug = serializers.CharField()
    title = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True)
    columns = serializers.IntegerField(help_text="Of the grid.")
    scope = serializers.ChoiceField(
        choices=SCOPES, allow_null=True, help_text="Whose layout counts; null: nobody made one."
    )
    scope_id = serializers.IntegerField(allow_null=True)
    widgets = ShownPlaceOut(many=True, help_text="From top to bottom.")
    left_out = serializers.IntegerField(help_text="Widgets beyond the hundred that are shown without a layout.")


DashboardPage = page_of(DashboardOut)


def data_url(widget_id: int) -> str:
    """Return where the data of a widget is."""
    return f"/api/v1/widgets/{widget_id}/data"


def dashboard(row: Dashboard, default: Layout | None) -> dict[str, Any]:
    """Return a dashboard as the wire shows it, with the layout that everybody gets."""
    return {
        "id": row.pk,
        "slug": row.slug,
        "title": row.title,
        "company_id": row.company_id,
        "placements": default.placements if default else None,
        "created_at": row.created_at,
    }


def layout(row: Layout) -> dict[str, Any]:
    """Return a layout as the wire shows it."""
    return {
        "dashboard_id": row.dashboard_id,
        "scope": row.scope,
        "scope_id": row.scope_id,
        "company_id": row.company_id,
        "placements": row.placements,
        "actor": row.actor,
        "updated_at": row.updated_at,
    }


def shown_dashboard(shown: Shown) -> dict[str, Any]:
    """Return a dashboard as its viewer gets it."""
    row, counts = shown.dashboard, shown.layout
    return {
        "id": row.pk,
        "slug": row.slug,
        "title": row.title,
        "company_id": row.company_id,
        "columns": COLUMNS,
        "scope": counts and counts.scope,
        "scope_id": counts and counts.scope_id,
        "widgets": [_place(place) for place in shown.places],
        "left_out": shown.left_out,
    }


def _place(place: Place) -> dict[str, Any]:
    at, mark = place.placement, place.lifetime.mark
    marked = {"service_status": mark} if mark else {}
    return {"x": at.x, "y": at.y, "w": at.w, "h": at.h, **marked, "widget": _widget(place.widget)}


def _widget(row: Widget) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "service_name": row.service_name,
        "company_id": row.company_id,
        "widget_type": row.widget_type,
        "api_endpoint": row.api_endpoint,
        "refresh_interval": row.refresh_interval,
        "size": row.size,
        "permissions": row.permissions,
        "config": row.config,
        "data_url": data_url(row.pk),
    }
