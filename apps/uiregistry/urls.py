"""The UI registry's addresses, below ``/api/v1/``."""

from django.urls import URLPattern

from apps.core.routing import api_path
from apps.uiregistry.views import dashboards

urlpatterns: list[URLPattern] = [
    api_path("dashboards", dashboards.DashboardListView, "dashboard-list"),
    api_path("dashboards/<int:id>", dashboards.DashboardView, "dashboard"),
    api_path("dashboards/<int:id>/layouts/<str:scope>/<str:scope_id>", dashboards.LayoutView, "dashboard-layout"),
    api_path("ui/dashboards/<str:slug>", dashboards.ShownDashboardView, "shown-dashboard"),
]
