"""The hub's own addresses: health, metrics, and the documents of its API."""

from django.urls import URLPattern
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny

from apps.core.routing import api_path

urlpatterns: list[URLPattern] = [
    api_path(
        "api/schema", SpectacularJSONAPIView.as_view(authentication_classes=[], permission_classes=[AllowAny]), "schema"
    ),
    api_path(
        "api/docs", SpectacularSwaggerView.as_view(authentication_classes=[], permission_classes=[AllowAny]), "docs"
    ),
]
