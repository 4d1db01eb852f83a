"""Where the console's pages are mounted, inside the admin: its login, and behind it."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.console import factor_views, signin, views

app_name = "console"

urlpatterns: list[URLPattern] = [
    path("login/", signin.SignIn.as_view(), name="login"),
    path("login/code/", signin.code, name="code"),
    path("login/out/", signin.sign_out, name="sign-out"),
    path("second-factor/", factor_views.page, name="second-factor"),
    path("live/home/", admin.site.admin_view(views.home_live), name="home-live"),
    path("graph/", admin.site.admin_view(views.graph), name="graph"),
]
