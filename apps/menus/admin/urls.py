"""Where the pages about menus are mounted, inside the admin and behind its login."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.menus.admin import inbox, preview, report, views

app_name = "menus"

urlpatterns: list[URLPattern] = [
    path("", admin.site.admin_view(views.tree), name="tree"),
    path("tree/data/", views.tree_data, name="tree-data"),
    path("tree/change/", views.change, name="tree-change"),
    path("tree/move/", views.move, name="tree-move"),
    path("tree/preview/", preview.preview, name="preview"),
    path("tree/why/", preview.why, name="why"),
    path("tree/icons/", views.icon_names, name="icons"),
    path("check/", admin.site.admin_view(report.lint_report), name="check"),
    path("inbox/", admin.site.admin_view(inbox.inbox), name="inbox"),
    path("inbox/drift/<int:pk>/", admin.site.admin_view(inbox.settle), name="settle"),
    path("inbox/conflict/<int:pk>/hand-over/", admin.site.admin_view(inbox.hand_over), name="hand-over"),
    path("inbox/conflict/<int:pk>/dismiss/", admin.site.admin_view(inbox.dismiss), name="dismiss"),
    path("inbox/handover/<int:pk>/take-back/", admin.site.admin_view(inbox.take_back), name="take-back"),
]
