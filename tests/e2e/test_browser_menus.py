"""The admin of menus as an operator uses it, in headless Chromium: arranging, previewing, deciding."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from apps.menus.models import Conflict, MenuItem, Overlay
from apps.menus.services.overlays import overlay_set
from apps.serviceauth.models import Company, Role
from tests.menus.planted import declare, plant
from tests.support.browser import (
    Look,
    Window,
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
from tests.support.services import run
from tests.support.wait import wait_until
from xerpium_sdk.wire.registry import Status

__all__ = ["anna", "chromium", "transactional_db", "windows"]

pytestmark = pytest.mark.browser

PAGES = {
    "tree": "/admin/menus/", "inbox": "/admin/menus/inbox/", "check": "/admin/menus/check/",
    "list": "/admin/menus/menuitem/",
}  # fmt: skip
LONG = "A menu item with a name of sixty letters to see what is cut"


def opened(window: Window, query: str = "") -> Page:
    """Open the tree and wait until it is drawn."""
    page = window.open(f"/admin/menus/{query}")
    page.wait_for_selector("#menus[data-ready]")
    return page


def row(page: Page, name: str) -> Locator:
    """Return the row of an item."""
    return page.locator(f".menu-side [role=treeitem]:has(.menu-name:text-is('{name}'))")


def names(page: Page) -> list[str]:
    """Return the rows of the tree, top down, each with a dot for each level below the first."""
    return page.locator(".menu-side [role=treeitem]").evaluate_all(
        "rows => rows.map(row => '.'.repeat(row.getAttribute('aria-level') - 1)"
        " + row.querySelector('.menu-name').textContent)"
    )


def drag(page: Page, name: str, to: str, part: float = 0.5) -> None:
    """Drag a row onto another, to ``part`` of its height."""
    start, end = row(page, name).bounding_box(), row(page, to).bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 80, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + 90, start["y"] + start["height"] / 2 + 8)
    page.mouse.move(end["x"] + 90, end["y"] + end["height"] * part, steps=3)


def saved(page: Page) -> None:
    """Wait until everything is stored."""
    expect(page.locator("[data-part-of=saving]")).to_have_text("All changes are saved")


def test_items_are_dragged_renamed_moved_by_keys_and_taken_back(windows: Windows, anna: User) -> None:
    known = plant()
    window = windows.open(anna)
    page = opened(window)
    drag(page, "Prices", "Sales")
    screenshot(window, "menus-dragging")
    page.mouse.up()
    saved(page)
    assert Overlay.objects.get(item_id=known["Prices"]).values["parent_id"] == known["Sales"]
    drag(page, "Reports", "Catalogue", 0.1)
    page.mouse.up()
    saved(page)
    assert names(page)[:2] == ["Reports", "Catalogue"]

    row(page, "Products").dblclick()
    page.keyboard.type("Goods & wares")
    page.keyboard.press("Enter")
    expect(row(page, "Goods & wares")).to_be_focused()
    expect(row(page, "Goods & wares")).to_contain_text("renamed")
    saved(page)

    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator("[data-part-of=told]")).to_contain_text("below Catalogue, 2 of 2. Saved.")
    page.keyboard.press("Alt+ArrowRight")
    saved(page)
    expect(page.locator("[data-part-of=told]")).to_contain_text("below Categories, 1 of 1. Saved.")
    page.keyboard.press("Alt+ArrowLeft")
    saved(page)
    wanted = ["Reports", "Catalogue", ".Categories", ".Goods & wares", "Sales", ".Orders", ".Returns", ".Prices"]
    assert names(page)[:8] == wanted

    page = opened(window)
    assert names(page)[:8] == wanted
    screenshot(window, "menus-arranged")
    row(page, "Goods & wares").click()
    expect(page.locator("#panel-item")).to_contain_text("product-service says “Products”.")
    page.get_by_role("button", name="Reset Name").click()
    saved(page)
    expect(row(page, "Products")).to_be_visible()
    row(page, "Returns").click()
    page.keyboard.press("Delete")
    saved(page)
    expect(row(page, "Returns")).to_contain_text("hidden")
    page.keyboard.press("Control+z")
    expect(page.locator("[data-part-of=told]")).to_contain_text("Took back")
    saved(page)
    assert not Overlay.objects.filter(item_id=known["Returns"]).exists()
    page.keyboard.press("Control+z")
    expect(row(page, "Goods & wares")).to_be_visible()

    row(page, "Orders").click()
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#panel-item")).to_contain_text("2 items chosen")
    page.get_by_role("button", name="Move", exact=True).first.click()
    page.keyboard.type("repor")
    screenshot(window, "menus-move")
    page.keyboard.press("Enter")
    saved(page)
    assert names(page)[:4] == ["Reports", ".Orders", ".Returns", "Catalogue"]
    page.get_by_role("button", name="Icon", exact=True).click()
    page.keyboard.type("star half")
    expect(page.get_by_role("button", name="star_half", exact=True)).to_be_visible()
    screenshot(window, "menus-icons")
    page.keyboard.press("Enter")
    starred = MenuItem.objects.filter(overlays__values__icon="star_half").values_list("name", flat=True)
    wait_until(lambda: set(starred.all()) == {"Orders", "Returns"}, 5, "both to have the icon")
    assert window.faults == []


def test_nothing_is_lost_when_the_hub_cannot_be_reached_or_says_no(windows: Windows, anna: User) -> None:
    known = plant()
    window = windows.open(anna)
    page = opened(window)
    page.route("**/tree/change/", lambda route: route.abort())
    row(page, "Products").click()
    page.keyboard.press("F2")
    page.keyboard.type("Goods")
    page.keyboard.press("Enter")
    expect(page.locator("[data-part-of=fault]")).to_contain_text("1 change not saved: The hub cannot be reached.")
    screenshot(window, "menus-failed")
    expect(row(page, "Goods")).to_be_visible()
    page.unroute("**/tree/change/")
    page.get_by_role("button", name="Try again").click()
    saved(page)
    assert Overlay.objects.get(item_id=known["Products"]).values == {"name": "Goods"}
    MenuItem.objects.filter(pk=known["Reports"]).update(archived_at="2026-01-01T00:00Z")
    row(page, "Reports").click()
    page.keyboard.press("Delete")
    expect(page.locator("[data-part-of=fault]")).to_contain_text("not in this menu any more")
    page.get_by_role("button", name="Take it back").click()
    expect(row(page, "Reports")).to_have_count(0)
    expect(page.locator("[data-part-of=fault]")).not_to_be_visible()


def test_what_is_hidden_for_a_company_is_previewed_and_explained(windows: Windows, anna: User) -> None:
    known = plant()
    Company.objects.create(id=7, name="Acme", last_event_at="2026-01-01T00:00Z")
    window = windows.open(anna)
    page = opened(window)
    page.locator(".menu-whom [name=scope]").select_option("company")
    page.locator(".menu-whom [name=company]").select_option("7")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".menu-for")).to_contain_text("counts for everybody in Acme and for nobody else")
    page.wait_for_selector("#menus[data-ready]")
    row(page, "Orders").click()
    page.get_by_role("button", name="Hide", exact=True).first.click()
    saved(page)
    assert Overlay.objects.get().company_id == 7
    page.get_by_role("tab", name="Preview").click()
    page.get_by_label("Permissions instead of theirs").fill("product.*")
    page.get_by_role("button", name="Show what they get").click()
    expect(page.locator("#panel-preview [data-told]")).to_contain_text("Everybody in Acme, with product.*, gets")
    hidden = page.locator("#panel-preview [role=treeitem]:has(.menu-name:text-is('Orders'))")
    expect(hidden).to_contain_text("hidden")
    hidden.click()
    expect(page.locator("[data-why]")).to_contain_text("An operator hid it for company 7. (operator:anna)")
    expect(page.locator("[data-why]")).to_contain_text("It takes the permission order.view.")
    screenshot(window, "menus-preview")
    assert inaccessible(window) == []
    assert window.faults == []
    assert Overlay.objects.get().item_id == known["Orders"]


def test_the_inbox_settles_what_services_and_operators_say_differently(windows: Windows, anna: User) -> None:
    known = plant()
    overlay_set(
        item_id=known["Reports"], scope="global", scope_id=0, company_id=None, values={"name": "Numbers"},
        actor="operator:anna", now=timezone.now(),
    )  # fmt: skip
    declare("report-service", "Statistics", "/reports", icon="bar-chart", order_number=3)
    claim = {"route_key": "/products", "path": "/products", "owner": "product-service", "claimant": "order-service"}
    Conflict.objects.create(kind="menu", times=3, **claim)
    window = windows.open(anna)
    page = window.open("/admin/menus/inbox/")
    screenshot(window, "menus-inbox")
    assert inaccessible(window) == []
    page.get_by_role("button", name="Take “Statistics”").click()
    expect(page.get_by_text("“Statistics” is as report-service says.")).to_be_visible()
    page.get_by_role("link", name="Hand over to order-service").click()
    expect(page.get_by_text("This gives /products to order-service")).to_be_visible()
    screenshot(window, "menus-hand-over")
    page.get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("/products belongs to order-service now")).to_be_visible()
    screenshot(window, "menus-handed")
    page = opened(window)
    expect(row(page, "Products")).to_contain_text("handed over")
    expect(row(page, "Statistics")).to_be_visible()
    assert window.faults == []


@looks()
def test_every_page_about_menus_is_whole(windows: Windows, anna: User, look: Look) -> None:
    window = windows.open(anna, theme=look.theme, size=look.size)
    faults: dict[str, list[str]] = {}

    def visit(name: str, path: str) -> None:
        page = window.open(path)
        if path == "/admin/menus/":
            page.wait_for_selector("#menus[data-ready]")
            if name == "tree":
                row(page, "Products").click()
        faults[name] = wrong_with(window, f"menus-{name}", look)

    for name, path in PAGES.items():
        visit(f"empty-{name}", path)
    known = plant()
    declare("product-service", LONG, "/long", parent_name="Catalogue")
    declare("product-service", LONG, "/long-too", required_permissions=["stock.view"])
    run("report-service", [Status.UNHEALTHY])
    run("order-service", [Status.DEREGISTERED])
    Role.objects.create(name="Clerk", permissions=["order.*"])
    for number, values in ((known["Products"], {"name": "Goods", "hidden": True}), (known["Prices"], {"icon": "star"})):
        overlay_set(
            item_id=number, scope="global", scope_id=0, company_id=None, values=values, actor="operator:anna",
            now=timezone.now(),
        )  # fmt: skip
    for name, path in (PAGES | {"item": f"/admin/menus/menuitem/{known['Products']}/change/"}).items():
        visit(name.replace("tree", "filled"), path)
    assert faults == {name: [] for name in faults}


@pytest.mark.thorough
def test_ten_thousand_items_are_walked_and_searched(windows: Windows, anna: User) -> None:
    paths = [f"/big/{number}" for number in range(10_000)]
    rows = [MenuItem(service_name="big", key=p, declared={}, name=f"Item {p[5:]}", path=p, route_key=p) for p in paths]
    MenuItem.objects.bulk_create(rows)
    top = list(MenuItem.objects.order_by("pk").values_list("pk", flat=True)[:10])
    MenuItem.objects.filter(pk__gt=top[-1]).update(parent_id=top[0])
    window = windows.open(anna)
    page = opened(window)
    row(page, "Item 0").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    assert page.locator(".menu-side [role=treeitem]").count() < 80
    page.get_by_label("Search names, paths and services").fill("/big/9876")
    expect(page.locator("[data-part-of=found]")).to_have_text("1 of 10,000 items")
    page.keyboard.press("Enter")
    expect(row(page, "Item 9876")).to_be_focused()
    screenshot(window, "menus-many")
    page.keyboard.press("Delete")
    saved(page)
    assert window.faults == []
