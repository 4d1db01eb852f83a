"""Registering: what is stored, what a repetition changes, what operators decided and keeps."""

import datetime as dt
from typing import Any

import orjson
import pytest
from django.db import connection

from apps.core.errors import NotFound
from apps.events.models import OutboxEntry
from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.documents import Row
from apps.registry.models import HistoryEntry, Instance, Service, Vitals
from apps.registry.services import operations, registration
from tests.support import services
from tests.support.registry import NOW, changes, events, seconds, stored
from tests.support.services import report
from xerpium_sdk.wire.keys import REGISTRY_CHANGES, STREAM_HUB
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")


def register(number: int = 1, *, now: dt.datetime = NOW, **declared: Any) -> Row:
    return services.register("orders", number, now=now, **declared)


def decide(row: Row) -> dict[str, Any]:
    """Return what every operation on an instance takes."""
    name, instance = row["service"], row["instance_id"]
    return {"service": name, "instance_id": instance, "reason": "test", "actor": "operator:ann", "now": NOW}


def test_a_newcomer_is_stored_whole() -> None:
    row = register(tags=["a"], metadata={"rack": 7}, zone="north")
    instance = stored(row["id"])
    assert (instance.status, instance.reported_status, instance.polled_status) == ("starting", None, None)
    assert (instance.registered_at, instance.status_since) == (NOW, NOW)
    assert (instance.tags, instance.metadata, instance.zone) == (["a"], {"rack": 7}, "north")
    assert instance.revision == instance.service.revision == current_revision() == 1
    entry = HistoryEntry.objects.get()
    assert (entry.change, entry.old_status, entry.new_status) == ("registered", None, "starting")
    assert (entry.instance_id, entry.at, entry.actor) == (row["instance_id"], NOW, "service:test")
    assert (entry.cause, entry.revision) == ("registered version 1.0.0", 1)


def test_a_newcomer_has_a_lease_and_is_polled_within_ten_seconds() -> None:
    pk = register(lease_seconds=45)["id"]
    assert leases.alive([pk], NOW + seconds(44)) == [pk]
    assert leases.alive([pk], NOW + seconds(45)) == []
    assert leases.last_seen([pk]) == {pk: NOW}
    vitals = stored(pk).vitals
    assert vitals.last_seen_at == NOW
    assert vitals.next_due_at is not None
    assert NOW <= vitals.next_due_at <= NOW + seconds(10)


def test_the_first_poll_comes_sooner_when_polls_are_frequent() -> None:
    due = stored(register(poll_interval_seconds=2)["id"]).vitals.next_due_at
    assert due is not None
    assert due <= NOW + seconds(2)


def test_the_change_and_the_event_are_in_the_outbox() -> None:
    row = register(company_id=7)
    assert OutboxEntry.objects.get(stream=REGISTRY_CHANGES).entry_id == "1-0"
    (change,) = changes()
    assert (change["revision"], change["service"]) == (1, {"name": "orders", "company_id": 7})
    assert [(one["id"], one["revision"], one["status"]) for one in change["instances"]] == [(row["id"], 1, "starting")]
    event = OutboxEntry.objects.get(stream=STREAM_HUB).fields
    assert len(event) == 11
    assert (event["event_type"], event["entity_type"], event["company_id"]) == ("service_registered", "service", "7")
    assert (event["entity_id"], event["timestamp"]) == (str(row["service_pk"]), "2026-05-04T12:00:00.000Z")
    assert orjson.loads(event["data"]) == {
        "service": "orders",
        "instance_id": row["instance_id"],
        "version": "1.0.0",
        "old_status": None,
        "status": "starting",
        "cause": "registered version 1.0.0",
        "actor": "service:test",
        "revision": 1,
    }


def test_the_change_carries_what_is_stored() -> None:
    """The row that the statement announces is the one that a rebuild of the projection would find."""
    from apps.registry.projection import read_all

    register(metadata={"ü": [1.5, None, "\u2028"]}, tags=["a", "b"], capabilities=["c"], dependencies=["d"], zone="z")
    (change,) = changes()
    assert change["instances"] == read_all().instances


def test_a_repetition_renews_the_lease_and_changes_nothing_else() -> None:
    pk = register()["id"]
    before = (current_revision(), HistoryEntry.objects.count(), OutboxEntry.objects.count())
    register(now=NOW + seconds(60))
    assert (current_revision(), HistoryEntry.objects.count(), OutboxEntry.objects.count()) == before
    assert leases.alive([pk], NOW + seconds(149)) == [pk]
    assert Instance.objects.count() == 1


def test_a_shorter_lease_counts_at_once_and_an_old_one_does_not_come_back() -> None:
    pk = register(lease_seconds=300)["id"]
    register(lease_seconds=60, now=NOW + seconds(10))
    register(lease_seconds=60, now=NOW + seconds(1))
    assert leases.alive([pk], NOW + seconds(69)) == [pk]
    assert leases.alive([pk], NOW + seconds(70)) == []


def test_equal_metadata_in_another_spelling_is_no_change() -> None:
    register(metadata={"a": 1.0, "b": {"x": 1e22, "y": -0.0, "z": 2**63 - 1}, "c": [None, True]})
    register(metadata={"c": [None, True], "b": {"z": 2**63 - 1, "y": 0.0, "x": 1e22}, "a": 1})
    assert current_revision() == 1


