"""``POST services/health``: whom a report means, what it takes and what it answers."""

from typing import Any

import pytest

from apps.registry.live import live
from apps.registry.models import Instance
from tests.support import services
from tests.support.api import Api, faults_of
from tests.support.registry import body, id_of, statuses


def report(api: Api, status: str = "healthy", name: str = "orders", **more: Any) -> Any:
    return api.post("/services/health", {"service_name": name, "status": status, **more})


def test_the_answer(api: Api) -> None:
    api.register(body(lease_seconds=30))
    answer = report(api, "degraded", details={"load": 1}, timestamp="2026-05-04T12:00:00", instance_id=id_of())
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "lease_seconds": 30, "revision": 2}
    record = api.get("/services/orders").json()
    assert (record["status"], record["instances"][0]["reported_status"]) == ("degraded", "degraded")


def test_a_named_instance(api: Api) -> None:
    api.register(body(number=1))
    api.register(body(number=2))
    assert report(api, instance_id=id_of(2)).status_code == 200
    assert statuses("orders") == {id_of(1): "starting", id_of(2): "healthy"}


@pytest.mark.parametrize("spelling", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.9"])
def test_without_a_name_it_means_those_at_the_callers_address(spelling: str, api: Api) -> None:
    api.register(body(number=1, host=spelling, instance_id="here"))
    api.register(body(number=2, host="10.0.0.9", instance_id="elsewhere"))
    assert report(api).status_code == 200
    assert statuses("orders") == {"here": "healthy", "elsewhere": "starting"}


def test_several_at_the_callers_address(api: Api) -> None:
    for number, host in enumerate(["127.0.0.1", "127.0.0.1", "10.0.0.9"]):
        api.register(body(number=number, host=host))
    assert report(api).status_code == 200
    assert sorted(Instance.objects.values_list("host", "status")) == [
        ("10.0.0.9", "starting"),
        ("127.0.0.1", "healthy"),
        ("127.0.0.1", "healthy"),
    ]


def test_with_nobody_at_the_callers_address_it_means_all(api: Api) -> None:
    for number in (1, 2):
        api.register(body(number=number, host=f"10.0.0.{number}"))
    assert report(api).status_code == 200
    assert set(statuses("orders").values()) == {"healthy"}


def test_the_callers_address_may_be_mapped_into_ipv6(api: Api) -> None:
    api.register(body(number=1, instance_id="here"))
    api.register(body(number=2, host="10.0.0.9", instance_id="elsewhere"))
    answer = api.post(
        "/services/health", {"service_name": "orders", "status": "healthy"}, REMOTE_ADDR="::ffff:127.0.0.1"
    )
    assert answer.status_code == 200
    assert statuses("orders") == {"here": "healthy", "elsewhere": "starting"}


@pytest.mark.parametrize("more", [{"name": "nobody"}, {"instance_id": "nobody"}])
def test_the_unknown_are_told_to_register(more: dict[str, str], api: Api) -> None:
    api.register(body())
    answer = report(api, **more)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "register again" in answer.json()["detail"]


def test_one_that_another_process_registered_just_now_is_known(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the database, and this process's catalogue has not heard of it yet."""
    assert api.get("/services").json()["results"] == []
    monkeypatch.setattr(live, "fold", lambda changes: None)
    row = services.register("orders")
    assert live.catalog.record("orders") is None
    assert report(api, instance_id=row["instance_id"]).status_code == 200


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ({"status": "fine"}, ("/status", "invalid_choice")),
        ({"status": "stale"}, ("/status", "invalid_choice")),
        ({"status": "deregistered"}, ("/status", "invalid_choice")),
        ({"status": None}, ("/status", "null")),
        ({"status": 1}, ("/status", "invalid_type")),
        ({"service_name": None}, ("/service_name", "null")),
        ({"details": [1]}, ("/details", "not_a_dict")),
        ({"timestamp": "yesterday"}, ("/timestamp", "invalid")),
        ({"timestamp": 1714824000}, ("/timestamp", "invalid_type")),
        ({"instance_id": ""}, ("/instance_id", "blank")),
        ({"instanceid": "x"}, ("/instanceid", "unknown_field")),
    ],
)
def test_what_is_refused(sent: dict[str, Any], fault: tuple[str, str], api: Api) -> None:
    api.register(body())
    answer = api.post("/services/health", {"service_name": "orders", "status": "healthy", **sent})
    assert faults_of(answer) == {fault}
    assert statuses("orders") == {id_of(): "starting"}


def test_null_means_absent(api: Api) -> None:
    api.register(body())
    assert report(api, details=None, timestamp=None, instance_id=None).status_code == 200


@pytest.mark.parametrize(
    "timestamp", ["2026-05-04T12:00:00", "2026-05-04T12:00:00.123456", "2026-05-04T12:00:00+02:00"]
)
def test_times_may_lack_a_zone(timestamp: str, api: Api) -> None:
    api.register(body())
    assert report(api, timestamp=timestamp).status_code == 200
