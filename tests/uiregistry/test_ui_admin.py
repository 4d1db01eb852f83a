"""Components, widgets, dashboards and manifests in the admin: listed, previewed, tried, arranged, rolled back."""

import re
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.tenancy import use
from apps.menus.models import MenuItem
from apps.serviceauth.models import Role
from apps.uiregistry.admin.fields import inputs_of
from apps.uiregistry.models import Component, Dashboard, Layout, Manifest, Widget
from tests.isolation.callers import operator_of
from tests.support import operators
from tests.support.api import Api
from tests.support.services import make_stale, report, run
from tests.uiregistry.backends import register, serving
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

WIDGETS, COMPONENTS = "/admin/uiregistry/widget/", "/admin/uiregistry/component/"
DASHBOARDS, MANIFESTS = "/admin/uiregistry/dashboard/", "/admin/uiregistry/manifest/"


@pytest.fixture
def browser(hub: None) -> Client:
    """An operator's."""
    return operators.superuser()


def html(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def names_in(browser: Client, address: str) -> set[str]:
    return set(re.findall(r'field-name_link.*?title="([^"]+)"', html(browser, address), re.DOTALL))


def widget(name: str = "Count", service: str = "products", **more: Any) -> Widget:
    given: dict[str, Any] = {"widget_type": "metric", "size": "small", "api_endpoint": "/api/v1/count", **more}
    return Widget.objects.create(service_name=service, name=name, declared={"name": name}, **given)


def component(name: str = "Form", service: str = "products", **more: Any) -> Component:
    path = f"/{name.lower()}"
    given = {"component_type": "form", "route_path": path, "route_key": path, "api_endpoint": "/api/v1/x", **more}
    return Component.objects.create(service_name=service, name=name, declared={"name": name}, **given)


def tried(browser: Client, row: Widget | Component, **values: str) -> dict[str, Any]:
    kind = "widget" if isinstance(row, Widget) else "component"
    posted = {name.replace("__", "/"): value for name, value in values.items()}
    answer = browser.post(f"/admin/uiregistry/{kind}/{row.pk}/try/", orjson.dumps(posted), "application/json")
    assert answer.status_code == 200
    return dict(answer.json())


# --- lists ------------------------------------------------------------------------------------------------------------


def test_the_list_tells_states_and_is_filtered_by_them(browser: Client) -> None:
    run("well", [Status.HEALTHY])
    report(run("sick", [Status.HEALTHY])[0], Status.UNHEALTHY)
    make_stale(run("stale", [Status.HEALTHY])[0], now=timezone.now())
    run("gone", [Status.DEREGISTERED])
    for service in ("well", "sick", "stale", "gone", "never"):
        widget(service, service)
    widget("off", "well", is_active=False)
    widget("old", "well", archived_at=timezone.now())
    page = text(html(browser, WIDGETS))
    for word in ("shown", "unhealthy", "stale", "gone", "not registered", "switched off"):
        assert word in page
    assert names_in(browser, WIDGETS) == {"well", "sick", "stale", "gone", "never", "off"}
    for state, wanted in {
        "shown": {"well", "sick", "never"}, "marked": {"sick"}, "hidden": {"stale", "gone"}, "unregistered": {"never"},
        "off": {"off"}, "taken-back": {"old"}, "displaced": set(),
    }.items():  # fmt: skip
        assert names_in(browser, f"{WIDGETS}?state={state}") == wanted, state
    component("moved", displaced=True)
    assert names_in(browser, f"{COMPONENTS}?state=displaced") == {"moved"}


def test_lists_are_searched_and_filtered(browser: Client) -> None:
    widget("First", config={"title": "Total Products"})
    widget("Second", "orders", widget_type="table", company_id=7)
    component("Page", component_type="page", route_path="/orders/list")
    component("Form")
    assert names_in(browser, f"{WIDGETS}?q=total+first") == {"First"}
    assert names_in(browser, f"{WIDGETS}?q=orders") == {"Second"}
    assert names_in(browser, f"{WIDGETS}?widget_type=table") == {"Second"}
    assert names_in(browser, f"{WIDGETS}?service_name=products") == {"First"}
    assert names_in(browser, f"{WIDGETS}?company=7") == {"Second"}
    assert names_in(browser, f"{COMPONENTS}?q=/orders") == {"Page"}
    assert names_in(browser, f"{COMPONENTS}?component_type=form") == {"Form"}


@pytest.mark.parametrize(
    ("address", "words"),
    [(WIDGETS, "No widget yet"), (COMPONENTS, "No component yet"), (DASHBOARDS, "No dashboard yet"),
     (MANIFESTS, "No manifest yet")],
    ids=["widgets", "components", "dashboards", "manifests"],
)  # fmt: skip
def test_an_empty_list_teaches(browser: Client, address: str, words: str) -> None:
    page = html(browser, address)
    assert words in page
    assert "/api/v1/" in page


def test_long_lists_ask_no_more_than_short_ones(browser: Client) -> None:
    def asked(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            html(browser, address)
        return len(queries)

    def more(first: int, last: int) -> None:
        for number in range(first, last):
            widget(f"w{number}", f"service-{number % 7}", company_id=number % 3 + 1, permissions=["a", "b"])
            row = Dashboard.objects.create(slug=f"d{number}", title=f"D{number}", actor="tests")
            Layout.objects.create(dashboard=row, scope="global", scope_id=0, placements=[], actor="tests")
            Manifest.objects.create(service_name=f"service-{number}")

    more(0, 2)
    few = [asked(address) for address in (WIDGETS, DASHBOARDS, MANIFESTS)]
    more(2, 40)
    assert [asked(address) for address in (WIDGETS, DASHBOARDS, MANIFESTS)] == few


# --- previews ---------------------------------------------------------------------------------------------------------


def test_a_tile_shows_data_and_says_when_there_is_none(browser: Client) -> None:
    with serving() as backend:
        register(backend)
        backend.answers([{"label": "Chairs", "value": 3}, {"label": "Desks", "value": 1}])
        pie = widget("Pie", widget_type="chart", config={"chart_type": "pie", "title": "By kind"}, refresh_interval=5)
        tile = html(browser, f"{WIDGETS}{pie.pk}/tile/")
        assert tile.count("ui-slice") == 2
        assert "By kind" in tile
        assert "Chairs is 75 % of 4" in text(tile)
        backend.answers({}, status=403)
        refused = text(html(browser, f"{WIDGETS}{widget('Secret', api_endpoint='/api/v1/secret').pk}/tile/"))
        assert "forbidden" in refused
        assert "products does not let you see this." in refused
        backend.answers({"of": 1, "all": 2})
        odd = widget("Odd", api_endpoint="/api/v1/odd")
        assert "There is no number in the answer." in text(html(browser, f"{WIDGETS}{odd.pk}/tile/"))
        backend.answers([])
        empty = widget("Empty", widget_type="table", api_endpoint="/api/v1/e", config={"empty_text": "All sold."})
        assert "All sold." in text(html(browser, f"{WIDGETS}{empty.pk}/tile/"))
        last = widget("Kept", api_endpoint="/api/v1/kept", refresh_interval=5)
        backend.answers({"value": 42})
        assert "42" in text(html(browser, f"{WIDGETS}{last.pk}/tile/"))
    away = text(html(browser, f"{WIDGETS}{widget('Away', 'nobody').pk}/tile/"))
    assert "no data" in away
    assert "No instance of nobody is healthy." in away


def test_a_page_shows_what_was_declared_in_a_form_of_its_schema(browser: Client) -> None:
    row = widget("Table", widget_type="table", config={"title": "Low", "columns": ["name"], "colour": 1})
    page = html(browser, f"{WIDGETS}{row.pk}/change/")
    said = page[page.index('class="ui-said"') : page.index('id="playground"')]
    assert re.findall(r'name="(config/[^"]+)"', said) == ["config/title", "config/columns", "config/~"]
    assert "The schema does not know “colour”" in page
    assert 'name="config/max_rows"' in page[page.index('id="playground"') :]
    Layout.objects.create(
        dashboard=Dashboard.objects.create(slug="a", title="On this", actor="tests"), scope="global", scope_id=0,
        placements=[{"widget_id": row.pk, "x": 0, "y": 0, "w": 3, "h": 2}], actor="tests",
    )  # fmt: skip
    assert "On this" in html(browser, f"{WIDGETS}{row.pk}/change/")


def test_a_form_is_drawn_from_its_fields_and_a_page_names_what_leads_there(browser: Client) -> None:
    fields = [
        {"name": "price", "type": "currency", "currency": "EUR", "required": True, "section": "Money"},
        {"name": "kind", "type": "select", "source": "/api/v1/kinds"}, {"name": "secret", "type": "hidden"},
    ]  # fmt: skip
    form = html(browser, f"{COMPONENTS}{component(props={'fields': fields}).pk}/change/")
    drawn = text(form[form.index('class="ui-mock"') : form.index('class="hub-facts')])
    assert all(word in drawn for word in ("Money", "Price", "EUR", "Kind", "/api/v1/kinds"))
    assert "Secret" not in drawn
    page = component("List", component_type="page", metadata={"breadcrumb": ["Catalog", {"label": "Products"}]})
    MenuItem.objects.create(
        service_name="shop", key="l", declared={}, name="To the list", path="/list", route_key="/list"
    )
    shown = text(html(browser, f"{COMPONENTS}{page.pk}/change/"))
    assert "Catalog › Products" in shown
    assert "To the list of shop" in shown


def test_fields_of_a_form_are_inputs() -> None:
    found = inputs_of(
        {
            "columns": 2,
            "fields": [
                {"name": "a", "type": "integer", "default": 3, "width": 4}, {"name": "b", "type": "multiselect"},
                {"name": "c", "type": "switch"}, {"name": "d", "type": "textarea", "rows": 9},
                {"name": "e", "type": "radio", "options": [1, {"value": 2, "label": "Two"}]}, "garbage",
            ],
        }
    )  # fmt: skip
    assert [(one.kind, one.type, one.columns) for one in found] == [
        ("input", "number", 4), ("select", "text", 6), ("check", "text", 6), ("area", "text", 6), ("radio", "text", 6),
    ]  # fmt: skip
    assert (found[0].value, found[1].several, found[3].rows, found[4].options) == ("3", True, 9, ("1", "Two"))


# --- the playground ---------------------------------------------------------------------------------------------------


def test_values_are_tried_and_nothing_is_stored(browser: Client) -> None:
    row = widget(config={"title": "Before"})
    before = Widget.objects.values().get()
    found = tried(browser, row, config__title="After", config__precision="1", data='{"value": 12.345}')
    assert (found["faults"], found["left"]) == ({}, [])
    assert found["values"] == {"config": {"title": "After", "precision": 1}}
    assert "After" in found["html"]
    assert "12.3" in found["html"]
    assert Widget.objects.values().get() == before


def test_faults_of_what_is_tried_come_by_their_input(browser: Client) -> None:
    row = widget(widget_type="chart")
    found = tried(browser, row, config__chart_type="cake", config__unit="x" * 30, data="[")
    assert set(found["faults"]) == {"config/chart_type", "config/unit"}
    assert "2 values cannot be used yet" in text(found["html"])
    assert "cannot be read" in text(tried(browser, row, data="[")["html"])
    form = component(props={"fields": []})
    wrong = {"props/fields/0/name": "a", "props/fields/1/name": "a", "props/fields/0/type": "text"}
    answer = browser.post(f"{COMPONENTS}{form.pk}/try/", orjson.dumps(wrong), "application/json").json()
    assert set(answer["faults"]) == {"props/fields/1/name", "props/fields/1/type"}
    one = {"props__fields__0__name": "sku", "props__fields__0__type": "text"}
    good = tried(browser, form, metadata__title="Edit it", props__submit_label="Store", **one)
    fields = [{"name": "sku", "type": "text"}]
    assert good["values"] == {"props": {"submit_label": "Store", "fields": fields}, "metadata": {"title": "Edit it"}}
    assert all(word in good["html"] for word in ("Edit it", "Store", "Sku"))


@pytest.mark.parametrize(
    "sent", [b"", b"[1]", b"{", b'{"config/title": 3}'], ids=["nothing", "list", "broken", "number"]
)
def test_a_playground_survives_what_is_no_form(browser: Client, sent: bytes) -> None:
    answer = browser.post(f"{WIDGETS}{widget().pk}/try/", sent, "application/json")
    assert answer.json()["values"] == {"config": {}}


# --- dashboards -------------------------------------------------------------------------------------------------------


def arranged(browser: Client, pk: int, *places: dict[str, int], **whom: Any) -> Any:
    body = orjson.dumps({**whom, "placements": list(places)})
    return browser.post(f"{DASHBOARDS}{pk}/arrange/", body, "application/json")


def at(row: Widget, x: int = 0, y: int = 0) -> dict[str, int]:
    return {"widget_id": row.pk, "x": x, "y": y, "w": 3, "h": 2}


def test_a_dashboard_is_made_renamed_and_removed(browser: Client) -> None:
    answer = browser.post(f"{DASHBOARDS}add/", {"title": "What we sold", "slug": ""})
    row = Dashboard.objects.get()
    assert answer.headers["Location"] == f"{DASHBOARDS}{row.pk}/change/"
    assert (row.slug, row.company_id, row.actor) == ("what-we-sold", None, "operator:anna")
    again = browser.post(f"{DASHBOARDS}add/", {"title": "Another", "slug": "what-we-sold"})
    assert "There is a dashboard “what-we-sold” already." in again.content.decode()
    assert "Use 1 to 60" in browser.post(f"{DASHBOARDS}add/", {"title": "…", "slug": "A B"}).content.decode()
    browser.post(f"{DASHBOARDS}{row.pk}/rename/", {"title": "Sold", "slug": "sold"})
    assert Dashboard.objects.get().title == "Sold"
    assert "1" in text(html(browser, f"{DASHBOARDS}{row.pk}/delete/"))
    browser.post(f"{DASHBOARDS}{row.pk}/delete/", {"post": "yes"})
    assert not Dashboard.objects.exists()


def test_it_is_arranged_and_reset_for_whom_the_page_is_about(browser: Client) -> None:
    first, second = widget(), widget("Second", permissions=["stock.view"])
    role = Role.objects.create(name="clerk", permissions=["product.*"])
    pk = Dashboard.objects.create(slug="a", title="A", actor="tests").pk
    assert arranged(browser, pk, at(first), at(second, 3)).status_code == 200
    assert arranged(browser, pk, at(second), scope="role", role=str(role.pk)).status_code == 200
    assert arranged(browser, pk, at(first), scope="user", user="5", company="7").status_code == 200
    found = {(one.scope, one.scope_id, one.company_id) for one in Layout.objects.all()}
    assert found == {("global", 0, None), ("role", role.pk, None), ("user", 5, 7)}
    page = text(html(browser, f"{DASHBOARDS}{pk}/change/?scope=role&role={role.pk}"))
    assert "whoever has the role clerk in all companies" in page
    assert "not seen" in page, "the role does not give stock.view"
    assert "they get what everybody in all companies gets" in text(
        html(browser, f"{DASHBOARDS}{pk}/change/?scope=user&user=6")
    )
    address = f"{DASHBOARDS}{pk}/reset/?scope=role&role={role.pk}"
    assert "This forgets where 1 widget stands for whoever has the role clerk" in text(html(browser, address))
    assert browser.post(address).status_code == 302
    assert Layout.objects.count() == 2
    assert browser.get(address).status_code == 302, "there is nothing to reset any more"


def test_what_cannot_be_stored_is_said(browser: Client) -> None:
    first, second = widget(), widget("Second")
    pk = Dashboard.objects.create(slug="a", title="A", actor="tests").pk
    answer = arranged(browser, pk, at(first), at(second, 2))
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["errors"]] == ["overlap"]
    assert arranged(browser, pk, at(first), scope="role").json()["detail"] == "Choose a role."
    assert browser.post(f"{DASHBOARDS}{pk}/arrange/", b"[", "application/json").status_code == 422
    assert not Layout.objects.exists()


def test_what_is_not_shown_keeps_its_place_on_the_page(browser: Client) -> None:
    run("gone", [Status.DEREGISTERED])
    rows = [widget(), widget("Old", archived_at=timezone.now()), widget("Away", "gone")]
    row = Dashboard.objects.create(slug="a", title="A", actor="tests")
    arranged(browser, row.pk, *(at(one, 3 * number) for number, one in enumerate(rows)))
    page = html(browser, f"{DASHBOARDS}{row.pk}/change/")
    assert page.count('class="ui-place"') == 3
    assert page.count("data-tile=") == 1
    assert "Its service does not declare it any more. Its place is kept." in text(page)


def test_who_may_look_may_not_arrange(browser: Client) -> None:
    first = widget()
    pk = Dashboard.objects.create(slug="a", title="A", actor="tests").pk
    looking = operators.staff("bea", "view_dashboard", "view_widget", app="uiregistry")
    with use(None):
        page = text(html(looking, f"{DASHBOARDS}{pk}/change/"))
        assert "Your account may look, and not arrange." in page
        assert arranged(looking, pk, at(first)).status_code == 403
        for address in (f"{DASHBOARDS}add/", f"{DASHBOARDS}{pk}/rename/", f"{DASHBOARDS}{pk}/reset/"):
            assert looking.get(address).status_code == 403, address
        assert looking.get(f"{DASHBOARDS}{pk}/delete/").status_code == 403
        nobody = operators.staff("cy", app="uiregistry")
        for address in (WIDGETS, COMPONENTS, DASHBOARDS, MANIFESTS, f"{WIDGETS}{first.pk}/tile/"):
            assert nobody.get(address).status_code == 403, address


def test_an_operator_of_a_company_arranges_for_it_alone(hub: None) -> None:
    mine, others = widget("Mine", company_id=7), widget("Others", company_id=8)
    everybodys = Dashboard.objects.create(slug="a", title="A", actor="tests").pk
    hidden = Dashboard.objects.create(slug="b", title="Hidden", company_id=8, actor="tests").pk
    with use(None):
        of_seven = operator_of("of-seven", [7])
        assert names_in(of_seven, WIDGETS) == {"Mine"}
        assert of_seven.get(f"{WIDGETS}{others.pk}/tile/").status_code == 404
        assert "Hidden" not in html(of_seven, DASHBOARDS)
        page = text(html(of_seven, f"{DASHBOARDS}{everybodys}/change/"))
        assert "Save for everybody in Company 7" in page
        assert arranged(of_seven, everybodys, at(mine), scope="company", company="7").status_code == 200
        assert (
            arranged(of_seven, everybodys, at(mine), scope="global").json()["detail"].startswith("What counts in all")
        )
        assert arranged(of_seven, everybodys, at(mine), scope="company", company="8").status_code == 422
        assert arranged(of_seven, hidden, at(mine)).status_code == 404
        made = of_seven.post(f"{DASHBOARDS}add/", {"title": "Ours", "company": "7"})
        assert made.status_code == 302
    assert Dashboard.objects.get(title="Ours").company_id == 7


# --- manifests --------------------------------------------------------------------------------------------------------


def manifest(version: str, generation: int, *names: str) -> None:
    menus = [{"name": name, "path": f"/{name.lower()}"} for name in names]
    body = {"schema_version": 1, "version": version, "generation": generation, "menus": menus}
    answer = Api().send("PUT", "/services/products/manifest?confirm_prune=true", body)
    assert answer.status_code == 200, answer.content


def test_states_are_told_over_time_and_compared(browser: Client) -> None:
    manifest("1.0.0", 1, "A", "B")
    manifest("1.1.0", 2, "A", "C")
    row = Manifest.objects.get()
    page = text(html(browser, f"{MANIFESTS}{row.pk}/change/"))
    assert "From revision 1 to 2" in page
    assert "Adds 1 menu item and removes 1 menu item." in page
    assert "Sent as a whole by service:products: 2 menu items." in page
    back = text(html(browser, f"{MANIFESTS}{row.pk}/change/?from=2&to=1"))
    assert "From revision 2 to 1" in back
    assert "From revision 1 to 2" in text(html(browser, f"{MANIFESTS}{row.pk}/change/?from=99&to=x"))


def test_rolling_back_names_numbers_first_and_offers_the_way_back(browser: Client) -> None:
    manifest("1.0.0", 1, "A")
    manifest("1.1.0", 2, "A", *(f"P{number}" for number in range(14)))
    row = Manifest.objects.get()
    address = f"{MANIFESTS}{row.pk}/restore/1/"
    asked = text(html(browser, address))
    assert "This removes 14 menu items of products: back to revision 1." in asked
    assert "Menu item P13, /p13" in asked
    assert MenuItem.objects.filter(archived_at=None).count() == 15, "asking does nothing"
    done = browser.post(address, follow=True).content.decode()
    assert "Rolled products back to revision 1. This removes 14 menu items." in text(done)
    assert f"{MANIFESTS}{row.pk}/restore/2/" in done
    assert MenuItem.objects.filter(archived_at=None).count() == 1
    row.refresh_from_db()
    assert (row.number, row.revisions.get(number=3).actor) == (3, "operator:anna")
    assert "in revision 1 already: nothing would change" in text(html(browser, address))
    assert "There is no revision 99" in text(
        browser.get(f"{MANIFESTS}{row.pk}/restore/99/", follow=True).content.decode()
    )


def test_who_may_only_look_rolls_nothing_back(browser: Client) -> None:
    manifest("1.0.0", 1, "A")
    manifest("1.1.0", 2, "B")
    pk = Manifest.objects.get().pk
    looking = operators.staff("bea", "view_manifest", app="uiregistry")
    of_seven = operator_of("of-seven", [7])
    with use(None):
        for client in (looking, of_seven):
            assert "Roll back" not in html(client, f"{MANIFESTS}{pk}/change/")
            assert client.post(f"{MANIFESTS}{pk}/restore/1/").status_code == 403
