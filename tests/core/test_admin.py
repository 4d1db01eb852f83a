"""The operator's pages show rows; nothing but an action changes one."""

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group, User
from django.test import RequestFactory

from apps.core.admin import ReadOnlyModelAdmin


@pytest.mark.django_db
def test_not_even_a_superuser_edits_rows() -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")
    group = Group.objects.create(name="a")
    admin = ReadOnlyModelAdmin(Group, AdminSite())
    assert admin.has_view_permission(request, group)
    assert not admin.has_add_permission(request)
    assert not admin.has_change_permission(request, group)
    assert not admin.has_delete_permission(request, group)
