"""``services/{name}/manifest``: everything of a service in one call, and what the hub answers."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.models import AuditEntry
from apps.events.models import OutboxEntry
from apps.menus.models import Conflict, MenuItem, Overlay
from apps.uiregistry.models import Component, Manifest, ManifestRevision, Widget
from tests.support.api import Api, faults_of
from tests.uiregistry.manifests import BODY, PATH, manifest, menu, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


def entries(answer: dict[str, Any], section: str) -> list[tuple[str, str]]:
    return [(entry["kind"], entry["key"]) for entry in answer[section]]


def events() -> list[str]:
    return [row.fields["event_type"] for row in OutboxEntry.objects.order_by("id")]


def everything() -> tuple[Any, ...]:
    """Return all that a write may leave behind."""
    tables = (MenuItem, Component, Widget, Manifest, ManifestRevision, OutboxEntry, AuditEntry)
    return tuple(list(table.objects.order_by("pk").values()) for table in tables)  # type: ignore[attr-defined]


# --- Putting ----------------------------------------------------------------------------------------------------------


def test_everything_of_a_service_before_it_registers(api: Api) -> None:
    answer = put(api, manifest())
    assert set(answer) == {
        *("revision", "generation", "changed", "created", "updated", "removed", "kept_by_overlay", "pending"),
        "warnings",
    }
    assert (answer["generation"], answer["changed"]) == (41, True)
    assert entries(answer, "created") == [
        ("menu", "/orders"),
        ("menu", "/orders/open"),
        ("menu", "handbook"),
        ("component", "Order form"),
        ("widget", "Order count"),
    ]
    assert answer["updated"] == answer["removed"] == answer["pending"] == answer["kept_by_overlay"] == []
    assert all(isinstance(entry["id"], int) for entry in answer["created"])
    assert answer["revision"] > 0
    assert events()[-1] == "manifest_applied"
    assert MenuItem.objects.get(key="/orders/open").parent == MenuItem.objects.get(key="/orders")


def test_get_returns_exactly_what_was_put(api: Api) -> None:
    assert api.get(PATH).status_code == 404
    put(api, manifest())
    assert api.get(PATH).json() == BODY
    assert api.get(f"{PATH}/").json() == BODY


def test_the_least_that_can_be_said(api: Api) -> None:
    least = {"schema_version": 1, "version": "0.0.1", "generation": 0}
    assert put(api, least)["changed"]
    assert api.get(PATH).json() == {**least, "menus": [], "components": [], "widgets": []}
    assert not put(api, least)["changed"]


def test_null_is_absent(api: Api) -> None:
    item = {"name": "A", "path": "/a", "icon": None, "parent_name": None, "badge": None}
    put(api, manifest(menus=[item], components=None, widgets=None))
    assert api.get(PATH).json() == manifest(menus=[{"name": "A", "path": "/a"}], components=[], widgets=[])


@pytest.mark.parametrize("generation", [0, 40, 41, 99])
def test_the_same_again_changes_nothing_whatever_its_generation(generation: int, api: Api) -> None:
    first = put(api, manifest())
    before = everything()
    again = put(api, manifest(generation=generation))
    assert {name: again[name] for name in ("changed", "created", "updated", "removed")} == {
        "changed": False,
        "created": [],
        "updated": [],
        "removed": [],
    }
    assert (again["revision"], again["generation"]) == (first["revision"], max(41, generation))
    Manifest.objects.update(generation=41)
    assert everything() == before


def test_the_greater_generation_counts_from_then_on(api: Api) -> None:
    put(api, manifest())
    put(api, manifest(generation=50))
    assert api.get(PATH).json()["generation"] == 50
    assert put(api, manifest(version="2.0.0", generation=50), status=409)["code"] == "older_generation"


def test_what_changed_and_what_went(api: Api) -> None:
    first = put(api, manifest())
    ids = {entry["key"]: entry["id"] for entry in first["created"]}
    menus = [BODY["menus"][0] | {"name": "All orders"}, {"name": "New", "path": "/orders/new"}, BODY["menus"][2]]
    answer = put(api, manifest(generation=42, menus=menus, widgets=[]))
    assert entries(answer, "created") == [("menu", "/orders/new")]
    assert answer["updated"] == [{"kind": "menu", "key": "/orders", "id": ids["/orders"], "fields": ["name"]}]
    assert [entry["id"] for entry in answer["removed"]] == [ids["/orders/open"], ids["Order count"]]
    assert answer["revision"] > first["revision"]
    assert api.get(PATH).json() == manifest(generation=42, menus=menus, widgets=[])
    # What went comes back as what it was.
    back = put(api, manifest(generation=43))
    assert {entry["key"]: entry["id"] for entry in back["created"]} == {
        key: ids[key] for key in ("/orders/open", "Order count")
    }


def test_another_version_or_another_order_is_another_content(api: Api) -> None:
    first = put(api, manifest())
    second = put(api, manifest(generation=42, version="1.4.3"))
    third = put(api, manifest(generation=43, version="1.4.3", menus=BODY["menus"][::-1]))
    assert [one["changed"] for one in (second, third)] == [True, True]
    assert third["created"] == third["updated"] == third["removed"] == []
    assert first["revision"] < second["revision"] < third["revision"]
    assert [item["path"] for item in api.get(PATH).json()["menus"][1:]] == ["/orders/open", "/orders"]
    assert not put(api, manifest(generation=1, version="1.4.3", menus=BODY["menus"][::-1]))["changed"]


@pytest.mark.parametrize("generation", [40, 41])
def test_an_older_generation_with_other_content_is_refused(generation: int, api: Api) -> None:
    put(api, manifest())
    before = everything()
    answer = put(api, manifest(generation=generation, menus=[]), status=409)
    assert answer["code"] == "older_generation"
    assert "41" in answer["detail"]
    assert [fault["pointer"] for fault in answer["errors"]] == ["/generation"]
    assert everything() == before


def test_single_items_belong_to_the_manifest(api: Api) -> None:
    put(api, manifest())
    for path, item in (
        ("/menu-items", {"name": "Extra", "path": "/extra", "service_name": "orders", "parent_id": None}),
        ("/widgets", {**BODY["widgets"][0], "name": "More", "service_name": "orders"}),
    ):
        answer = api.post(path, item)
        assert answer.status_code == 201, answer.content
    body = api.get(PATH).json()
    assert body["menus"][3:] == [{"name": "Extra", "path": "/extra"}]
    assert [item["name"] for item in body["widgets"]] == ["Order count", "More"]
    assert not put(api, body)["changed"]
    assert put(api, manifest(), status=409)["code"] == "older_generation"
    assert entries(put(api, manifest(generation=42)), "removed") == [("menu", "/extra"), ("widget", "More")]


def test_only_single_items_make_a_manifest_too(api: Api) -> None:
    api.post("/menu-items", {"name": "Extra", "path": "/extra", "service_name": "orders"})
    body = api.get(PATH).json()
    assert (body["version"], body["generation"]) == ("0.0.0", 0)
    assert not put(api, body)["changed"]


def test_the_first_manifest_after_single_items_may_have_any_generation(api: Api) -> None:
    api.post("/menu-items", {"name": "Extra", "path": "/extra", "service_name": "orders"})
    assert entries(put(api, manifest(generation=0)), "removed") == [("menu", "/extra")]


def test_a_missing_parent_is_pending_until_it_comes(api: Api) -> None:
    item = {"name": "Below", "path": "/below", "parent_name": "Elsewhere"}
    answer = put(api, manifest(menus=[item]))
    assert entries(answer, "pending") == [("menu", "/below")]
    assert entries(put(api, manifest(menus=[item])), "pending") == [("menu", "/below")]
    other = manifest(menus=[{"name": "Elsewhere", "path": "/elsewhere"}], components=[], widgets=[])
    put(api, other, path="/services/other/manifest")
    assert put(api, manifest(menus=[item]))["pending"] == []


def test_what_operators_changed_stays(api: Api) -> None:
    put(api, manifest())
    item = MenuItem.objects.get(key="/orders")
    answer = api.send("PUT", f"/menus/overlays/global/0/{item.pk}", {"name": "Sales"})
    assert answer.status_code in (200, 201), answer.content
    menus = [BODY["menus"][0] | {"name": "All orders"}, *BODY["menus"][1:]]
    answer = put(api, manifest(generation=42, menus=menus))
    (kept,) = answer["kept_by_overlay"]
    assert (kept["key"], kept["fields"], kept["scopes"]) == ("/orders", ["name"], ["global"])
    assert Overlay.objects.get().values == {"name": "Sales"}
    assert api.get(PATH).json()["menus"] == menus


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_all_faults_of_all_items_at_once(api: Api) -> None:
    put(api, manifest())
    before = everything()
    body = manifest(
        generation=42,
        version="one",
        menus=[{"name": "A", "path": "/a"}, {"name": "B", "path": "no"}, {"path": "/c", "colour": "red"}, 7],
        components=[{"name": "x", "component_type": "pages", "route_path": "/x", "api_endpoint": "/x"}],
        widgets=[{"name": "w", "widget_type": "metric", "api_endpoint": "//evil.example", "refresh_interval": "5"}],
        extra=1,
    )
    found = faults_of(api.send("PUT", PATH, body))
    assert {pointer for pointer, _ in found} >= {
        *("/version", "/extra", "/menus/1/path", "/menus/2/name", "/menus/2/colour", "/menus/3"),
        *("/components/0/component_type", "/widgets/0/api_endpoint", "/widgets/0/refresh_interval"),
    }
    assert everything() == before


def test_faults_between_items_are_told_together(api: Api) -> None:
    body = manifest(
        menus=[menu(1), {"name": "Twin", "path": "/ITEMS/1/", "key": "twin"}],
        components=[*BODY["components"], BODY["components"][0] | {"name": "Twin", "route_path": "/orders/edit/:pk"}],
        widgets=BODY["widgets"] * 2,
    )
    pointers = {pointer for pointer, _ in faults_of(api.send("PUT", PATH, body))}
    assert pointers == {"/menus/1/path", "/components/1/route_path", "/widgets/1/name"}
    assert MenuItem.objects.count() == Component.objects.count() == 0


def test_a_path_of_another_service_is_refused_and_remembered(api: Api) -> None:
    put(api, manifest())
    mine = manifest(menus=[menu(1), {"name": "Mine", "path": "/orders/"}], components=[], widgets=[])
    answer = put(api, mine, path="/services/shop/manifest", status=409)
    assert answer["code"] == "path_taken"
    assert "orders" in answer["detail"]
    assert [fault["pointer"] for fault in answer["errors"]] == ["/menus/1/path"]
    assert not MenuItem.objects.filter(service_name="shop").exists()
    remembered = Conflict.objects.get()
    assert (remembered.kind, remembered.owner, remembered.claimant) == ("menu", "orders", "shop")


def test_all_paths_and_routes_of_others_are_named_and_remembered(api: Api) -> None:
    put(api, manifest())
    answer = put(api, manifest(widgets=[]), path="/services/shop/manifest", status=409)
    assert [fault["pointer"] for fault in answer["errors"]] == [
        "/menus/0/path",
        "/menus/1/path",
        "/components/0/route_path",
    ]
    assert sorted(Conflict.objects.values_list("kind", flat=True)) == ["component", "menu", "menu"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"schema_version": 2}, ("/schema_version", "max_value")),
        ({"schema_version": None}, ("/schema_version", "null")),
        ({"generation": -1}, ("/generation", "min_value")),
        ({"generation": 2**53}, ("/generation", "max_value")),
        ({"generation": "1"}, ("/generation", "invalid_type")),
        ({"version": "1.0"}, ("/version", "version")),
        ({"menus": {}}, ("/menus", "not_a_list")),
        ({"menus": [menu(1, service_name="orders")]}, ("/menus/0/service_name", "unknown_field")),
        ({"widgets": [menu(0)] * 5001}, ("", "too_many")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_manifests_that_are_refused(changes: dict[str, Any], fault: tuple[str, str], api: Api) -> None:
    assert fault in faults_of(api.send("PUT", PATH, manifest(**changes)))


def test_up_to_two_megabytes_are_taken(api: Api) -> None:
    menus = [menu(number, description="d" * 900) for number in range(1500)]
    assert len(put(api, manifest(menus=menus))["created"]) == 1502
    answer = api.send("PUT", PATH, manifest(menus=[menu(1, description="d" * 2**21)]))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("name", ["Orders", "a b", "-orders"])
def test_what_can_be_no_service_has_no_manifest(name: str, api: Api) -> None:
    answer = api.send("PUT", f"/services/{name}/manifest", manifest())
    assert answer.status_code == 422
    assert api.get(f"/services/{name}/manifest").status_code == 404


# --- The guard, and dry runs ------------------------------------------------------------------------------------------


def test_a_lot_goes_only_when_somebody_says_so(api: Api) -> None:
    menus = [menu(number) for number in range(9)]
    put(api, manifest(menus=menus))
    before = everything()
    fewer = manifest(generation=42, menus=menus[:3], components=[], widgets=[])
    answer = put(api, fewer, status=409)
    assert answer["code"] == "prune_guard"
    assert "8 of 11" in answer["detail"]
    assert "menu /items/3" in answer["detail"]
    assert everything() == before
    assert put(api, fewer, "?dry_run=true", status=409)["code"] == "prune_guard"
    assert len(put(api, fewer, "?confirm_prune=true&dry_run=true")["removed"]) == 8
    assert everything() == before
    assert len(put(api, fewer, "?confirm_prune=true")["removed"]) == 8
    assert len(put(api, manifest(generation=43, menus=[], components=[], widgets=[]))["removed"]) == 3


def test_a_dry_run_answers_the_same_and_does_nothing(api: Api) -> None:
    put(api, manifest())
    before = everything()
    other = manifest(generation=42, menus=[BODY["menus"][0] | {"name": "X"}, menu(1, parent_name="Nobody")])
    dry = put(api, other, "?dry_run=true")
    assert everything() == before
    assert api.get(PATH).json() == BODY
    real = put(api, other)
    assert dry["revision"] < real["revision"]
    assert [entry["id"] for entry in dry["created"]] == [None]
    for answer in (dry, real):
        answer.pop("revision")
        for section in ("created", "pending"):
            for entry in answer[section]:
                entry.pop("id")
    assert dry == real
    assert not put(api, other, "?dry_run=true")["changed"]


def test_a_dry_run_refuses_what_the_deed_would_and_remembers_nothing(api: Api) -> None:
    put(api, manifest())
    shop = {"path": "/services/shop/manifest", "status": 409}
    put(api, manifest(), "?dry_run=true", **shop)
    assert Conflict.objects.count() == 0
    assert put(api, manifest(generation=3, menus=[]), "?dry_run=true", status=409)["code"] == "older_generation"


# --- Taking everything back -------------------------------------------------------------------------------------------


def test_everything_goes_and_comes_back_as_it_was(api: Api) -> None:
    first = put(api, manifest())
    item = MenuItem.objects.get(key="/orders")
    api.send("PUT", f"/menus/overlays/global/0/{item.pk}", {"hidden": True})
    assert api.delete(PATH).status_code == 204
    assert api.delete(PATH).status_code == 404
    assert api.get(PATH).status_code == 404
    assert not MenuItem.objects.filter(archived_at=None).exists()
    again = put(api, manifest())
    assert again["created"] == first["created"]
    assert Overlay.objects.get().item_id == item.pk
    assert api.get(PATH).json() == BODY


def test_what_is_written_is_recorded(api: Api) -> None:
    put(api, manifest())
    api.delete(PATH)
    found = AuditEntry.objects.filter(object_type="manifest").order_by("id")
    assert [(entry.action, entry.object_id) for entry in found] == [
        ("manifest_applied", "orders"),
        ("manifest_removed", "orders"),
    ]


def test_true_in_place_of_one_is_another_content(api: Api) -> None:
    for number, value in enumerate((1, True, 1.5, 1e30, 10**15)):
        widget = BODY["widgets"][0] | {"config": {"title": "Orders", "decimals": value}}
        body = manifest(generation=50 + number, widgets=[widget])
        assert put(api, body)["changed"]
        found = api.get(PATH).json()
        assert found == body
        assert type(found["widgets"][0]["config"]["decimals"]) is type(value)
        assert not put(api, found)["changed"]


def test_the_number_of_statements_does_not_depend_on_how_many_items_there_are(api: Api) -> None:
    def statements(generation: int, amount: int) -> int:
        menus = [menu(number, parent_name="/items/0") for number in range(1, amount)]
        body = manifest(generation=generation, menus=[menu(0), *menus])
        with CaptureQueriesContext(connection) as found:
            put(api, body, "?confirm_prune=true")
        return len(found)

    statements(42, 10)
    assert statements(43, 40) == statements(44, 120)
    assert statements(45, 120) < 25


def test_a_put_is_done_once_with_an_idempotency_key(api: Api) -> None:
    key = {"Idempotency-Key": "once"}
    first = put(api, manifest(), headers=key)
    assert put(api, manifest(), headers=key) == first
    assert api.send("PUT", PATH, manifest(generation=9), headers=key).status_code == 422
