"""The admin of menus without a browser: who may, whose menu, what is refused, what is written down."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.models import AuditEntry
from apps.core.tenancy import system, use
from apps.menus.models import Conflict, Handover, MenuItem, MenuRevision, Overlay
from apps.menus.services.settling import drift_keep
from apps.serviceauth.models import Role, RoleAssignment
from tests.isolation.callers import operator_of
from tests.menus.planted import declare, plant
from tests.support.operators import staff, superuser

pytestmark = pytest.mark.django_db

EVERYBODY = {"scope": "global", "scope_id": 0, "company_id": None}
COMPANY = {"scope": "company", "scope_id": 7, "company_id": 7}


def nodes(browser: Client, query: str = "") -> dict[str, dict[str, Any]]:
    """Return the tree that the page gets, by name."""
    answer = browser.get(f"/admin/menus/tree/data/?{query}")
    assert answer.status_code == 200, answer.content
    return {node["name"]: node for node in answer.json()["nodes"]}


def post(browser: Client, what: str, body: Any, whom: dict[str, Any] = EVERYBODY, **options: Any) -> Any:
    """Send what the page sends."""
    return browser.post(f"/admin/menus/tree/{what}/", {**whom, **body}, "application/json", **options)


def change(browser: Client, number: int, whom: dict[str, Any] = EVERYBODY, **values: Any) -> Any:
    """Change one item."""
    return post(browser, "change", {"changes": [{"id": number, "set": values}]}, whom)


def below(tree: dict[str, dict[str, Any]], parent: int) -> list[str]:
    """Return the names below an item, in order."""
    return [name for name, node in tree.items() if node["parent"] == parent]


@pytest.fixture
def known() -> dict[str, int]:
    """A small menu of three services."""
    return plant()


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_the_tree_has_everything_where_it_belongs_and_what_waits_apart(known: dict[str, int]) -> None:
    tree = nodes(superuser())
    assert below(tree, 0) == ["Catalogue", "Sales", "Reports"]
    assert below(tree, known["Catalogue"]) == ["Products", "Categories", "Prices"]
    assert below(tree, -1) == ["Lost"]
    assert tree["Lost"]["marks"][0]["word"] == "waits"
    assert tree["Reports"]["glyph"] == "bar_chart"
    assert tree["Prices"]["permissions"] == ["product.price"]


def test_a_known_tree_is_not_sent_again(known: dict[str, int]) -> None:
    browser = superuser()
    stamp = browser.get("/admin/menus/tree/data/").json()["stamp"]
    assert browser.get(f"/admin/menus/tree/data/?known={stamp}").json() == {"stamp": stamp}
    change(browser, known["Sales"], name="Selling")
    assert browser.get(f"/admin/menus/tree/data/?known={stamp}").json()["nodes"]


def test_a_change_comes_back_with_what_takes_it_back(known: dict[str, int]) -> None:
    browser = superuser()
    done = change(browser, known["Sales"], name="Selling", hidden=True).json()
    assert [node["name"] for node in done["nodes"]] == ["Selling"]
    assert done["nodes"][0]["changes"]["name"]["told"] == "order-service says “Sales”."
    assert done["undo"] == {"changes": [{"id": known["Sales"], "set": {}, "unset": ["hidden", "name"]}]}
    post(browser, "change", done["undo"])
    assert not Overlay.objects.exists()


def test_what_says_nothing_new_is_not_kept(known: dict[str, int]) -> None:
    browser = superuser()
    before = MenuRevision.objects.get(company_id=None).value
    done = change(browser, known["Sales"], name="Sales", hidden=False, parent_id=0).json()
    assert (done["nodes"], done["undo"]) == ([], None)
    assert not Overlay.objects.exists()
    assert MenuRevision.objects.get(company_id=None).value == before


def test_items_are_moved_together_in_their_order(known: dict[str, int]) -> None:
    browser = superuser()
    ids = [known["Products"], known["Prices"]]
    body = {"ids": ids, "parent_id": known["Sales"], "before_id": known["Returns"]}
    done = post(browser, "move", body).json()
    assert done["order"][str(known["Sales"])] == [known["Orders"], *ids, known["Returns"]]
    assert below(nodes(browser), known["Sales"]) == ["Orders", "Products", "Prices", "Returns"]
    assert AuditEntry.objects.filter(action="menu_overlay_changed", actor="anna").count() == 2


def test_where_services_say_before_and_after_all_siblings_get_numbers() -> None:
    numbers = [declare("a", "A"), declare("b", "B", after="/a"), declare("c", "C", after="/b")]
    browser = superuser()
    done = post(browser, "move", {"ids": [numbers[2]], "parent_id": 0, "before_id": numbers[1]}).json()
    assert done["order"]["0"] == [numbers[0], numbers[2], numbers[1]]


def test_one_that_would_stand_below_itself_is_refused_and_nothing_is_kept(known: dict[str, int]) -> None:
    browser = superuser()
    answer = post(browser, "move", {"ids": [known["Sales"]], "parent_id": known["Orders"], "before_id": None})
    assert answer.status_code == 422
    assert "“Orders” → “Sales” → “Orders”" in answer.json()["detail"]
    assert not Overlay.objects.exists()


def test_of_several_changes_all_or_none_happen(known: dict[str, int]) -> None:
    changes = [{"id": known["Sales"], "set": {"name": "Selling"}}, {"id": known["Orders"], "set": {"name": "\u202e"}}]
    answer = post(superuser(), "change", {"changes": changes})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/changes/1/set/name"]
    assert not Overlay.objects.exists()


@pytest.mark.parametrize(
    "values",
    [{"hidden": "yes"}, {"order_number": "1"}, {"order_number": 1e9}, {"parent_id": 999_999}, {"path": "/x"},
     {"icon": 3}, {"name": " "}],
    ids=lambda values: next(iter(values)) + str(next(iter(values.values())))[:3],
)  # fmt: skip
def test_what_is_no_value_is_refused(known: dict[str, int], values: dict[str, Any]) -> None:
    assert change(superuser(), known["Sales"], **values).status_code == 422


@pytest.mark.parametrize(
    "body",
    [{}, {"changes": 3}, {"changes": [3]}, {"changes": [{"id": "1"}]}, {"changes": [{"id": 1, "set": []}]}],
    ids=["nothing", "number", "numbers", "text", "list"],
)
def test_what_is_no_change_is_refused(body: Any) -> None:
    assert post(superuser(), "change", body).status_code == 422


# --- for whom ---------------------------------------------------------------------------------------------------------


def test_what_is_changed_for_a_company_is_changed_for_nobody_else(known: dict[str, int]) -> None:
    browser = superuser()
    change(browser, known["Sales"], name="Selling")
    change(browser, known["Sales"], COMPANY, hidden=True)
    here = nodes(browser, "scope=company&company=7")["Selling"]
    assert here["hidden"] is True
    assert (here["changes"]["hidden"]["isHere"], here["changes"]["name"]["isHere"]) == (True, False)
    assert here["changes"]["name"]["where"] == "everybody in all companies"
    assert "hidden" not in nodes(browser)["Selling"]
    assert "hidden" not in nodes(browser, "scope=company&company=8")["Selling"]


def test_a_company_shows_again_what_is_hidden_for_all(known: dict[str, int]) -> None:
    browser = superuser()
    change(browser, known["Sales"], hidden=True)
    change(browser, known["Sales"], COMPANY, hidden=False)
    assert Overlay.objects.get(scope="company").values == {"hidden": False}
    assert "hidden" not in nodes(browser, "scope=company&company=7")["Sales"]


def test_a_company_has_its_own_items_in_the_place_of_everybodys(known: dict[str, int]) -> None:
    own = declare("own-service", "Our catalogue", "/catalogue/", company=7)
    tree = nodes(superuser(), "scope=company&company=7")
    assert "Catalogue" not in tree
    assert below(tree, own) == ["Products", "Categories", "Prices"]
    assert tree["Our catalogue"]["marks"][0]["word"] == "replaces"


def test_a_person_has_what_is_changed_for_the_roles(known: dict[str, int]) -> None:
    role = Role.objects.create(name="Clerk", company_id=7, permissions=["order.*"])
    RoleAssignment.objects.create(role=role, user_id=42, company_id=7, created_by="tests")
    browser = superuser()
    of_role = {"scope": "role", "scope_id": role.pk, "company_id": 7}
    assert change(browser, known["Reports"], of_role, name="Numbers").status_code == 200
    theirs = nodes(browser, "scope=user&user=42&company=7")["Numbers"]
    assert theirs["changes"]["name"]["where"] == "whoever has the role Clerk in company 7"
    page = browser.get(f"/admin/menus/?scope=role&role={role.pk}").content.decode()
    assert "whoever has the role Clerk in" in page


@pytest.mark.parametrize(
    "query",
    ["scope=company&company=x", "scope=role&role=99", "scope=all", "company=-1", "scope=user&user=1e3"],
)
def test_an_address_that_names_nobody_leads_nowhere(query: str) -> None:
    assert superuser().get(f"/admin/menus/?{query}").status_code == 404


@pytest.mark.parametrize("query", ["scope=company", "scope=role", "scope=user"])
def test_what_is_still_to_be_chosen_is_asked_for_and_changes_nothing(query: str) -> None:
    page = superuser().get(f"/admin/menus/?{query}").content.decode()
    assert 'data-may-change="0"' in page


# --- who may ----------------------------------------------------------------------------------------------------------


def test_whoever_may_only_look_changes_nothing(known: dict[str, int]) -> None:
    browser = staff("ben", "view_menuitem", app="menus")
    assert nodes(browser)
    assert "You may look at menus, not change them." in browser.get("/admin/menus/").content.decode()
    assert change(browser, known["Sales"], name="X").status_code == 403
    assert post(browser, "move", {"ids": [known["Sales"]], "parent_id": 0, "before_id": None}).status_code == 403
    assert browser.post("/admin/menus/inbox/drift/1/").status_code == 403


def test_whoever_may_not_look_sees_nothing() -> None:
    browser = staff("cid", "view_service")
    for page in ("", "inbox/", "check/", "tree/data/", "tree/preview/", "tree/icons/", "menuitem/"):
        assert browser.get(f"/admin/menus/{page}").status_code == 403
    assert "Menu tree" not in browser.get("/admin/").content.decode()
    assert Client().get("/admin/menus/").status_code == 302


def test_a_change_without_the_token_against_forgery_is_refused(known: dict[str, int]) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = superuser().cookies
    assert change(browser, known["Sales"], name="X").status_code == 403
    browser.get("/admin/menus/")
    headers = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    changes = {"changes": [{"id": known["Sales"], "set": {"name": "X"}}]}
    assert post(browser, "change", changes, headers=headers).status_code == 200
    assert browser.get("/admin/menus/tree/change/").status_code == 405


def test_an_operator_of_some_companies_arranges_theirs_and_sees_no_other(known: dict[str, int]) -> None:
    theirs = declare("own-service", "Seven", company=7)
    declare("own-service", "Eight", company=8)
    with use(None):
        browser = operator_of("of-seven", [7])
        page = browser.get("/admin/menus/").content.decode()
        assert "operators of all companies" in page
        assert 'data-may-change="0"' in page
        assert 'value="7"' in page
        assert 'value="8"' not in page
        assert change(browser, known["Sales"], name="X").status_code == 403
        assert change(browser, theirs, COMPANY, name="Ours").status_code == 200
        assert change(browser, known["Sales"], COMPANY, name="Deals").status_code == 200
        tree = nodes(browser, "scope=company&company=7")
        assert {"Ours", "Deals"} <= tree.keys()
        assert "Eight" not in tree
        assert browser.get("/admin/menus/tree/data/?scope=company&company=8").status_code == 404
        other = {"scope": "company", "scope_id": 8, "company_id": 8}
        assert change(browser, known["Sales"], other, name="X").status_code == 404
        assert browser.get("/admin/menus/tree/preview/?scope=user&user=1&company=8").status_code == 404
        for_all = {"scope": "user", "scope_id": 1, "company_id": None}
        assert change(browser, known["Sales"], for_all, name="X").status_code == 403


# --- previews ---------------------------------------------------------------------------------------------------------


def preview(browser: Client, query: str) -> dict[str, str]:
    """Return what somebody gets, by name: an empty text for what is shown, else in a word why not."""
    answer = browser.get(f"/admin/menus/tree/preview/?{query}")
    assert answer.status_code == 200, answer.content
    return {node["name"]: node.get("why", "") for node in answer.json()["nodes"]}


def test_a_preview_shows_what_somebody_gets_and_why_not_the_rest(known: dict[str, int]) -> None:
    browser = superuser()
    change(browser, known["Returns"], hidden=True)
    got = preview(browser, "permissions=product.*")
    assert (got["Products"], got["Prices"], got["Lost"]) == ("", "", "waits")
    assert (got["Orders"], got["Returns"], got["Sales"]) == ("no right", "hidden", "empty")
    why = browser.get(f"/admin/menus/tree/why/?permissions=product.*&item={known['Orders']}").json()["reasons"]
    assert why == ["It takes the permission order.view."]
    why = browser.get(f"/admin/menus/tree/why/?item={known['Returns']}").json()["reasons"]
    assert why == ["An operator hid it for everybody. (operator:anna)"]
    assert browser.get("/admin/menus/tree/why/?item=999999").status_code == 404


def test_looking_at_a_persons_menu_is_written_down(known: dict[str, int]) -> None:
    role = Role.objects.create(name="Clerk", company_id=7, permissions=["order.*"])
    RoleAssignment.objects.create(role=role, user_id=42, company_id=7, created_by="tests")
    browser = superuser()
    got = preview(browser, "scope=user&user=42&company=7")
    assert (got["Orders"], got["Prices"]) == ("", "no right")
    entry = AuditEntry.objects.get(action="menu_previewed")
    assert (entry.actor, entry.object_id, entry.company_id) == ("anna", "42", 7)
    assert preview(browser, f"scope=role&role={role.pk}") == got
    assert AuditEntry.objects.filter(action="menu_previewed").count() == 1
    assert not Overlay.objects.exists()


def test_a_preview_is_in_the_viewers_language() -> None:
    declare("shop", "Orders", labels={"pl": "Zamówienia"})
    assert list(preview(superuser(), "locale=pl-PL")) == ["Zamówienia"]


# --- the inbox --------------------------------------------------------------------------------------------------------


def renamed_twice(known: dict[str, int]) -> int:
    """Let an operator and then the service rename an item; return the number of what the operator changed."""
    browser = superuser()
    change(browser, known["Reports"], name="Numbers")
    declare("report-service", "Statistics", "/reports", icon="bar-chart", order_number=3)
    return int(Overlay.objects.get().pk)


def test_a_drift_is_shown_and_kept_or_taken(known: dict[str, int]) -> None:
    pk = renamed_twice(known)
    browser = superuser("eve")
    page = browser.get("/admin/menus/inbox/").content.decode()
    assert "Keep “Numbers”" in page
    assert "Take “Statistics”" in page
    assert "menus:" not in page
    home = browser.get("/admin/").content.decode()
    assert "Services say something else by now than 1 change that operators made" in home
    answer = browser.post(f"/admin/menus/inbox/drift/{pk}/", {"field": "name", "decision": "keep"}, follow=True)
    assert "stays as operators said" in answer.content.decode()
    assert "Keep “Numbers”" not in answer.content.decode()
    assert Overlay.objects.get().base == {"name": "Statistics"}
    declare("report-service", "Figures", "/reports", icon="bar-chart", order_number=3)
    browser.post(f"/admin/menus/inbox/drift/{pk}/", {"field": "name", "decision": "take"})
    assert not Overlay.objects.exists()
    assert "Figures" in nodes(browser)
    assert set(AuditEntry.objects.filter(object_id=str(known["Reports"])).values_list("action", flat=True)) == {
        "menu_overlay_changed", "menu_drift_kept",
    }  # fmt: skip


def test_a_drift_of_all_companies_is_not_for_an_operator_of_one(known: dict[str, int]) -> None:
    pk = renamed_twice(known)
    with use(None):
        browser = operator_of("of-seven", [7])
        page = browser.get("/admin/menus/inbox/").content.decode()
        assert "Numbers" in page
        assert "Keep “Numbers”" not in page
        answer = browser.post(f"/admin/menus/inbox/drift/{pk}/", {"field": "name", "decision": "take"}, follow=True)
        assert "is as report-service says" not in answer.content.decode()
    assert Overlay.objects.exists()


def test_only_what_has_drifted_is_settled(known: dict[str, int]) -> None:
    pk = renamed_twice(known)
    drift_keep(overlay_id=pk, fields=["icon", "parent_id"])
    assert Overlay.objects.get().base == {"name": "Reports"}


def claim() -> Conflict:
    """Let a service have been refused a path."""
    return Conflict.objects.create(
        kind="menu", route_key="/products", path="/products", owner="product-service", claimant="order-service", times=3
    )


def test_a_path_is_handed_over_and_taken_back(known: dict[str, int]) -> None:
    row = claim()
    browser = superuser()
    page = browser.get("/admin/menus/inbox/").content.decode()
    assert "It was refused 3 times" in page
    asks = browser.get(f"/admin/menus/inbox/conflict/{row.pk}/hand-over/").content.decode()
    assert "1 item leaves the trees" in asks
    assert not MenuItem.objects.get(pk=known["Products"]).displaced
    answer = browser.post(f"/admin/menus/inbox/conflict/{row.pk}/hand-over/", follow=True).content.decode()
    assert "/products belongs to order-service now" in answer
    assert MenuItem.objects.get(pk=known["Products"]).displaced
    marks = nodes(browser)["Products"]["marks"]
    assert marks[0]["told"] == "An operator handed /products to order-service."
    browser.post(reverse("menus:take-back", args=[Handover.objects.get().pk]))
    assert not MenuItem.objects.get(pk=known["Products"]).displaced


def test_a_conflict_is_dismissed_once(known: dict[str, int]) -> None:
    row = claim()
    browser = superuser()
    address = f"/admin/menus/inbox/conflict/{row.pk}/dismiss/"
    assert browser.get(address).status_code == 405
    assert "Dismissed" in browser.post(address, follow=True).content.decode()
    assert "There is no such conflict" in browser.post(address, follow=True).content.decode()
    assert "Nothing waits for a decision" not in browser.get("/admin/menus/inbox/").content.decode()  # one is pending


# --- the check, the list and the page of an item ----------------------------------------------------------------------


def test_the_check_names_what_is_amiss_with_the_way_there(known: dict[str, int]) -> None:
    Role.objects.create(name="Clerk", permissions=["order.*"])
    change(superuser(), known["Catalogue"], hidden=True)
    page = superuser("eve").get("/admin/menus/check/").content.decode()
    assert "Nobody can reach “Products”, “Categories” and “Prices”" in page
    assert "No role gives product.price" in page
    assert f"/admin/menus/?item={known['Products']}" in page
    assert "No service has declared a page yet" in page


def test_the_check_of_a_company_is_of_its_own_menu(known: dict[str, int]) -> None:
    change(superuser(), known["Catalogue"], COMPANY, hidden=True)
    browser = superuser("eve")
    assert "Nobody can reach" not in browser.get("/admin/menus/check/").content.decode()
    assert "Nobody can reach" in browser.get("/admin/menus/check/?company=7").content.decode()


def test_the_search_of_the_console_finds_items(known: dict[str, int]) -> None:
    found = superuser().get("/admin/search/?extended=1&s=categ").content.decode()
    assert f"/admin/menus/menuitem/{known['Categories']}/change/" in found
    assert "Categories" not in staff("cid", "view_service").get("/admin/search/?extended=1&s=categ").content.decode()


def test_an_empty_hub_says_how_it_is_filled() -> None:
    browser = superuser()
    for page in ("", "check/", "menuitem/"):
        assert "curl -X POST" in browser.get(f"/admin/menus/{page}").content.decode()
    assert "Nothing waits for a decision" in browser.get("/admin/menus/inbox/").content.decode()


def test_the_page_of_an_item_says_what_counts_and_what_was_done(known: dict[str, int]) -> None:
    browser = superuser()
    change(browser, known["Products"], name="Goods")
    change(browser, known["Products"], COMPANY, hidden=True)
    page = browser.get(f"/admin/menus/menuitem/{known['Products']}/change/").content.decode()
    for text in (
        "<ins>“Goods”</ins>", "everybody in company 7", "name: “Goods”", "visibility: hidden",
        "for everybody in company 7", "Catalogue › Goods",
    ):  # fmt: skip
        assert text in page
    lost = browser.get(f"/admin/menus/menuitem/{known['Lost']}/change/").content.decode()
    assert "It names a parent that is not here" in lost


@pytest.mark.parametrize(
    ("query", "expected"),
    [("state=pending", {"Lost"}), ("q=ord", {"Orders"}), ("service_name=report-service", {"Reports", "Lost"}),
     ("state=changed", {"Sales"}), ("state=archived", set())],
    ids=["pending", "text", "service", "changed", "archived"],
)  # fmt: skip
def test_the_list_is_filtered(known: dict[str, int], query: str, expected: set[str]) -> None:
    browser = superuser()
    change(browser, known["Sales"], name="Selling")
    page = browser.get(f"/admin/menus/menuitem/?{query}").content.decode()
    assert {name for name, pk in known.items() if f"/admin/menus/menuitem/{pk}/change/" in page} == expected


def test_thousands_of_items_take_no_more_questions_than_ten(
    known: dict[str, int], django_assert_max_num_queries: Any
) -> None:
    with use(system("tests")):
        paths = [f"/big/{number}" for number in range(2000)]
        rows = [MenuItem(service_name="big", key=p, declared={}, name=p, path=p, route_key=p) for p in paths]
        MenuItem.objects.bulk_create(rows)
    browser = superuser()
    browser.get("/admin/menus/tree/data/")
    with django_assert_max_num_queries(18):
        assert len(nodes(browser)) == 2000 + len(known)
