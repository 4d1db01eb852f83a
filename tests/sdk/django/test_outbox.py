"""Writing events in a service's transactions."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from tests.support.database import database_url
from xerpium_sdk.django import OutboxPublisher, publish_business_event, publish_event, publish_many
from xerpium_sdk.django.models import OutboxEvent
from xerpium_sdk.django.outbox import CHANNEL
from xerpium_sdk.events import InvalidEvent
from xerpium_sdk.trace import correlated
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM


def event(number: int, event_type: str = "order_created", **changes: Any) -> Envelope:
    return Envelope.create(event_type, "Order", number, service_name="orders", **changes)


def rows(using: str) -> list[OutboxEvent]:
    return list(OutboxEvent.objects.using(using).order_by("id"))


def test_an_event_without_a_transaction_is_refused(using: str) -> None:
    with pytest.raises(transaction.TransactionManagementError, match=r"transaction\.atomic"):
        publish_event("order_created", "Order", 1, using=using)
    assert rows(using) == []


def test_an_event_shares_the_fate_of_its_transaction(using: str) -> None:
    with transaction.atomic(using=using):
        event_id = publish_event("order_created", "Order", 17, 7, 0, {"total": "1.00", "discount": 0}, using=using)
    with transaction.atomic(using=using):
        publish_event("order_created", "Order", 18, using=using)
        transaction.set_rollback(True, using=using)
    (row,) = rows(using)
    got = Envelope.decode(row.fields)
    assert (row.event_id, row.event_type, row.stream) == (event_id, "order_created", STREAM_EVENTS)
    assert (got.event_id, got.service_name, got.entity_id, got.user_id) == (event_id, "test-service", 17, 0)
    assert got.data == {"total": "1.00", "discount": 0}
    assert str(row) == f"order_created {event_id}"


def test_many_keep_their_order_and_go_to_their_streams(using: str) -> None:
    sent = [event(1), event(2, "parcel_scanned"), event(3)]
    with transaction.atomic(using=using):
        assert publish_many(sent, using=using) == [one.event_id for one in sent]
        assert publish_many([], using=using) == []
    assert [row.fields for row in rows(using)] == [one.encode() for one in sent]
    assert [row.stream for row in rows(using)] == [STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS]


def test_what_cannot_be_published_is_refused_where_it_is_written(using: str) -> None:
    with transaction.atomic(using=using):
        with pytest.raises(InvalidEvent, match=r"entity_id: .*; data\.a: nan"):
            publish_event("order_created", "Order", "x", data={"a": float("nan")}, using=using)
        with pytest.raises(InvalidEvent, match=r"events\[1\]\.event_type"):
            publish_many([event(1), event(2, "Not A Type")], using=using)
    assert rows(using) == []


def test_a_business_object_tells_of_itself(using: str) -> None:
    with transaction.atomic(using=using):
        publish_business_event(
            "product_updated", SimpleNamespace(id=4, company_id=7, name="x"), "updated", ["name"], using=using
        )
    got = Envelope.decode(rows(using)[0].fields)
    assert (got.entity_type, got.entity_id, got.company_id) == ("SimpleNamespace", 4, 7)
    assert (got.data["action"], got.data["changed_fields"], got.data["name"]) == ("updated", ["name"], "x")


def test_what_is_published_in_a_handler_is_correlated(using: str) -> None:
    with transaction.atomic(using=using), correlated("import-7"):
        publish_event("order_created", "Order", 1, using=using)
        publish_many([event(2), event(3, correlation_id="own")], using=using)
    assert [row.fields["correlation_id"] for row in rows(using)] == ["import-7", "import-7", "own"]


def test_ids_may_be_given_and_be_uuids(using: str) -> None:
    event_id, parcel = uuid4(), uuid4()
    publisher = OutboxPublisher("shipping", using=using)
    with transaction.atomic(using=using):
        assert publisher.publish_event("parcel_scanned", "Parcel", parcel, event_id=event_id) == str(event_id)
    assert rows(using)[0].fields["entity_id"] == str(parcel)


@pytest.mark.usefixtures("transactional_db")
def test_the_relay_is_told_by_the_commit_and_not_before() -> None:
    with psycopg.connect(database_url(), autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with transaction.atomic():
            publish_event("order_created", "Order", 1)
            assert list(listener.notifies(timeout=0.05)) == []
        assert [woken.channel for woken in listener.notifies(timeout=5, stop_after=1)] == [CHANNEL]
    connection.close()


@pytest.mark.django_db
def test_a_service_without_a_name_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(settings, "XERPIUM_SERVICE_NAME")
    with pytest.raises(ImproperlyConfigured, match="XERPIUM_SERVICE_NAME"):
        publish_event("order_created", "Order", 1)
    with pytest.raises(ValueError, match="name of the service"):
        OutboxPublisher("")
