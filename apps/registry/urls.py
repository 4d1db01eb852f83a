"""The registry's addresses, below ``/api/v1/``."""

from apps.core.routing import api_path
from apps.registry import views

urlpatterns = [
    api_path("services", views.ServiceListView, "service-list"),
    api_path("services/register", views.RegisterView, "service-register"),
    api_path("services/health", views.ReportView, "service-report"),
    api_path("services/graph", views.GraphView, "service-graph"),
    api_path("services/<str:name>", views.ServiceView, "service"),
    api_path("services/<str:name>/history", views.HistoryView, "service-history"),
    api_path("services/<str:name>/instances/<str:instance_id>", views.InstanceView, "instance"),
    api_path("services/<str:name>/instances/<str:instance_id>/drain", views.DrainView, "instance-drain"),
    api_path("services/<str:name>/instances/<str:instance_id>/resume", views.ResumeView, "instance-resume"),
    api_path("catalog/stream", views.CatalogStreamView, "catalog-stream"),
]
