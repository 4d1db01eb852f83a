"""Operators with a browser, for tests of the console."""

from django.contrib.auth.models import Permission, User
from django.test import Client

LOOKING = ("view_service", "view_instance", "view_historyentry")
LOOKING_AT_EVENTS = (
    "view_streamstate", "view_groupstate", "view_journalentry", "view_deadletter", "view_eventtypedeclaration",
)  # fmt: skip


def superuser(name: str = "anna") -> Client:
    """Return the browser of somebody who may do everything."""
    return logged_in(User.objects.create_superuser(name, password=name))


def staff(name: str, *permissions: str, app: str = "registry") -> Client:
    """Return the browser of somebody who may come in, with these permissions of one app."""
    user = User.objects.create_user(name, password=name, is_staff=True)
    found = Permission.objects.filter(codename__in=permissions, content_type__app_label=app)
    assert len(found) == len(permissions)
    user.user_permissions.set(found)
    return logged_in(user)


def logged_in(user: User) -> Client:
    """Return a browser in which ``user`` has logged in."""
    client = Client()
    client.force_login(user)
    return client
