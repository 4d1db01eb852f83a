"""Reports: they count at once, renew the lease, and cost PostgreSQL nothing while they say the same."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.errors import NotFound
from apps.core.redis import client
from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.documents import Row
from apps.registry.models import HistoryEntry, Instance, Vitals
from apps.registry.services import operations
from apps.registry.services.reports import Reported, instances_report
from tests.support import services
from tests.support.registry import NOW, changes, events, seconds, stored
from xerpium_sdk.wire.keys import registry_report
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")


def register(number: int = 1, **declared: Any) -> Row:
    return services.register("orders", number, now=NOW, **declared)


def report(rows: list[Row], status: Status = Status.HEALTHY, *, after: float = 1, **details: Any) -> Reported:
    """Let instances report together, ``after`` seconds."""
    return instances_report(
        service="orders",
        instance_ids=[row["instance_id"] for row in rows],
        status=status,
        details=details,
        actor="service:orders",
        now=NOW + seconds(after),
    )


@pytest.mark.parametrize("word", ["healthy", "degraded", "unhealthy", "starting", "draining"])
def test_a_report_counts_at_once(word: str) -> None:
    row = register()
    done = report([row], Status(word))
    assert done == Reported(status=Status(word), lease_seconds=90, revision=2)
    instance = stored(row["id"])
    assert (instance.status, instance.reported_status, instance.revision) == (word, word, 2)
    assert instance.service.revision == current_revision() == 2
    since = NOW if word == "starting" else NOW + seconds(1)
    assert instance.status_since == since


def test_a_report_leaves_an_entry_an_event_and_a_change() -> None:
    row = register()
    report([row], Status.DEGRADED)
    entry = HistoryEntry.objects.first()
    assert entry is not None
    assert (entry.change, entry.old_status, entry.new_status) == ("status_changed", "starting", "degraded")
    assert (entry.cause, entry.actor, entry.revision) == ("reported degraded", "service:orders", 2)
    assert events() == ["service_registered", "instance_status_changed"]
    change = changes()[-1]
    assert (change["revision"], change["instances"][0]["status"]) == (2, "degraded")
    assert change["instances"][0]["last_seen"] == "2026-05-04T12:00:01.000Z"


def test_a_report_renews_the_lease() -> None:
    row = register(lease_seconds=30)
    report([row], after=20)
    assert leases.alive([row["id"]], NOW + seconds(49)) == [row["id"]]
    assert leases.alive([row["id"]], NOW + seconds(50)) == []
    assert leases.last_seen([row["id"]]) == {row["id"]: NOW + seconds(20)}


def test_a_report_that_waited_for_the_database_takes_nothing_from_the_lease() -> None:
    row = register(lease_seconds=30)
    leases.extend([(row["id"], 30)], NOW + seconds(40))
    report([row], after=5)
    assert leases.alive([row["id"]], NOW + seconds(69)) == [row["id"]]


def test_a_report_that_says_the_same_writes_nothing() -> None:
    row = register()
    report([row])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        done = report([row], after=20)
    assert done.revision == current_revision() == 2
    assert HistoryEntry.objects.count() == 2
    written = [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE", "WITH"))]
    assert written == []
    assert Vitals.objects.get().last_seen_at == NOW
    assert leases.last_seen([row["id"]]) == {row["id"]: NOW + seconds(20)}


def test_one_report_for_all_instances_is_one_change_of_the_service() -> None:
    found = [register(1), register(2, lease_seconds=20), register(3)]
    done = report(found[:2], Status.DEGRADED)
    assert done == Reported(status=Status.DEGRADED, lease_seconds=20, revision=4)
    assert [stored(row["id"]).status for row in found] == ["degraded", "degraded", "starting"]
    assert [stored(row["id"]).revision for row in found] == [4, 4, 3]
    assert len(changes()[-1]["instances"]) == 2


def test_the_answer_tells_the_worst() -> None:
    found = [register(1), register(2)]
    operations.instance_drain(
        service="orders", instance_id=found[0]["instance_id"], reason="", actor="operator:ann", now=NOW
    )
    assert report(found).status is Status.DRAINING


def test_a_report_cannot_lift_an_operators_drain() -> None:
    row = register()
    operations.instance_drain(
        service="orders", instance_id=row["instance_id"], reason="", actor="operator:ann", now=NOW
    )
    report([row])
    instance = stored(row["id"])
    assert (instance.status, instance.reported_status, instance.draining) == ("draining", "healthy", True)


def test_the_worse_of_report_and_poll_counts() -> None:
    row = register()
    Instance.objects.update(polled_status="unhealthy", status="unhealthy")
    assert report([row]).status is Status.UNHEALTHY
    assert stored(row["id"]).reported_status == "healthy"
    # Nobody's status changed, but the record did: it carries what was reported.
    assert current_revision() == 2
    assert HistoryEntry.objects.count() == 1


def test_one_that_went_stale_comes_back_by_reporting() -> None:
    row = register()
    report([row])
    services.make_stale(row, now=NOW + seconds(2))
    assert stored(row["id"]).status == "stale"
    assert report([row], after=30).status is Status.HEALTHY
    assert stored(row["id"]).status == "healthy"
    assert leases.alive([row["id"]], NOW + seconds(119)) == [row["id"]]
    assert events()[-2:] == ["instance_status_changed", "instance_status_changed"]


def test_details_are_kept_for_two_leases() -> None:
    row = register(lease_seconds=40)
    report([row], load=0.7, queue=[1, None])
    assert leases.details_of([row["id"]]) == {row["id"]: {"load": 0.7, "queue": [1, None]}}
    assert 78 <= client().ttl(registry_report(row["id"])) <= 80


def test_who_is_not_registered_is_told_to_register() -> None:
    row = register()
    operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    with pytest.raises(NotFound, match="register again"):
        report([row])
    assert leases.count() == 0


def test_a_departure_forgets_lease_and_details() -> None:
    row = register()
    report([row], load=0.7)
    operations.instance_deregister(service="orders", instance_id=row["instance_id"], reason="", actor="x", now=NOW)
    assert (leases.count(), leases.last_seen([row["id"]]), leases.details_of([row["id"]])) == (0, {}, {})
