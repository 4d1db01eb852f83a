"""Widgets with a real service's data, dashboards that are arranged, manifests that are rolled back: in Chromium."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from apps.menus.models import MenuItem
from apps.serviceauth.models import Role
from apps.uiregistry.models import Component, Dashboard, Layout, Manifest, Widget
from tests.support.api import Api
from tests.support.browser import (
    NARROW,
    Look,
    Windows,
    anna,
    chromium,
    inaccessible,
    looks,
    screenshot,
    windows,
    wrong_with,
)
from tests.support.database import transactional_db
from tests.support.services import report, run
from tests.uiregistry.backends import Backend, register, serving
from xerpium_sdk.wire.registry import Status

__all__ = ["anna", "chromium", "transactional_db", "windows"]

pytestmark = pytest.mark.browser

TABLET = (768, 1024)
LONG = "A widget whose name has about sixty characters, to be cut"
STOCK = [{"name": f"Product {number}", "sku": f"S-{number}", "current_stock": number} for number in range(12)]
SHARES = [{"category": "Chairs", "count": 12}, {"category": "Desks", "count": 30}, {"category": "Lamps", "count": 5}]
MONTHS = [{"month": f"2026-{month:02}", "web": month * 9, "shop": 60 - month * 3} for month in range(1, 13)]
ANSWERS: dict[str, Any] = {
    "/api/v1/products/stats/count": {"count": 1234, "change": 12},
    "/api/v1/products/low-stock": {"results": STOCK},
    "/api/v1/categories/stats": SHARES,
    "/api/v1/sales": MONTHS,
    "/api/v1/none": [],
    "/api/v1/odd": {"a": 1, "b": 2},
}
WIDGETS = [
    {"name": "Product Count", "widget_type": "metric", "api_endpoint": "/api/v1/products/stats/count", "size": "small",
     "permissions": ["product.view"], "config": {"title": "Total Products", "icon": "package", "their": 1}},
    {"name": "Low Stock Alert", "widget_type": "table", "api_endpoint": "/api/v1/products/low-stock",
     "refresh_interval": 60, "permissions": ["inventory.view"],
     "config": {"title": "Low Stock Products", "columns": ["name", "sku", "current_stock"], "max_rows": 10}},
    {"name": "Product Categories", "widget_type": "chart", "api_endpoint": "/api/v1/categories/stats",
     "config": {"title": "Products by Category", "chart_type": "pie", "color_scheme": "category20"}},
    {"name": "Sales", "widget_type": "chart", "api_endpoint": "/api/v1/sales", "size": "large",
     "config": {"title": "Sales by month", "chart_type": "line", "unit": "pcs"}},
    {"name": "Returns", "widget_type": "table", "api_endpoint": "/api/v1/none",
     "config": {"empty_text": "No returns."}},
    {"name": "Odd", "widget_type": "metric", "api_endpoint": "/api/v1/odd", "size": "small"},
    {"name": "Broken", "widget_type": "metric", "api_endpoint": "/api/v1/broken", "size": "small"},
    {"name": LONG, "widget_type": "metric", "api_endpoint": "/api/v1/secret", "size": "small"},
]  # fmt: skip
FIELDS = [
    {"name": "name", "type": "text", "required": True}, {"name": "list_price", "type": "currency", "currency": "EUR"},
    {"name": "category_id", "type": "select", "source": "/api/v1/categories/"}, {"name": "active", "type": "switch"},
]  # fmt: skip
COMPONENTS = [
    {"name": "Product List", "component_type": "page", "route_path": "/products/list", "permissions": ["product.view"],
     "api_endpoint": "/api/v1/products/", "metadata": {"title": "Products", "breadcrumb": ["Catalog", "Products"]}},
    {"name": "Product Form", "component_type": "form", "route_path": "/products/edit/:id",
     "api_endpoint": "/api/v1/products/{id}", "props": {"columns": 2, "fields": FIELDS}},
]  # fmt: skip
MENUS = [
    {"name": "Product Catalog", "path": "/products", "icon": "package"},
    {"name": "Products", "path": "/products/list", "parent_name": "Product Catalog", "order_number": 1},
]


def answer(path: str) -> tuple[int, bytes]:
    if "secret" in path:
        return 403, b"{}"
    return (200, orjson.dumps(ANSWERS[path])) if path in ANSWERS else (500, b"")


@pytest.fixture
def backend(windows: Windows) -> Iterator[Backend]:
    """The service ``product-service`` with all that it declares, after three states of its manifest."""
    with serving() as found:
        found.says = answer
        register(found, "product-service")
        body: dict[str, Any] = {"schema_version": 1, "components": COMPONENTS, "widgets": WIDGETS}
        put(body | {"version": "1.0.0", "generation": 1, "menus": MENUS})
        more = [{"name": f"Report {number}", "path": f"/products/reports/{number}"} for number in range(6)]
        put(body | {"version": "1.1.0", "generation": 2, "menus": [*MENUS, *more]})
        changed = [MENUS[0] | {"name": "Catalog", "required_permissions": ["product.view"]}, *MENUS[1:]]
        put(body | {"version": "1.2.0", "generation": 3, "menus": changed})
        yield found


def put(body: dict[str, Any]) -> None:
    answer = Api().send("PUT", "/services/product-service/manifest?confirm_prune=true", body)
    assert answer.status_code == 200, answer.content


def pages() -> dict[str, str]:
    widgets = {row.name: f"/admin/uiregistry/widget/{row.pk}/change/" for row in Widget.objects.all()}
    components = {row.name: f"/admin/uiregistry/component/{row.pk}/change/" for row in Component.objects.all()}
    manifest = f"/admin/uiregistry/manifest/{Manifest.objects.get().pk}"
    dashboard = Dashboard.objects.get_or_create(slug="shop", title="The shop", company_id=None, actor="operator:anna")[
        0
    ]
    return {
        "widgets": "/admin/uiregistry/widget/",
        "components": "/admin/uiregistry/component/",
        "dashboards": "/admin/uiregistry/dashboard/",
        "manifests": "/admin/uiregistry/manifest/",
        "metric": widgets["Product Count"],
        "table": widgets["Low Stock Alert"],
        "pie": widgets["Product Categories"],
        "line": widgets["Sales"],
        "broken": widgets["Broken"],
        "form": components["Product Form"],
        "page": components["Product List"],
        "dashboard": f"/admin/uiregistry/dashboard/{dashboard.pk}/change/",
        "add": "/admin/uiregistry/dashboard/add/",
        "manifest": f"{manifest}/change/",
        "restore": f"{manifest}/restore/2/",
    }


def settled(page: Page) -> None:
    """Wait until every widget of the page has asked for its data."""
    expect(page.locator("[data-tile][aria-busy=true]")).to_have_count(0)


WHOLE = ("widgets", "components", "dashboards", "manifests", "metric", "form", "page", "dashboard", "add", "manifest")
JUDGED = ("widgets", "metric", "form", "dashboard", "manifest", "restore", "table", "line")


@pytest.mark.usefixtures("backend")
@looks()
def test_every_page_is_whole_and_open_to_all(windows: Windows, anna: User, look: Look) -> None:
    window = windows.open(anna, theme=look.theme, size=look.size)
    known, found = pages(), {}
    for name in dict.fromkeys([*WHOLE, *JUDGED]):
        settled(window.open(known[name]))
        found[name] = wrong_with(window, name, look, is_ours=name in JUDGED)
    assert found == {name: [] for name in found}


@pytest.mark.usefixtures("backend")
def test_a_dashboard_is_whole_on_a_tablet(windows: Windows, anna: User) -> None:
    window = windows.open(anna, size=TABLET)
    settled(window.open(pages()["dashboard"]))
    assert wrong_with(window, "dashboard", Look("light", TABLET)) == []


def test_a_widget_shows_what_its_service_says_and_what_other_values_would_look_like(
    windows: Windows, anna: User, backend: Backend
) -> None:
    window = windows.open(anna)
    known = pages()
    page = window.open(known["metric"])
    expect(page.locator("[data-tile] .ui-figure")).to_contain_text("1,234")
    expect(page.locator("[data-tile] .ui-trend")).to_contain_text("+12")
    expect(page.get_by_text("The schema does not know “their”")).to_be_visible()
    play = page.locator("#playground")
    expect(play.locator(".ui-figure")).to_contain_text("1,234")
    play.get_by_label("Title").fill("Products in all")
    play.get_by_label("Suffix").fill(" pcs")
    expect(play.locator(".ui-figure")).to_contain_text("1,234 pcs")
    expect(play.locator("#try-json")).to_contain_text('"title": "Products in all"')
    play.get_by_label("Precision").fill("99")
    expect(play.locator("[data-faults-of='config/precision']")).to_contain_text("10")
    expect(play.get_by_text("1 value cannot be used yet")).to_be_visible()
    play.get_by_label("Precision").fill("1")
    play.get_by_text("+ Add one").click()
    play.locator("[name='config/thresholds/0/value']").fill("1000")
    play.locator("[name='config/thresholds/0/color']").fill("red")
    expect(play.locator(".ui-figure.hub-tone-red")).to_contain_text("1,234.0 pcs")
    expect(play.locator("[name='config/thresholds/1/value']")).to_be_attached()
    play.get_by_role("button", name="Back to what is declared").click()
    expect(play.locator(".ui-tile-title")).to_have_text("Total Products")
    assert Widget.objects.get(name="Product Count").config["title"] == "Total Products", "nothing is stored"

    page = window.open(known["pie"])
    expect(page.locator("[data-tile] .ui-slice")).to_have_count(3)
    page.locator("#playground").get_by_label("Chart type").select_option("bar")
    expect(page.locator("#playground .ui-bar")).to_have_count(3)
    page = window.open(known["broken"])
    expect(page.locator("[data-tile]")).to_contain_text("product-service answers 500.")
    assert window.faults == []


def box(place: Locator) -> dict[str, float]:
    found = place.bounding_box()
    assert found is not None
    return dict(found)


def column(page: Page) -> float:
    grid = box(page.locator("#ui-grid"))
    return (grid["width"] + 12) / 12


def stands(page: Page, name: str) -> list[int]:
    place = page.locator(f'.ui-place[data-name="{name}"]')
    return [int(place.get_attribute(f"data-{part}") or -1) for part in "xywh"]


@pytest.mark.usefixtures("backend")
def test_a_dashboard_is_arranged_by_pointer_and_keys_for_whom_it_is_meant(windows: Windows, anna: User) -> None:
    Role.objects.create(name="clerk", permissions=["product.*"])
    window = windows.open(anna)
    page = window.open(pages()["dashboard"])
    settled(page)
    page.get_by_role("button", name="Arrange", exact=True).click()
    count = page.locator('.ui-place[data-name="Product Count"]')
    assert stands(page, "Product Count") == [0, 0, 3, 2]
    expect(count).to_be_focused()

    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    assert stands(page, "Product Count") == [0, 1, 4, 2]
    assert stands(page, "Low Stock Alert")[1] >= 3, "what was in the way gave way"
    expect(page.locator("[data-told]")).to_have_text("Product Count: column 1, row 2, 4 wide, 2 high")

    odd = page.locator('.ui-place[data-name="Odd"]')
    odd.scroll_into_view_if_needed()
    start = box(odd)
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(start["x"] + 20 - 4 * column(page), start["y"] + 20, steps=6)
    page.mouse.up()
    moved = stands(page, "Odd")
    assert moved[0] == 5
    start = box(odd)
    page.mouse.move(start["x"] + start["width"] - 6, start["y"] + start["height"] - 6)
    page.mouse.down()
    page.mouse.move(start["x"] + start["width"] - 6 + column(page), start["y"] + start["height"] + 62, steps=6)
    page.mouse.up()
    assert stands(page, "Odd")[2:] == [4, 3]
    screenshot(window, "arranging")
    assert inaccessible(window) == []

    page.locator('.ui-place[data-name="Broken"]').focus()
    page.keyboard.press("Delete")
    expect(page.locator('.ui-place[data-name="Broken"]')).to_have_count(0)
    wanted = stands(page, "Odd")
    page.get_by_role("button", name="Save for everybody in all companies").click()
    expect(page.get_by_text("Arranged The shop for everybody in all companies.")).to_be_visible()
    assert stands(page, "Odd") == wanted
    expect(page.locator('.ui-place[data-name="Broken"]')).to_have_count(0)
    layout = Layout.objects.get()
    assert (layout.scope, layout.actor, len(layout.placements)) == ("global", "operator:anna", len(WIDGETS) - 1)

    page.locator("select[name=scope]").select_option("role")
    page.locator("select[name=role]").select_option(label="clerk")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("they get what everybody in all companies gets")).to_be_visible()
    expect(page.locator('.ui-place[data-name="Low Stock Alert"] .ui-mark')).to_contain_text("not seen")
    page.get_by_role("button", name="Arrange", exact=True).click()
    page.get_by_role("button", name="Add a widget").click()
    page.get_by_label("Find a widget").fill("brok")
    page.get_by_role("button", name="Broken").click()
    expect(page.locator('.ui-place[data-name="Broken"]')).to_contain_text("product-service answers 500.")
    page.get_by_role("button", name="Save for whoever has the role clerk").click()
    expect(page.get_by_role("link", name="Reset …")).to_be_visible()
    page.get_by_role("link", name="Reset …").click()
    expect(page.get_by_text(f"This forgets where {len(WIDGETS)} widgets stand")).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("they get what everybody in all companies gets")).to_be_visible()
    assert Layout.objects.count() == 1
    assert window.faults == []


@pytest.mark.usefixtures("backend")
def test_a_manifest_is_compared_in_words_and_rolled_back(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open(pages()["manifest"])
    difference = page.locator("#difference")
    expect(difference).to_contain_text("Removes 6 menu items and changes 1 menu item.")
    expect(difference).to_contain_text("Name: “Product Catalog” before, “Catalog” now.")
    page.locator("select[name=from]").select_option("1")
    page.locator("select[name=to]").select_option("2")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(difference).to_contain_text("Adds 6 menu items.")
    page.get_by_role("link", name="Roll back to revision 2").click()
    expect(page.get_by_role("heading", name="This brings back 6 menu items")).to_be_visible()
    expect(page.get_by_text("Menu item Report 0, /products/reports/0")).to_be_visible()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Rolled product-service back to revision 2.")).to_be_visible()
    assert MenuItem.objects.filter(archived_at=None).count() == 8
    page.get_by_role("link", name="Undo …").click()
    expect(page.get_by_role("heading", name="This removes 6 menu items")).to_be_visible()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Rolled product-service back to revision 3.")).to_be_visible()
    assert MenuItem.objects.filter(archived_at=None).count() == 2
    assert window.faults == []


def test_nothing_is_there_yet_and_a_service_is_away(windows: Windows, anna: User) -> None:
    window = windows.open(anna, size=NARROW)
    for path, words in (
        ("widget", "No widget yet"), ("component", "No component yet"), ("dashboard", "No dashboard yet"),
        ("manifest", "No manifest yet"),
    ):  # fmt: skip
        page = window.open(f"/admin/uiregistry/{path}/")
        expect(page.get_by_text(words)).to_be_visible()
        screenshot(window, f"empty-{path}")
        assert window.overflow() == 0
    report(run("away", [Status.HEALTHY])[0], Status.UNHEALTHY)
    row = Widget.objects.create(
        service_name="away", name=LONG, declared={}, widget_type="metric", size="small", api_endpoint="/api/x"
    )
    page = window.open("/admin/uiregistry/dashboard/add/")
    page.get_by_label("Title").fill("What is away")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Made the dashboard What is away.")).to_be_visible()
    expect(page.locator(".ui-mark")).to_contain_text("unhealthy")
    expect(page.locator(f'.ui-place[data-id="{row.pk}"]')).to_contain_text("No instance of away is healthy.")
    screenshot(window, "away")
    assert window.overflow() == 0
    assert window.faults == []
