"""Reading services: lists with their filters and cursors, one service with version and zone, the graph, the history."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.registry.models import HistoryEntry, Service
from apps.registry.services import operations
from tests.support import services
from tests.support.api import Api, faults_of
from tests.support.registry import NOW, body, seconds
from tests.support.services import register, report
from xerpium_sdk.wire.registry import Status


def names(api: Api, query: str = "") -> list[str]:
    """Return the names of the services that a list shows."""
    answer = api.get(f"/services?{query}")
    assert answer.status_code == 200, answer.content
    return [one["name"] for one in answer.json()["results"]]


def ids(record: dict[str, Any]) -> list[str]:
    return [one["instance_id"] for one in record["instances"]]


@pytest.fixture
def shop(api: Api) -> Api:
    """Five services in different states, one of them of a company."""
    services.run("orders", [Status.HEALTHY, Status.HEALTHY], now=NOW, tags=["erp", "Sales"], dependencies=["billing"])
    services.run("billing", [Status.HEALTHY, Status.UNHEALTHY], now=NOW, tags=["erp"], capabilities=["invoice_pdf"])
    services.run("mail", [Status.UNHEALTHY], now=NOW, company_id=7, dependencies=["billing", "dns"])
    services.run("stock", [Status.STARTING], now=NOW)
    services.run("gone", [Status.DEREGISTERED], now=NOW, tags=["erp"])
    services.run("old", [Status.STALE], now=NOW)
    return api


# --- Lists ------------------------------------------------------------------------------------------------------------


def test_a_list_shows_the_records(shop: Api) -> None:
    answer = shop.get("/services")
    found = answer.json()
    assert [one["name"] for one in found["results"]] == ["billing", "mail", "old", "orders", "stock"]
    assert found["next"] is None
    assert all(one == shop.get(f"/services/{one['name']}").json() for one in found["results"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tag=erp", ["billing", "orders"]),
        ("tag=Sales", ["orders"]),
        ("tag=sales", []),
        ("capability=invoice_pdf", ["billing"]),
        ("status=healthy", ["orders"]),
        ("status=degraded", ["billing"]),
        ("status=unhealthy", ["mail", "old"]),
        ("status=starting", ["stock"]),
        ("status=deregistered", []),
        ("dependency=billing", ["mail", "orders"]),
        ("dependency=dns", ["mail"]),
        ("company_id=7", ["mail"]),
        ("company_id=8", []),
        ("q=O", ["billing", "old", "orders", "stock"]),  # in a capability, in names
        ("q=sal", ["orders"]),
        ("q=PDF", ["billing"]),
        ("tag=erp&status=healthy", ["orders"]),
        ("tag=erp&q=bill&dependency=billing", []),
    ],
)
def test_filters(query: str, found: list[str], shop: Api) -> None:
    assert names(shop, query) == found


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("status=fine", ("?status", "invalid_choice")),
        ("company_id=x", ("?company_id", "invalid")),
        ("company_id=0", ("?company_id", "min_value")),
        ("limit=0", ("?limit", "min_value")),
        ("limit=501", ("?limit", "max_value")),
        ("limit=x", ("?limit", "invalid")),
        ("cursor=x", ("?cursor", "invalid")),
        ("cursor=WzFd", ("?cursor", "invalid")),
        ("tag=a&tag=b", ("?tag", "repeated")),
        ("tag=", ("?tag", "blank")),
        ("q=%00", ("?q", "null_characters_not_allowed")),
        ("tga=x", ("?tga", "unknown_parameter")),
    ],
)
def test_filters_that_are_refused(query: str, fault: tuple[str, str], shop: Api) -> None:
    assert faults_of(shop.get(f"/services?{query}")) == {fault}


def test_pages_show_each_service_once_whatever_comes_and_goes(api: Api) -> None:
    for number in range(10, 35):
        register(f"s{number}", number, now=NOW)
    seen, query = [], "limit=7"
    while query:
        page = api.get(f"/services?{query}").json()
        seen += [one["name"] for one in page["results"]]
        if len(seen) == 14:
            operations.service_deregister(service="s11", reason="", actor="x", now=NOW)
            operations.service_deregister(service="s23", reason="", actor="x", now=NOW)
            register("s00", 99, now=NOW)
        query = f"limit=7&cursor={page['next']}" if page["next"] else ""
    assert seen == [f"s{number}" for number in range(10, 35)]


def test_a_page_is_of_fifty_unless_another_size_is_asked_for(api: Api) -> None:
    for number in range(60):
        register(f"s{number}", number, now=NOW)
    assert len(names(api)) == 50
    assert len(names(api, "limit=500")) == 60


# --- One service ------------------------------------------------------------------------------------------------------


def test_instances_are_listed_best_first_and_the_first_is_on_top(api: Api) -> None:
    order = [Status.HEALTHY, Status.DEGRADED, Status.STARTING, Status.UNHEALTHY, Status.DRAINING, Status.STALE]
    rows = services.run("orders", [*reversed(order), Status.DEREGISTERED], now=NOW)
    record = api.get("/services/orders").json()
    assert [one["status"] for one in record["instances"]] == order
    assert record["instance_id"] == record["instances"][0]["instance_id"] == rows[5]["instance_id"]
    assert record["host"] == rows[5]["host"]


def test_heavier_instances_come_first_among_equals(api: Api) -> None:
    for number, weight in ((1, 10), (2, 300), (3, 100)):
        report(register("orders", number, now=NOW, weight=weight), now=NOW)
    record = api.get("/services/orders").json()
    assert [one["weight"] for one in record["instances"]] == [300, 100, 10]
    operations.instance_weigh(
        service="orders", instance_id=record["instances"][2]["instance_id"], weight=999, reason="", actor="x", now=NOW
    )
    assert [one["weight"] for one in api.get("/services/orders").json()["instances"]] == [999, 300, 100]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([Status.HEALTHY, Status.HEALTHY], "healthy"),
        ([Status.HEALTHY, Status.STARTING], "degraded"),
        ([Status.HEALTHY, Status.UNHEALTHY], "degraded"),
        ([Status.HEALTHY, Status.STALE], "healthy"),
        ([Status.HEALTHY, Status.DRAINING], "healthy"),
        ([Status.DEGRADED], "degraded"),
        ([Status.STARTING, Status.UNHEALTHY], "starting"),
        ([Status.UNHEALTHY, Status.STALE], "unhealthy"),
        ([Status.STALE], "unhealthy"),
        ([Status.DRAINING], "unhealthy"),
    ],
)
def test_the_status_of_a_service(statuses: list[Status], status: str, api: Api) -> None:
    services.run("orders", statuses, now=NOW)
    answer = api.get("/services/orders")
    assert (answer.status_code, answer.json()["status"]) == (200, status)


def test_what_a_service_lacks(api: Api) -> None:
    register("orders", now=NOW, dependencies=["billing", "mail", "nobody"])
    services.run("billing", [Status.UNHEALTHY], now=NOW)
    services.run("mail", [Status.STARTING], now=NOW)
    assert api.get("/services/orders").json()["impaired"] == ["billing", "nobody"]
    report(register("billing", 0, now=NOW), now=NOW)
    assert api.get("/services/orders").json()["impaired"] == ["nobody"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("1", ["1.0.0", "1.2.3"]),
        ("%5E1.1", ["1.2.3"]),
        ("~1.2", ["1.2.3"]),
        ("%3E%3D1.2%20%3C3", ["1.2.3", "2.0.0"]),
        ("*", ["1.0.0", "1.2.3", "2.0.0"]),
        ("2.1.0-rc.1", ["2.1.0-rc.1"]),
        ("1.0.0%20%7C%7C%202", ["1.0.0", "2.0.0"]),
    ],
)
def test_version_ranges(wanted: str, found: list[str], api: Api) -> None:
    for number, version in enumerate(["1.0.0", "1.2.3", "2.0.0", "2.1.0-rc.1"]):
        register("orders", number, now=NOW, version=version)
    record = api.get(f"/services/orders?version={wanted}").json()
    assert [one["version"] for one in record["instances"]] == found
    assert record["version"] == found[0]


def test_a_version_that_nothing_satisfies_is_a_404(api: Api) -> None:
    register("orders", now=NOW)
    answer = api.get("/services/orders?version=%5E9")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_version")


@pytest.mark.parametrize("wanted", ["x.y", "%5E%5E1", "1.2.3.4", "%20%3E", "a" * 257])
def test_what_is_no_range_is_a_422(wanted: str, api: Api) -> None:
    register("orders", now=NOW)
    (fault,) = faults_of(api.get(f"/services/orders?version={wanted}"))
    assert fault[0] == "?version"


def test_a_version_decides_the_status_as_well(api: Api) -> None:
    report(register("orders", 1, now=NOW), now=NOW)
    report(register("orders", 2, now=NOW, version="2.0.0"), Status.UNHEALTHY, now=NOW)
    assert api.get("/services/orders").json()["status"] == "degraded"
    assert api.get("/services/orders?version=1").json()["status"] == "healthy"
    assert api.get("/services/orders?version=2").json()["status"] == "unhealthy"


def test_a_zone_is_a_preference_and_no_filter(api: Api) -> None:
    near = register("orders", 1, now=NOW, zone="north", weight=1)
    far = register("orders", 2, now=NOW, zone="south", weight=900)
    sick = register("orders", 3, now=NOW, zone="north")
    for row in (near, far):
        report(row, now=NOW)
    report(sick, Status.UNHEALTHY, now=NOW)
    record = api.get("/services/orders?zone=north").json()
    assert ids(record) == [near["instance_id"], far["instance_id"], sick["instance_id"]]
    assert record["instance_id"] == near["instance_id"]
    assert ids(api.get("/services/orders?zone=nowhere").json())[0] == far["instance_id"]
    assert ids(api.get("/services/orders?zone=south&version=1").json())[0] == far["instance_id"]


def test_answers_to_different_questions_have_different_tags(api: Api) -> None:
    for number, zone in enumerate(["north", "south"]):
        report(register("orders", number, now=NOW, zone=zone), now=NOW)
    north, south = (api.get(f"/services/orders?zone={zone}").headers["ETag"] for zone in ("north", "south"))
    assert north != south
    assert api.get("/services/orders?zone=north", headers={"If-None-Match": north}).status_code == 304


# --- The graph --------------------------------------------------------------------------------------------------------


def test_the_graph(api: Api) -> None:
    register("shop", 1, now=NOW, dependencies=["orders", "nobody"])
    register("orders", 2, now=NOW, dependencies=["billing"])
    register("billing", 3, now=NOW, dependencies=["orders", "mail"])
    report(register("mail", 4, now=NOW), now=NOW)
    register("alone", 5, now=NOW)
    services.run("left", [Status.DEREGISTERED], now=NOW, dependencies=["mail"])
    graph = api.get("/services/graph").json()
    assert list(graph) == ["nodes", "edges", "missing", "cycles"]
    nodes = {node["name"]: node for node in graph["nodes"]}
    assert nodes["mail"] == {
        "name": "mail",
        "status": "healthy",
        "dependencies": [],
        "dependents": ["billing"],
        "impact": ["billing", "orders", "shop"],
    }
    assert (nodes["shop"]["dependencies"], nodes["shop"]["impact"]) == (["nobody", "orders"], [])
    assert nodes["alone"]["impact"] == []
    assert {"source": "shop", "target": "nobody"} in graph["edges"]
    assert len(graph["edges"]) == 5
    assert (graph["missing"], graph["cycles"]) == (["nobody"], [["billing", "orders", "billing"]])


def test_the_graph_of_nothing(api: Api) -> None:
    assert api.get("/services/graph").json() == {"nodes": [], "edges": [], "missing": [], "cycles": []}


# --- The history ------------------------------------------------------------------------------------------------------


@pytest.fixture
def past(api: Api) -> Api:
    """A service with two instances that have a past."""
    row, other = register("orders", 1, now=NOW), register("orders", 2, now=NOW + seconds(1))
    report(row, now=NOW + seconds(2))
    given: dict[str, Any] = {"service": "orders", "reason": "disk", "actor": "operator:ann"}
    operations.instance_drain(instance_id=row["instance_id"], now=NOW + seconds(3), **given)
    operations.instance_deregister(instance_id=other["instance_id"], now=NOW + seconds(4), **given)
    return api


def test_the_history_tells_when_what_why_and_who(past: Api) -> None:
    page = past.get("/services/orders/history").json()
    assert [entry["change"] for entry in page["results"]] == [
        "deregistered",
        "drained",
        "status_changed",
        "registered",
        "registered",
    ]
    entry = {**page["results"][1], "id": 0}
    assert entry == {
        "id": 0,
        "at": "2026-05-04T12:00:03.000Z",
        "change": "drained",
        "instance_id": "10.0.0.2:8000",
        "old_status": "healthy",
        "new_status": "draining",
        "cause": "drained: disk",
        "actor": "operator:ann",
        "revision": 4,
    }
    assert page["next"] is None


def test_the_history_of_one_instance(past: Api) -> None:
    page = past.get("/services/orders/history?instance_id=10.0.0.3:8000").json()
    assert [entry["change"] for entry in page["results"]] == ["deregistered", "registered"]
    assert past.get("/services/orders/history?instance_id=nobody").json()["results"] == []


def test_the_history_comes_in_pages(past: Api) -> None:
    seen, query = [], "limit=2"
    while query:
        page = past.get(f"/services/orders/history?{query}").json()
        seen += [entry["revision"] for entry in page["results"]]
        if len(seen) == 2:
            register("orders", 9, now=NOW + seconds(9))
        query = f"limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("cursor=x", ("?cursor", "invalid")),
        ("cursor=W10", ("?cursor", "invalid")),
        ("cursor=WyJ4Il0", ("?cursor", "invalid")),
        ("cursor=WzEsMl0", ("?cursor", "invalid")),
        ("instance_id=%00", ("?instance_id", "null_characters_not_allowed")),
        ("instance_id=" + "a" * 201, ("?instance_id", "max_length")),
    ],
)
def test_histories_that_are_refused(query: str, fault: tuple[str, str], past: Api) -> None:
    assert faults_of(past.get(f"/services/orders/history?{query}")) == {fault}


def test_the_history_outlives_the_service(past: Api) -> None:
    operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    assert past.get("/services/orders").status_code == 404
    assert len(past.get("/services/orders/history").json()["results"]) == 6


def test_the_history_of_nobody_is_a_404(past: Api) -> None:
    assert past.get("/services/nobody/history").status_code == 404


# --- Queries ----------------------------------------------------------------------------------------------------------


def test_reads_of_the_catalogue_ask_no_database(shop: Api, django_assert_num_queries: Any) -> None:
    for path in ("/services", "/services/orders", "/services/orders?version=1&zone=x", "/services/graph"):
        shop.get(path)
        with django_assert_num_queries(0):
            assert shop.get(path).status_code == 200


def test_a_history_costs_two_queries_however_long(past: Api, django_assert_num_queries: Any) -> None:
    service = Service.objects.get()
    for count in (0, 200):
        HistoryEntry.objects.bulk_create(
            [HistoryEntry(service=service, at=NOW, change="updated", cause="x", actor="x") for _ in range(count)]
        )
        with django_assert_num_queries(2):
            past.get("/services/orders/history?limit=500")


def test_writes_cost_few_queries(api: Api) -> None:
    """Counted, so that nobody adds one without noticing: BEGIN, look, write, COMMIT, and what else there must be."""
    api.get("/services")
    health = {"service_name": "orders", "status": "healthy"}
    writes: list[tuple[str, Any]] = [
        ("/services/register", body()),
        ("/services/register", body()),
        ("/services/register", body(version="2.0.0")),
        ("/services/health", health),
        ("/services/health", health),
    ]
    counts = []
    for path, sent in writes:
        with CaptureQueriesContext(connection) as queries:
            api.post(path, sent)
        counts.append(len(queries))
    assert all(count <= most for count, most in zip(counts, [6, 5, 5, 9, 4], strict=True)), counts
