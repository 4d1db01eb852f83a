"""The routes that change one instance or take a service out: answers, actors, what lifts a drain."""

import pytest

from apps.registry.live import live
from apps.registry.models import HistoryEntry
from tests.support import services
from tests.support.api import Api, faults_of
from tests.support.registry import body, id_of

INSTANCE = f"/services/orders/instances/{id_of()}"


@pytest.fixture
def orders(api: Api) -> Api:
    """A caller who has registered the service ``orders``."""
    api.register(body())
    return api


def test_drain_and_resume_answer_with_the_instance(orders: Api) -> None:
    drained = orders.post(f"{INSTANCE}/drain", {"reason": "new disk"})
    assert drained.status_code == 200
    (shown,) = orders.get("/services/orders").json()["instances"]
    assert drained.json() == shown
    assert (shown["status"], shown["draining"], shown["revision"]) == ("draining", True, 2)
    resumed = orders.post(f"{INSTANCE}/resume", {"reason": "done"})
    assert resumed.json() == orders.get("/services/orders").json()["instances"][0]
    assert (resumed.json()["status"], resumed.json()["draining"]) == ("starting", False)


@pytest.mark.parametrize("sent", [None, {}, {"reason": None}, {"reason": ""}])
def test_a_reason_is_optional(sent: object, orders: Api) -> None:
    assert orders.post(f"{INSTANCE}/drain", sent).status_code == 200
    assert HistoryEntry.objects.first().cause == "drained: no reason given"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ({"reason": 7}, ("/reason", "invalid_type")),
        ({"reason": "x" * 501}, ("/reason", "max_length")),
        ({"resaon": "x"}, ("/resaon", "unknown_field")),
    ],
)
def test_reasons_that_are_refused(sent: object, fault: tuple[str, str], orders: Api) -> None:
    for path in (f"{INSTANCE}/drain", f"{INSTANCE}/resume"):
        assert faults_of(orders.post(path, sent)) == {fault}
    assert HistoryEntry.objects.count() == 1


def test_only_resume_lifts_a_drain(orders: Api) -> None:
    orders.post(f"{INSTANCE}/drain", {"reason": "test"})
    orders.post("/services/health", {"service_name": "orders", "status": "healthy"})
    orders.register(body())
    orders.register(body(version="2.0.0"))
    assert orders.delete(INSTANCE).status_code == 204
    assert orders.register(body(version="2.0.0"))["instances"][0]["status"] == "draining"
    orders.post("/services/health", {"service_name": "orders", "status": "healthy"})
    assert orders.get("/services/orders").json()["instances"][0]["status"] == "draining"
    assert orders.post(f"{INSTANCE}/resume").json()["status"] == "healthy"


def test_the_actor_is_the_service_that_the_caller_names(orders: Api) -> None:
    orders.post(f"{INSTANCE}/drain")
    orders.delete("/services/orders")
    assert set(HistoryEntry.objects.values_list("actor", flat=True)) == {"service:orders"}


@pytest.mark.parametrize("path", [INSTANCE, "/services/orders"])
def test_leaving_twice_is_a_404(path: str, orders: Api) -> None:
    first = orders.delete(path)
    assert (first.status_code, first.content) == (204, b"")
    assert orders.get("/services/orders").status_code == 404
    assert orders.delete(path).status_code == 404
    assert orders.post(f"{INSTANCE}/drain").status_code == 404


def test_one_instance_of_several_leaves(orders: Api) -> None:
    orders.register(body(number=2))
    assert orders.delete(INSTANCE).status_code == 204
    record = orders.get("/services/orders").json()
    assert ([one["instance_id"] for one in record["instances"]], record["revision"]) == ([id_of(2)], 3)


def test_what_another_process_registered_just_now_can_leave_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller whose second request reaches another process than its first must not be told that it is not there."""
    assert api.get("/services").json()["results"] == []
    monkeypatch.setattr(live, "fold", lambda changes: None)
    row = services.register("orders")
    assert live.catalog.record("orders") is None
    instance = f"/services/orders/instances/{row['instance_id']}"
    assert api.post(f"{instance}/drain").status_code == 200
    assert api.post(f"{instance}/resume").status_code == 200
    assert api.delete(instance).status_code == 204
    services.register("orders")
    assert api.delete("/services/orders").status_code == 204
