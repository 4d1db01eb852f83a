"""``menus/overlays`` and ``menus/drift``: what operators change of items, and no service ever overwrites."""

from typing import Any

import pytest

from apps.core.access import Principal
from apps.core.models import AuditEntry
from apps.events.models import OutboxEntry
from apps.menus.models import MenuItem, MenuRevision, Overlay
from apps.serviceauth.models import Role, RoleAssignment
from tests.menus.conftest import Declare
from tests.support.api import Api, faults_of

PERSON = Principal("user", "user:5", frozenset({7}), company_id=7, user_id=5, actors=("shop",))


def put(api: Api, where: str, item: dict[str, Any], body: Any, query: str = "") -> Any:
    return api.send("PUT", f"/menus/overlays/{where}/{item['id']}{query}", body)


def effective(api: Api, item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/menu-items/{item['id']}").json()["effective"]
    return found


# --- Setting and taking back ------------------------------------------------------------------------------------------


def test_what_an_operator_changes_outlives_what_the_service_says(api: Api, declare: Declare) -> None:
    item, top = declare("Products", icon="box"), declare("Top")
    values = {"name": "Goods", "icon": "sell", "parent_id": top["id"], "order_number": 1.5, "hidden": True}
    answer = put(api, "global/-", item, {**values, "reason": "Agreed."})
    assert answer.status_code == 200, answer.content
    record = answer.json()
    assert (record["fields"], record["reason"], record["actor"]) == (values, "Agreed.", "open:open")
    assert record["base"] == {"name": "Products", "icon": "box", "parent_id": 0, "order_number": 100, "hidden": False}
    for changes in ({}, {"icon": "store"}, {"name": "Wares", "path": "/products"}):
        declare(**{"name": "Products", "path": "/products", "icon": "box", **changes})
        assert effective(api, item) == {**values, "pinned": False}
    assert api.delete(f"/menu-items/{item['id']}").status_code == 204
    assert api.get("/menus/overlays").json()["results"] == []
    declare("Products")
    assert effective(api, item) == {**values, "pinned": False}


def test_put_replaces_and_nothing_takes_back(api: Api, declare: Declare) -> None:
    item = declare("Products")
    path = f"/menus/overlays/global/0/{item['id']}"
    assert api.get(path).status_code == api.delete(path).status_code == 404
    assert put(api, "global/3", item, {"name": "A", "hidden": True}).json()["fields"] == {"name": "A", "hidden": True}
    assert put(api, "global/-", item, {"name": "B", "icon": None}).json()["fields"] == {"name": "B"}
    assert api.get(path).json()["fields"] == {"name": "B"}
    assert put(api, "global/0", item, {}).status_code == put(api, "global/0", item, {}).status_code == 204
    assert api.get(path).status_code == 404
    put(api, "global/0", item, {"name": "C"})
    assert (api.delete(path).status_code, api.delete(path).status_code) == (204, 404)
    assert effective(api, item)["name"] == "Products"


def test_the_same_again_changes_nothing(api: Api, declare: Declare) -> None:
    item = declare("Products")
    first = put(api, "company/7", item, {"pinned": True}).json()

    def state() -> Any:
        revisions = list(MenuRevision.objects.order_by("id").values_list("company_id", "value"))
        return revisions, AuditEntry.objects.count(), OutboxEntry.objects.count()

    before = state()
    assert before[0][-1] == (7, 2)
    assert put(api, "company/7", item, {"pinned": True}).json() == first
    assert state() == before
    entry = OutboxEntry.objects.latest("id").fields
    assert (entry["event_type"], entry["company_id"]) == ("menu_changed", "7")
    assert AuditEntry.objects.latest("id").action == "menu_overlay_changed"


def test_scopes_count_one_over_the_other(api: Api, declare: Declare, come_in_as: Any) -> None:
    item = declare("Products")
    put(api, "global/-", item, {"name": "G", "icon": "box"})
    put(api, "company/7", item, {"name": "C"})
    put(api, "role/3", item, {"name": "R"}, "?company_id=7")
    put(api, "user/5", item, {"name": "U"})
    assert (effective(api, item)["name"], effective(api, item)["icon"]) == ("G", "box")
    found = api.get("/menus/overlays").json()["results"]
    assert [(one["scope"], one["scope_id"], one["company_id"]) for one in found] == [
        ("global", 0, None),
        ("company", 7, 7),
        ("role", 3, 7),
        ("user", 5, None),
    ]
    assert [one["scope"] for one in api.get("/menus/overlays?company_id=7&scope=role").json()["results"]] == ["role"]
    assert len(api.get(f"/menus/overlays?item_id={item['id']}&service_name=shop").json()["results"]) == 4
    come_in_as(Principal("operator", "ann", frozenset({7})))
    assert effective(api, item)["name"] == "G"
    come_in_as(PERSON)
    assert effective(api, item)["name"] == "C"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"name": ""}, ("/name", "blank")),
        ({"name": "a\u202e"}, ("/name", "text")),
        ({"parent_id": -1}, ("/parent_id", "min_value")),
        ({"parent_id": 999_999}, ("/parent_id", "unknown_parent")),
        ({"order_number": "1"}, ("/order_number", "invalid_type")),
        ({"order_number": 2_000_000}, ("/order_number", "max_value")),
        ({"hidden": 1}, ("/hidden", "invalid_type")),
        ({"path": "/a"}, ("/path", "unknown_field")),
    ],
)
def test_what_is_refused(body: Any, fault: tuple[str, str], api: Api, declare: Declare) -> None:
    assert fault in faults_of(put(api, "global/-", declare("Products"), body))
    assert not Overlay.objects.exists()


