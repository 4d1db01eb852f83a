"""Where the console's pages are mounted, inside the admin and behind its login."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.console import views

app_name = "console"

urlpatterns: list[URLPattern] = [
    path("live/home/", admin.site.admin_view(views.home_live), name="home-live"),
    path("graph/", admin.site.admin_view(views.graph), name="graph"),
]
