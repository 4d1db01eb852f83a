"""The outbox in a service's admin."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from xerpium_sdk.django.models import HandledEvent, OutboxEvent, RelayLease

pytestmark = pytest.mark.django_db
LIST = "/admin/xerpium_sdk/outboxevent/"


def operator(*permissions: str) -> Client:
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def rows() -> dict[str, OutboxEvent]:
    """A pending, a sent and a parked event."""
    now = timezone.now()
    states: dict[str, dict[str, Any]] = {
        "pending": {},
        "sent": {"sent_at": now},
        "parked": {"parked_at": now, "error": "ValueError: no text"},
    }
    known = {"stream": "xerpium:events", "event_type": "order_created", "fields": {"event_id": "x"}}
    return {name: OutboxEvent.objects.create(event_id=f"id-{name}", **known, **state) for name, state in states.items()}


def test_what_waits_and_why_is_shown(rows: dict[str, OutboxEvent]) -> None:
    client = operator("view_outboxevent", "view_handledevent")
    HandledEvent.objects.create(group="stock-group", handler="stock.reserve", event_id="id-1", token=uuid.uuid4())
    page = client.get(LIST, follow=True).content.decode()
    assert all(text in page for text in ("id-pending", "id-sent", "id-parked", "ValueError: no text"))
    assert "id-sent" not in client.get(LIST, {"parked_at__isempty": "0"}).content.decode()
    assert client.get(f"{LIST}{rows['parked'].pk}/change/").status_code == 200
    assert "stock.reserve" in client.get("/admin/xerpium_sdk/handledevent/").content.decode()


def test_nothing_is_changed_by_hand(rows: dict[str, OutboxEvent]) -> None:
    client = operator(*(f"{verb}_outboxevent" for verb in ("view", "add", "change", "delete")))
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{rows['sent'].pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{LIST}{rows['sent'].pk}/change/", {"event_id": "other"}).status_code == 403
    assert OutboxEvent.objects.filter(event_id="id-sent").exists()


def test_who_may_sends_again(rows: dict[str, OutboxEvent]) -> None:
    chosen = {"action": "send_again", "_selected_action": [row.pk for row in rows.values()]}
    operator("view_outboxevent").post(LIST, chosen)
    assert OutboxEvent.objects.filter(sent_at=None, parked_at=None).count() == 1
    User.objects.all().delete()
    answer = operator("view_outboxevent", "send_outboxevent_again").post(LIST, chosen, follow=True)
    assert "2 events will be sent again" in answer.content.decode()
    assert OutboxEvent.objects.filter(sent_at=None, parked_at=None).count() == 3


def test_rows_are_called_by_what_they_are() -> None:
    token = uuid.UUID(int=1)
    assert str(HandledEvent(event_id="e", handler="h")) == "e by h"
    assert str(RelayLease(owner=token, until=None)) == f"{token} until None"
