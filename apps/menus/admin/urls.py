"""Where the pages about menus are mounted, inside the admin and behind its login."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.menus.admin import preview, views

app_name = "menus"

urlpatterns: list[URLPattern] = [
    path("", admin.site.admin_view(views.tree), name="tree"),
    path("tree/data/", views.tree_data, name="tree-data"),
    path("tree/change/", views.change, name="tree-change"),
    path("tree/move/", views.move, name="tree-move"),
    path("tree/preview/", preview.preview, name="preview"),
    path("tree/why/", preview.why, name="why"),
    path("tree/icons/", views.icon_names, name="icons"),
]
