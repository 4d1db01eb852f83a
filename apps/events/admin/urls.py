"""Where the pages of the bus are mounted, inside the admin and behind its login."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.events.admin import views

app_name = "bus"

urlpatterns: list[URLPattern] = [
    path("", admin.site.admin_view(views.overview), name="overview"),
    path("groups/", admin.site.admin_view(views.groups), name="groups"),
    path("groups/<path:name>/", admin.site.admin_view(views.group), name="group"),
    path("types/", admin.site.admin_view(views.types), name="types"),
    path("types/<path:name>/", admin.site.admin_view(views.type_), name="type"),
]
