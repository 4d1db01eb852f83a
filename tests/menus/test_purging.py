"""What was taken back long ago is forgotten, with what operators changed of it."""

import datetime as dt

import pytest
from django.utils import timezone

from apps.menus.models import MenuItem, Overlay
from apps.menus.tasks import purge
from tests.menus.conftest import reconciled

pytestmark = pytest.mark.django_db


def test_what_was_taken_back_long_ago_is_forgotten() -> None:
    ids = reconciled({"name": "A", "path": "/a"}, {"name": "B", "path": "/b"}, {"name": "C", "path": "/c"}).ids
    for number in ids.values():
        Overlay.objects.create(item_id=number, scope="global", scope_id=0, values={}, base={}, actor="x")
    reconciled({"name": "A", "path": "/a"})
    long_ago = timezone.now() - dt.timedelta(days=90, seconds=1)
    MenuItem.objects.filter(pk=ids["/b"]).update(archived_at=long_ago)
    assert purge() == 1
    assert set(MenuItem.objects.values_list("key", flat=True)) == {"/a", "/c"}
    assert set(Overlay.objects.values_list("item__key", flat=True)) == {"/a", "/c"}
    assert purge() == 0
