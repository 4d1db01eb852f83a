"""Where the pages of the bus are mounted, inside the admin and behind its login."""

from django.contrib import admin
from django.urls import URLPattern, path, register_converter

from apps.events.admin import views

app_name = "bus"


class AnyName:
    """Converts names that others have chosen: they may hold slashes and line breaks."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        """Return the name as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Return the name as it is; Django quotes it."""
        return value


register_converter(AnyName, "any_name")

urlpatterns: list[URLPattern] = [
    path("", admin.site.admin_view(views.overview), name="overview"),
    path("groups/", admin.site.admin_view(views.groups), name="groups"),
    path("groups/<any_name:name>/", admin.site.admin_view(views.group), name="group"),
    path("types/", admin.site.admin_view(views.types), name="types"),
    path("types/<any_name:name>/", admin.site.admin_view(views.type_), name="type"),
]
