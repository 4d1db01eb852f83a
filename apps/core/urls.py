"""Where the hub's own addresses are mounted."""

from django.urls import URLPattern

from apps.core.endpoints import DocsView, HealthView, LiveView, MetricsView, ReadyView, SchemaView
from apps.core.routing import api_path

urlpatterns: list[URLPattern] = [
    api_path("health", HealthView, name="health"),
    api_path("health/live", LiveView, name="health-live"),
    api_path("health/ready", ReadyView, name="health-ready"),
    api_path("metrics", MetricsView, name="metrics"),
    api_path("api/schema", SchemaView, name="schema"),
    api_path("api/docs", DocsView, name="docs"),
]
