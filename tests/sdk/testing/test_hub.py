"""The hub in memory: what it answers, what a test may do to it, and that nothing of it is left."""

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from xerpium_sdk.auth import InvalidToken, ServiceAuthClient, TokenVerifier
from xerpium_sdk.errors import Conflict, HubUnavailable, Invalid, NotAuthenticated, NotFound
from xerpium_sdk.registry import Backoff, Catalog, HubClient, Member, NoInstance, Registration, Status
from xerpium_sdk.registry._flows import Retry
from xerpium_sdk.testing import TestHub
from xerpium_sdk.ui import Manifest, ManifestClient, MenuItem, MenuRegistrationClient, UIWidget

ORDERS = Registration(name="orders", version="1.4.2", host="127.0.0.1", port=8102, dependencies=["stock"])
ONCE = Retry(attempts=1)


@pytest.fixture
def hub() -> Iterator[TestHub]:
    with TestHub() as hub:
        yield hub


@pytest.fixture
def client(hub: TestHub) -> Iterator[HubClient]:
    with HubClient(hub.url, retry=ONCE) as client:
        yield client


def test_it_ends_with_its_block_also_while_others_are_connected() -> None:
    before = set(threading.enumerate())
    with TestHub() as hub, HubClient(hub.url) as client, Catalog(hub.url) as catalog:
        client.register(ORDERS)
        hub.wait_for(lambda: hub.streams == 1)
        assert catalog.wait_for("orders", 5).url == "http://127.0.0.1:8102"
        hub.__exit__(None, None, None)
        assert [one.name for one in threading.enumerate() if one not in before] == ["catalog"]
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", urlsplit(hub.url).port or 0)):
            pass
        hub.__enter__()


def test_services_register_report_and_leave(hub: TestHub, client: HubClient) -> None:
    record = client.register(ORDERS)
    assert (record.status, record.impaired, record.revision) == (Status.STARTING, ("stock",), 1)
    renewal = client.report("orders", Status.HEALTHY, details={"queue": 3}, instance_id="127.0.0.1:8102")
    assert (renewal.status, renewal.lease_seconds, hub.details["orders"]) == (Status.HEALTHY, 90, {"queue": 3})
    assert client.get_service("orders") == hub.services["orders"]
    hub.register("stock", url="http://127.0.0.1:8103/api", capabilities=["counting"])
    assert client.get_service("orders").impaired == ()
    assert [one.name for one in client.list_services(capability="counting")] == ["stock"]
    assert client.drain("orders", "127.0.0.1:8102", reason="upkeep").status is Status.DRAINING
    assert client.register(ORDERS).instances[0].status is Status.DRAINING  # only resume lifts it
    assert client.resume("orders", "127.0.0.1:8102").draining is False
    client.deregister_instance("orders", "127.0.0.1:8102")
    assert list(hub.services) == ["stock"]
    with pytest.raises(NotFound):
        client.deregister_instance("orders", "127.0.0.1:8102")
    with pytest.raises(NotFound):
        client.report("orders", Status.HEALTHY)


def test_every_fault_of_a_registration_is_named(hub: TestHub) -> None:
    body = ORDERS.to_json() | {"name": "Orders!", "version": "one", "colour": "red", "host": ""}
    answer = httpx2.post(f"{hub.url}/api/v1/services/register/", json=body)
    assert answer.status_code == 422
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert pointers == {"/name", "/version", "/colour", "/host"}
    assert hub.services == {}
    assert httpx2.post(f"{hub.url}/api/v1/services/register", content=b"{").status_code == 400
    assert httpx2.patch(f"{hub.url}/api/v1/services/register").status_code == 405
    assert httpx2.get(f"{hub.url}/api/v1/nothing").json()["code"] == "not_found"


def test_the_catalogue_follows(hub: TestHub) -> None:
    hub.register("stock")
    with Catalog(hub.url) as catalog:
        assert catalog.choose("stock").url == "http://127.0.0.1:9"
        hub.report("stock", "unhealthy")
        hub.register("orders", status="starting", version="2.0.0")
        assert catalog.wait_for("orders", 5, version="^2").url == "http://127.0.0.1:9"
        with pytest.raises(NoInstance, match="unhealthy"):
            catalog.choose("stock")
        hub.remove("orders")
        hub.register("last")
        catalog.wait_for("last", 5)
        assert catalog.get("orders") is None


def test_a_member_survives_that_it_is_away_and_forgets() -> None:
    quick = Backoff(base=0.05, cap=0.1)
    with (
        TestHub(lease_seconds=0.3) as hub,
        Member(hub.url, ORDERS, wait=True, manifest=Manifest([MENU]), backoff=quick) as member,
    ):
        hub.wait_for(lambda: "orders" in hub.manifests)
        hub.forget()
        hub.wait_for(lambda: "orders" in hub.services and hub.menus == {"orders": (MENU,)})
        with hub.away():
            assert hub.services  # nobody could say that it leaves
            with pytest.raises(HubUnavailable), HubClient(hub.url, retry=ONCE) as client:
                client.get_service("orders")
        seen = len(hub.requests)
        member.report_now()
        hub.wait_for(lambda: len(hub.requests) > seen)
    assert hub.services == {}


MENU = MenuItem("Orders", "/orders", "receipt")
CHART = UIWidget("By state", "orders", widget_type="chart", api_endpoint="/api/by-state")


