"""Where every address of the hub is mounted."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.core.routing import api_path
from apps.events.views import AsyncAPIView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(url="/admin/", permanent=False)),
    path("admin/", include("apps.console.urls")),
    path("admin/events/", include("apps.events.admin.urls")),
    path("admin/menus/", include("apps.menus.admin.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("apps.uiregistry.urls")),
    path("api/v1/", include("apps.menus.urls")),
    path("api/v1/", include("apps.registry.urls")),
    path("api/v1/", include("apps.events.urls")),
    path("api/v1/", include("apps.serviceauth.urls")),
    api_path("api/asyncapi", AsyncAPIView, "asyncapi"),
    path("", include("apps.serviceauth.oauth_urls")),
    path("", include("apps.core.urls")),
]

handler400 = "apps.core.problems.bad_request"
handler403 = "apps.core.problems.permission_denied"
handler404 = "apps.core.problems.page_not_found"
handler500 = "apps.core.problems.server_error"