@pytest.mark.parametrize(
    ("where", "status"),
    [("planet/1", 404), ("company/0", 422), ("company/x", 422), ("role/-", 422), ("user/99999999999999999999", 422)],
)
def test_scopes_that_are_none(where: str, status: int, api: Api, declare: Declare) -> None:
    item = declare("Products")
    for verb, body in (("GET", None), ("PUT", {"name": "A"}), ("DELETE", None)):
        assert api.send(verb, f"/menus/overlays/{where}/{item['id']}", body).status_code == status


# --- Circles ----------------------------------------------------------------------------------------------------------


def test_an_item_is_not_put_below_itself(api: Api, declare: Declare) -> None:
    top = declare("A")
    declare("B", parent_name="A")
    last = declare("C", parent_name="B")
    for where in ("global/-", "company/7", "role/3", "user/5"):
        answer = put(api, where, top, {"parent_id": last["id"]})
        assert faults_of(answer) == {("/parent_id", "cycle")}
        assert "A → C → B → A" in answer.json()["errors"][0]["message"]
    assert faults_of(put(api, "global/-", top, {"parent_id": top["id"]})) == {("/parent_id", "cycle")}
    assert not Overlay.objects.exists()


def test_operators_do_not_set_each_other_in_a_circle(api: Api, declare: Declare) -> None:
    one, other = declare("A"), declare("B")
    assert put(api, "company/7", one, {"parent_id": other["id"]}).status_code == 200
    answer = put(api, "global/-", other, {"parent_id": one["id"]})
    assert faults_of(answer) == {("/parent_id", "cycle")}
    # Where the company says otherwise of both, there is none.
    put(api, "company/7", other, {"parent_id": 0})
    assert put(api, "global/-", other, {"parent_id": one["id"]}).status_code == 200
    assert put(api, "company/7", other, {}).status_code == 422
    assert put(api, "company/8", one, {"parent_id": other["id"]}).status_code == 422


def test_the_roles_of_a_person_count(api: Api, declare: Declare) -> None:
    one, other = declare("A"), declare("B")
    role = Role.objects.create(name="clerk", company_id=7)
    RoleAssignment.objects.create(role=role, user_id=5, company_id=7)
    assert put(api, f"role/{role.pk}", one, {"parent_id": other["id"]}, "?company_id=7").status_code == 200
    answer = put(api, "user/5", other, {"parent_id": one["id"]}, "?company_id=7")
    assert faults_of(answer) == {("/parent_id", "cycle")}
    assert put(api, "user/6", other, {"parent_id": one["id"]}, "?company_id=7").status_code == 200


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_services_change_no_overlays(api: Api, declare: Declare, come_in_as: Any) -> None:
    item = declare("Products")
    come_in_as(Principal("service", "shop"))
    for where in ("global/-", "user/5"):
        answer = put(api, where, item, {"hidden": True})
        assert (answer.status_code, answer.json()["code"]) == (403, "operators_only")
    assert api.delete(f"/menus/overlays/global/-/{item['id']}").json()["code"] == "operators_only"
    assert api.get("/menus/drift").json()["code"] == "operators_only"