def test_manifests_are_put_compared_and_put_back(hub: TestHub) -> None:
    with ManifestClient(hub.url, "orders") as client:
        first = Manifest([MENU], widgets=[CHART], version="1.0.0")
        assert [entry.kind for entry in client.dry_run(first).created] == ["menu", "widget"]
        assert hub.manifests == {}
        assert client.put(first).changed is True
        assert client.put(first).changed is False
        assert (hub.menus, hub.widgets) == ({"orders": (MENU,)}, {"orders": (CHART,)})
        assert client.get() == hub.manifests["orders"]
        number = hub.asked("PUT", "/api/v1/services/orders/manifest")[0].body["generation"]
        other = Manifest([MENU], version="0.9.0", generation=number)
        assert client.apply(other).outcome == "newer"
        client.put(Manifest([MenuItem("Orders", "/orders", "truck")], version="1.1.0"))
        assert [item.icon for item in hub.menus["orders"]] == ["truck"]
        assert client.restore(1).changed is True
        assert hub.menus == {"orders": (MENU,)}
        assert [state.cause for state in client.revisions()] == ["restored from 1", "put", "put"]
        client.remove()
        assert hub.menus == {}
        with pytest.raises(NotFound):
            client.get()


def test_nothing_wrong_is_kept_of_a_manifest(hub: TestHub) -> None:
    with ManifestClient(hub.url, "orders") as orders, ManifestClient(hub.url, "sales") as sales:
        many = [MenuItem(f"Item {n}", f"/items/{n}") for n in range(10)]
        orders.put(Manifest(many, version="1.0.0"))
        with pytest.raises(Conflict) as guarded:
            orders.put(Manifest(version="2.0.0"))
        assert guarded.value.problem.code == "prune_guard"
        with pytest.raises(Conflict) as taken:
            sales.put(Manifest([MenuItem("Mine", "/Items/3/")], version="1.0.0"))
        assert taken.value.problem.errors[0].pointer == "/menus/0/path"
        orders.put(Manifest(version="2.0.0"), confirm_prune=True)
        assert "orders" not in hub.menus
    body = {"schema_version": 1, "version": "3.0.0", "generation": 3_000_000, "menus": [{"path": "/a"}, {"name": "B"}]}
    answer = httpx2.put(f"{hub.url}/api/v1/services/orders/manifest", json=body)
    assert (answer.status_code, [one["pointer"] for one in answer.json()["errors"]]) == (
        422,
        ["/menus/0/name", "/menus/1/path"],
    )


def test_single_items_are_those_of_the_manifest(hub: TestHub) -> None:
    with MenuRegistrationClient(hub.url, "orders") as menus:
        item = menus.declare(MENU)
        assert menus.declare(MenuItem("Orders", "/orders", "truck")).id == item.id
        assert [one.icon for one in hub.menus["orders"]] == ["truck"]
        (listed,) = httpx2.get(f"{hub.url}/api/v1/menu-items/").json()["results"]
        assert (listed["id"], listed["service_name"]) == (item.id, "orders")
        menus.withdraw(item.id)
        assert hub.menus == {}


def test_tokens_are_for_good_keys_and_are_known_again() -> None:
    with TestHub(keys={"orders": "secret"}, is_open=False) as hub:
        with pytest.raises(NotAuthenticated), HubClient(hub.url, retry=ONCE) as client:
            client.register(ORDERS)
        with pytest.raises(NotAuthenticated), ServiceAuthClient(hub.url, "orders", "guess") as guessing:
            guessing.token()
        with ServiceAuthClient(hub.url, "orders", "secret") as auth, HubClient(hub.url, auth=auth) as client:
            assert client.register(ORDERS).name == "orders"
            look_at_tokens(hub, auth)


def look_at_tokens(hub: TestHub, auth: ServiceAuthClient) -> None:
    told = auth.validate_service_request(auth.token(company_id=7))
    assert told is not None
    assert (told["service_name"], told["company_id"]) == ("orders", 7)
    assert auth.validate_service_request("no token") is None
    verifier = TokenVerifier(hub.url, "stock", auth=auth)
    assert verifier.verify(auth.token(company_id=7)).company_id == 7
    person = verifier.verify(hub.issuer.token("orders", user_id=42, permissions=["stock.*"]))
    assert person.may("stock.read")
    with pytest.raises(InvalidToken):
        verifier.verify(hub.issuer.token("orders", expires_in=-60))
    verifier.close()


def test_the_next_request_is_refused_as_told(hub: TestHub, client: HubClient) -> None:
    hub.refuse(409, "path_taken", "It is another's.", path="/api/v1/services/register")
    with pytest.raises(NotFound):
        client.get_service("orders")
    with pytest.raises(Conflict, match="It is another's"):
        client.register(ORDERS)
    assert client.register(ORDERS).name == "orders"
    hub.refuse(503, times=2, retry_after=0)
    with HubClient(hub.url, retry=Retry(attempts=3)) as patient:
        assert patient.get_service("orders").name == "orders"
    assert len(hub.asked("GET", "/api/v1/services/orders")) == 4


def test_events_are_collected(hub: TestHub) -> None:
    event = {"event_type": "order_created", "service_name": "orders", "entity_type": "Order", "entity_id": 7}
    answer = httpx2.post(f"{hub.url}/api/v1/events/", json=[event, event | {"entity_id": 8}])
    assert [one["event_id"] for one in answer.json()["results"]] == [one.event_id for one in hub.events]
    assert [one.entity_id for one in hub.events] == [7, 8]
    assert httpx2.post(f"{hub.url}/api/v1/events/", json=[event, {}]).status_code == 422
    assert len(hub.events) == 2


def test_waiting_ends_with_what_came(hub: TestHub) -> None:
    with pytest.raises(TimeoutError, match="0 requests came"):
        hub.wait_for(lambda: hub.services, 0.01)


def test_an_invalid_report_is_refused(hub: TestHub) -> None:
    hub.register("orders")
    with pytest.raises(Invalid), HubClient(hub.url, retry=ONCE) as client:
        client.report("orders", "stale")
    assert hub.services["orders"].status is Status.HEALTHY
