"""The UI registry's addresses, below ``/api/v1/``."""

from django.urls import URLPattern

from apps.core.routing import api_path
from apps.uiregistry.views import dashboards, data, items, manifests

urlpatterns: list[URLPattern] = [
    api_path("components", items.ComponentListView, "component-list"),
    api_path("components/<int:id>", items.ComponentView, "component"),
    api_path("widgets", items.WidgetListView, "widget-list"),
    api_path("widgets/<int:id>", items.WidgetView, "widget"),
    api_path("widgets/<int:id>/data", data.WidgetDataView, "widget-data"),
    api_path("menus/<int:id>/badge", data.BadgeView, "menu-badge"),
    api_path("ui/resolve", items.ResolveView, "ui-resolve"),
    api_path("ui/schemas", items.SchemaListView, "ui-schema-list"),
    api_path("ui/schemas/<str:type>", items.SchemaView, "ui-schema"),
    api_path("services/<str:name>/manifest", manifests.ManifestView, "manifest"),
    api_path("services/<str:name>/manifest/revisions", manifests.ManifestRevisionListView, "manifest-revision-list"),
    api_path(
        "services/<str:name>/manifest/revisions/<int:number>", manifests.ManifestRevisionView, "manifest-revision"
    ),
    api_path(
        "services/<str:name>/manifest/revisions/<int:number>/difference",
        manifests.ManifestDifferenceView,
        "manifest-difference",
    ),
    api_path(
        "services/<str:name>/manifest/revisions/<int:number>/restore",
        manifests.ManifestRestoreView,
        "manifest-restore",
    ),
    api_path("dashboards", dashboards.DashboardListView, "dashboard-list"),
    api_path("dashboards/<int:id>", dashboards.DashboardView, "dashboard"),
    api_path("dashboards/<int:id>/layouts/<str:scope>/<str:scope_id>", dashboards.LayoutView, "dashboard-layout"),
    api_path("ui/dashboards/<str:slug>", dashboards.ShownDashboardView, "shown-dashboard"),
]