def test_people_change_their_own_menu(api: Api, declare: Declare, come_in_as: Any) -> None:
    item = declare("Products")
    come_in_as(PERSON)
    record = put(api, "user/5", item, {"pinned": True, "name": "Mine", "order_number": 1, "hidden": False}).json()
    assert (record["company_id"], record["actor"]) == (7, "user:5 via shop")
    for where, body in {"user/6": {"pinned": True}, "company/7": {"pinned": True}, "user/5": {"parent_id": 0}}.items():
        answer = put(api, where, item, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "operators_only")
    assert api.delete(f"/menus/overlays/user/5/{item['id']}").status_code == 204


def test_operators_of_a_company_change_what_is_its_own(api: Api, declare: Declare, come_in_as: Any) -> None:
    item, foreign = declare("Products"), declare("Theirs", company_id=8)
    put(api, "company/8", item, {"name": "Eight"})
    come_in_as(Principal("operator", "ann", frozenset({7})))
    assert put(api, "global/-", item, {"name": "A"}).json()["code"] == "not_your_company"
    assert put(api, "company/8", item, {"name": "A"}).status_code == 403
    assert put(api, "company/7", foreign, {"name": "A"}).status_code == 404
    assert put(api, "company/7", item, {"parent_id": foreign["id"]}).status_code == 422
    assert put(api, "company/7", item, {"name": "Seven"}).status_code == 200
    assert put(api, "role/3", item, {"name": "Clerk"}).json()["company_id"] == 7
    assert [one["fields"]["name"] for one in api.get("/menus/overlays").json()["results"]] == ["Seven", "Clerk"]
    assert [one["scope"] for one in api.get(f"/menu-items/{item['id']}").json()["overlays"]] == ["company", "role"]


def test_an_item_of_a_company_is_changed_in_it(api: Api, declare: Declare) -> None:
    item, everybodys = declare("Products", company_id=7), declare("A")
    assert faults_of(put(api, "global/-", item, {"name": "A"})) == {("?company_id", "company_item")}
    assert faults_of(put(api, "company/8", item, {"name": "A"})) == {("?company_id", "company_item")}
    assert put(api, "company/7", item, {"name": "A"}).status_code == 200
    assert put(api, "user/5", item, {"name": "A"}).json()["company_id"] == 7
    assert faults_of(put(api, "global/-", everybodys, {"parent_id": item["id"]})) == {("/parent_id", "unknown_parent")}
    assert put(api, "company/7", everybodys, {"parent_id": item["id"]}).status_code == 200
    assert faults_of(put(api, "company/7", item, {"name": "A"}, "?company_id=8")) == {("?company_id", "contradiction")}


# --- Drift ------------------------------------------------------------------------------------------------------------


def test_what_services_say_otherwise_since_then(api: Api, declare: Declare) -> None:
    item = declare("Products", icon="box", order_number=5)
    declare("Top")
    put(api, "global/-", item, {"name": "Goods", "icon": "sell", "order_number": 7, "parent_id": 0, "hidden": True})

    def drift() -> list[Any]:
        found = api.get("/menus/drift?service_name=shop").json()["results"]
        return [(one["field"], one["base"], one["declared"]) for row in found for one in row["drift"]]

    assert drift() == []
    # The icon is what the operator wants anyway, the order as it was.
    declare("Products", icon="sell", order_number=5)
    assert drift() == []
    top = declare("Top")["id"]
    declare("Wares", "/products", icon="sell", order_number=6, parent_name="Top")
    assert sorted(drift()) == [("name", "Products", "Wares"), ("order_number", 5, 6), ("parent_id", 0, top)]
    record = api.get("/menus/drift").json()["results"][0]
    assert (record["item_id"], record["fields"]["name"]) == (item["id"], "Goods")
    assert api.get("/menus/drift?scope=company").json()["results"] == []
    # Whoever sets it again has seen it.
    put(api, "global/-", item, record["fields"])
    assert drift() == []
    assert MenuItem.objects.get(pk=item["id"]).name == "Wares"
