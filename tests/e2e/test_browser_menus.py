"""The admin of menus as an operator uses it, in headless Chromium: arranging, previewing, deciding."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from apps.menus.models import MenuItem, Overlay
from tests.e2e.test_browser_console import inaccessible
from tests.menus.planted import declare, plant
from tests.support.browser import NARROW, Window, Windows, anna, chromium, screenshot, windows
from tests.support.database import transactional_db

__all__ = ["anna", "chromium", "transactional_db", "windows"]

pytestmark = pytest.mark.browser

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
    assert start and end
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


def test_look(windows: Windows, anna: User) -> None:
    plant()
    declare("product-service", LONG, "/long")
    for theme in ("light", "dark"):
        for size in ((1280, 900), (768, 900), NARROW):
            window = windows.open(anna, theme=theme, size=size)
            page = opened(window)
            row(page, "Products").click()
            screenshot(window, f"menus-{theme}-{size[0]}")
            assert window.faults == []
            assert window.overflow() <= 0
            assert inaccessible(window) == []