def test_another_version_is_an_update() -> None:
    row = register()
    report(row, now=NOW)
    register(version="1.1.0", now=NOW + seconds(5))
    assert events() == ["service_registered", "instance_status_changed", "service_updated"]
    entry = HistoryEntry.objects.first()
    assert entry is not None
    assert (entry.change, entry.new_status) == ("updated", None)
    assert entry.cause == "registered version 1.1.0, changed version"
    instance = stored(row["id"])
    # The new process has said nothing yet, but a restart must not look like a failure.
    assert (instance.version, instance.status, instance.registered_at) == ("1.1.0", "healthy", NOW)


def test_several_instances_share_a_service() -> None:
    register(1)
    register(2)
    assert Service.objects.get().revision == 2
    assert {instance.revision for instance in Instance.objects.all()} == {1, 2}


@pytest.mark.parametrize("owner", [None, 7])
@pytest.mark.parametrize("asker", [None, 7, 8])
def test_a_name_has_one_owner(owner: int | None, asker: int | None) -> None:
    register(company_id=owner)
    if owner == asker:
        assert register(2, company_id=asker)["company_id"] == owner
        return
    with pytest.raises(registration.NameTaken) as caught:
        register(2, company_id=asker)
    assert caught.value.detail == "The name 'orders' is taken: choose another."
    assert Instance.objects.count() == 1


def test_what_operators_decided_survives_a_restart() -> None:
    row = register()
    operations.instance_weigh(weight=5, **decide(row))
    operations.service_note(service="orders", notes="call Ann first", actor="operator:ann", now=NOW)
    operations.instance_drain(**decide(row))
    register(version="2.0.0", weight=50)
    instance = stored(row["id"])
    assert (instance.weight, instance.weight_override, instance.effective_weight) == (50, 5, 5)
    assert (instance.draining, instance.status) == (True, "draining")
    assert instance.service.notes == "call Ann first"


def test_what_operators_decided_survives_a_departure() -> None:
    row = register()
    operations.instance_weigh(weight=5, **decide(row))
    operations.instance_drain(**decide(row))
    operations.instance_deregister(**decide(row))
    register(now=NOW + seconds(99))
    instance = stored(row["id"])
    assert (instance.weight_override, instance.draining, instance.status) == (5, True, "draining")
    assert instance.registered_at == NOW + seconds(99)


def test_one_that_left_begins_anew() -> None:
    row = register()
    report(row, Status.UNHEALTHY, now=NOW)
    Vitals.objects.update(failures=2)
    operations.instance_deregister(**decide(row))
    assert stored(row["id"]).vitals.next_due_at is None
    register(now=NOW + seconds(99))
    instance = stored(row["id"])
    assert (instance.status, instance.reported_status, instance.polled_status) == ("starting", None, None)
    assert (instance.registered_at, instance.status_since) == (NOW + seconds(99), NOW + seconds(99))
    assert instance.vitals.failures == 0
    assert instance.vitals.next_due_at is not None
    assert events()[-2:] == ["service_deregistered", "service_registered"]


def test_one_that_went_stale_comes_back_by_registering() -> None:
    row = register()
    report(row, now=NOW)
    services.make_stale(row, now=NOW + seconds(1))
    assert stored(row["id"]).status == "stale"
    register(now=NOW + seconds(500))
    assert (stored(row["id"]).status, stored(row["id"]).reported_status) == ("starting", None)
    assert events()[-1] == "service_registered"


def test_a_service_that_said_it_leaves_is_taken_back_when_it_registers() -> None:
    row = register()
    report(row, Status.DRAINING, now=NOW)
    assert stored(row["id"]).status == "draining"
    register()
    assert (stored(row["id"]).status, stored(row["id"]).reported_status) == ("starting", None)


@pytest.mark.parametrize("change", [{"host": "10.9.9.9"}, {"health_check_url": "http://10.0.0.2:8000/up"}])
def test_polls_of_another_address_say_nothing_about_this_one(change: dict[str, Any]) -> None:
    row = register()
    Instance.objects.update(polled_status="unhealthy", status="unhealthy")
    Vitals.objects.update(failures=5, next_due_at=NOW + seconds(300))
    register(**change)
    instance = stored(row["id"])
    assert (instance.status, instance.polled_status, instance.vitals.failures) == ("starting", None, 0)
    assert instance.vitals.next_due_at is not None
    assert instance.vitals.next_due_at <= NOW + seconds(10)


def test_one_that_answers_its_polls_keeps_their_schedule() -> None:
    row = register()
    Instance.objects.update(polled_status="healthy", status="healthy")
    Vitals.objects.update(next_due_at=NOW + seconds(25), failures=1)
    register(version="1.0.1")
    vitals = stored(row["id"]).vitals
    assert (vitals.next_due_at, vitals.failures) == (NOW + seconds(25), 1)


def test_nothing_is_stored_when_the_announcement_fails() -> None:
    """Row, history and outbox are one: what cannot be announced did not happen."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events_outboxentry ADD CONSTRAINT refuse CHECK (stream <> 'xerpium:hub') NOT VALID")
    try:
        with pytest.raises(Exception, match="refuse"):
            register()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events_outboxentry DROP CONSTRAINT refuse")
    left = [model for model in (Service, Instance, Vitals, HistoryEntry, OutboxEntry) if model.objects.exists()]
    assert left == []
    assert current_revision() == 0
    assert leases.count() == 0


def test_nobody_may_leave_who_never_registered() -> None:
    with pytest.raises(NotFound):
        operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    assert not Service.objects.exists()
