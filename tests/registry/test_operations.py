"""What operators do to instances, and services about themselves: drain, resume, weigh, note, check now, deregister."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.errors import Conflict, InvalidInput, NotFound
from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.documents import Row
from apps.registry.models import HistoryEntry, Instance, Vitals
from apps.registry.services import operations
from tests.support import services
from tests.support.registry import NOW, changes, events, seconds, stored
from tests.support.services import report
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

Operation = Callable[..., Any]


def register(number: int = 1, **declared: Any) -> Row:
    return services.register("orders", number, now=NOW, **declared)


def operate(operation: Operation, row: Row, reason: str = "new disk", *, after: float = 1, **more: Any) -> Any:
    """Let an operator do something to an instance."""
    name, instance = row["service"], row["instance_id"]
    return operation(
        service=name, instance_id=instance, reason=reason, actor="operator:ann", now=NOW + seconds(after), **more
    )


def last_entry() -> HistoryEntry:
    entry = HistoryEntry.objects.first()
    assert entry is not None
    return entry


def test_a_drain() -> None:
    row = register()
    report(row, now=NOW)
    drained = operate(operations.instance_drain, row)
    assert (drained["status"], drained["draining"], drained["revision"]) == ("draining", True, 3)
    instance = stored(row["id"])
    assert (instance.status, instance.draining, instance.reported_status) == ("draining", True, "healthy")
    assert (instance.status_since, instance.revision) == (NOW + seconds(1), 3)
    entry = last_entry()
    assert (entry.change, entry.old_status, entry.new_status) == ("drained", "healthy", "draining")
    assert (entry.cause, entry.actor) == ("drained: new disk", "operator:ann")
    assert events()[-1] == "instance_status_changed"
    assert changes()[-1]["instances"][0]["draining"] is True


def test_a_resume() -> None:
    row = register()
    report(row, Status.DEGRADED, now=NOW)
    operate(operations.instance_drain, row)
    resumed = operate(operations.instance_resume, row, "", after=2)
    assert (resumed["status"], resumed["draining"]) == ("degraded", False)
    entry = last_entry()
    assert (entry.change, entry.old_status, entry.new_status) == ("resumed", "draining", "degraded")
    assert entry.cause == "resumed: no reason given"


def test_a_resume_lifts_what_the_service_said_of_itself_too() -> None:
    row = register()
    report(row, Status.DRAINING, now=NOW)
    assert operate(operations.instance_resume, row)["status"] == "starting"


@pytest.mark.parametrize("operation", [operations.instance_drain, operations.instance_resume])
def test_what_changes_nothing_leaves_no_trace(operation: Operation) -> None:
    row = register()
    operate(operation, row)
    before = (current_revision(), HistoryEntry.objects.count(), len(events()))
    operate(operation, row)
    assert (current_revision(), HistoryEntry.objects.count(), len(events())) == before


def test_a_drained_instance_is_polled_and_keeps_its_lease() -> None:
    row = register()
    operate(operations.instance_drain, row)
    assert stored(row["id"]).vitals.next_due_at is not None
    assert leases.alive([row["id"]], NOW + seconds(80)) == [row["id"]]


def test_a_weight_of_the_operators() -> None:
    row = register(weight=70)
    operate(operations.instance_weigh, row, weight=5)
    assert (stored(row["id"]).weight, stored(row["id"]).effective_weight) == (70, 5)
    assert changes()[-1]["instances"][0]["weight"] == 5
    assert (last_entry().change, last_entry().cause) == ("weight_changed", "weight set to 5: new disk")
    assert events()[-1] == "service_updated"
    operate(operations.instance_weigh, row, "", weight=None)
    assert stored(row["id"]).effective_weight == 70
    assert last_entry().cause == "weight as declared again"


def test_a_weight_set_again_changes_nothing() -> None:
    row = register()
    operate(operations.instance_weigh, row, weight=0)
    before = current_revision()
    operate(operations.instance_weigh, row, weight=0)
    assert current_revision() == before


@pytest.mark.parametrize("weight", [-1, 10_001])
def test_weights_have_bounds(weight: int) -> None:
    row = register()
    with pytest.raises(InvalidInput) as caught:
        operate(operations.instance_weigh, row, weight=weight)
    assert [fault.pointer for fault in caught.value.errors] == ["/weight"]
    assert stored(row["id"]).weight_override is None


def test_notes() -> None:
    row = register()
    note: dict[str, Any] = {"service": "orders", "notes": "ask Ann", "actor": "operator:ann", "now": NOW}
    operations.service_note(**note)
    operations.service_note(**note)
    assert stored(row["id"]).service.notes == "ask Ann"
    assert (last_entry().change, last_entry().instance_id, last_entry().actor) == ("noted", None, "operator:ann")
    assert HistoryEntry.objects.filter(change="noted").count() == 1
    # Notes are for operators: the catalogue does not carry them, and does not change.
    assert current_revision() == 1
    with pytest.raises(NotFound):
        operations.service_note(**{**note, "service": "nobody"})


def test_an_instance_leaves() -> None:
    row, other = register(1), register(2)
    operate(operations.instance_deregister, row, "")
    instance = stored(row["id"])
    assert (instance.status, instance.vitals.next_due_at) == ("deregistered", None)
    assert stored(other["id"]).status == "starting"
    assert instance.service.revision == current_revision() == 3
    assert last_entry().cause == "deregistered: no reason given"
    assert events()[-1] == "service_deregistered"
    assert leases.alive([row["id"], other["id"]], NOW) == [other["id"]]
    with pytest.raises(NotFound):
        operate(operations.instance_deregister, row)


def test_a_service_leaves_as_one_change() -> None:
    found = [register(number) for number in (1, 2, 3)]
    operate(operations.instance_deregister, found[0])
    left = operations.service_deregister(service="orders", reason="", actor="service:orders", now=NOW)
    assert (left, current_revision()) == (2, 5)
    assert set(Instance.objects.values_list("status", flat=True)) == {"deregistered"}
    assert sorted(one["id"] for one in changes()[-1]["instances"]) == [row["id"] for row in found[1:]]
    assert events().count("service_deregistered") == 3
    assert leases.count() == 0
    with pytest.raises(NotFound):
        operations.service_deregister(service="orders", reason="", actor="service:orders", now=NOW)


@pytest.mark.parametrize(
    "operation",
    [
        operations.instance_drain,
        operations.instance_resume,
        operations.instance_deregister,
        lambda **given: operations.instance_weigh(weight=1, **given),
    ],
)
def test_who_is_not_there_cannot_be_operated_on(operation: Operation) -> None:
    row = register()
    with pytest.raises(NotFound):
        operate(operation, {**row, "instance_id": "nobody"})
    with pytest.raises(NotFound):
        operate(operation, {**row, "service": "nobody"})
    operate(operations.instance_deregister, row)
    with pytest.raises(NotFound):
        operate(operation, row)


def test_check_now_makes_polls_due() -> None:
    here, gone = register(1), register(2)
    operate(operations.instance_deregister, gone)
    Vitals.objects.filter(pk=here["id"]).update(next_due_at=NOW + seconds(25))
    asked = operations.instances_check_now(
        instance_pks=[here["id"], gone["id"], 0], reason="looks slow", actor="operator:ann", now=NOW
    )
    assert asked == 1
    assert stored(here["id"]).vitals.next_due_at == NOW
    assert stored(gone["id"]).vitals.next_due_at is None
    assert (last_entry().change, last_entry().instance_id) == ("checked", here["instance_id"])
    assert (last_entry().cause, last_entry().actor) == ("check asked for: looks slow", "operator:ann")


def test_a_service_that_has_left_can_be_forgotten() -> None:
    row = register(company_id=7)
    with pytest.raises(Conflict, match="deregister its instances first"):
        operations.service_forget(service="orders")
    operate(operations.instance_deregister, row)
    operations.service_forget(service="orders")
    assert not Instance.objects.exists()
    assert not HistoryEntry.objects.exists()
    with pytest.raises(NotFound):
        operations.service_forget(service="orders")
    # The name is free, for another company as well.
    assert register(company_id=8)["company_id"] == 8
