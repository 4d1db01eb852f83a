"""The console as an operator sees it, in headless Chromium: every page in both themes and at both widths."""

import re

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from apps.registry.models import HistoryEntry, Instance, Protection
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
from tests.support.services import make_stale, poll, register, report, run
from xerpium_sdk.wire.registry import Status

__all__ = ["anna", "chromium", "transactional_db", "windows"]

pytestmark = pytest.mark.browser

H, D, U, DR, S = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.DRAINING, Status.STARTING
LONG = "a-service-with-a-name-of-sixty-letters-to-see-what-is-cut-of"
OURS = ("home", "services", "service", "drain", "graph")
"""Pages that are not Unfold's as it makes them."""


@pytest.fixture
def town(windows: Windows) -> None:
    """A dozen services with one of every trouble."""
    now = timezone.now()
    run("shop", [H, H], dependencies=["orders", "products"], tags=["web", "public"], zone="eu-1")
    (row, *_) = run("orders", [H, H, H], dependencies=["payment", "mail", "products"], capabilities=["order.read"])
    report(row, D, details={"queue": 4711})
    run("products", [H, DR], metadata={"team": "catalogue", "api_key": "x"}, version="2.0.0")
    payment = run("payment", [H], dependencies=["ledger"], company_id=7)[0]
    poll(payment, ok=False, now=now, latency_ms=3000, reason="connection refused", times=3)
    run("report", [H], dependencies=["audit"])
    run("audit", [H], dependencies=["report"])
    run("new", [S])
    mail = run("mail", [H, H])
    poll(mail[0], ok=True, now=now, latency_ms=12.5, times=2)
    make_stale(mail[1], now=now)
    run(LONG, [H], dependencies=["orders"], tags=["a-tag-with-rather-many-letters-in-it"])
    run("left", [Status.DEREGISTERED])
    Protection.objects.create(id=1, since=now, reason="13 of 15 leases ran out at once")


def pages() -> dict[str, str]:
    """Return the address of every kind of page."""
    instance = Instance.objects.get(service__name="orders", instance_id="10.0.0.1:8000").pk
    return {
        "home": "/admin/",
        "services": "/admin/registry/service/",
        "instances": "/admin/registry/instance/",
        "history": "/admin/registry/historyentry/",
        "service": "/admin/registry/service/payment/change/",
        "long": f"/admin/registry/service/{LONG}/change/",
        "instance": f"/admin/registry/instance/{instance}/change/",
        "drain": f"/admin/registry/instance/operate/drain/?instances={instance}",
        "weigh": f"/admin/registry/instance/operate/weigh/?instances={instance}",
        "graph": "/admin/graph/",
        "users": "/admin/auth/user/",
        "outbox": "/admin/events/outboxentry/",
    }


@pytest.mark.usefixtures("town")
@looks()
def test_every_page_is_whole_and_open_to_all(windows: Windows, anna: User, look: Look) -> None:
    window = windows.open(anna, theme=look.theme, size=look.size)
    found = {}
    for name, path in pages().items():
        window.open(path)
        found[name] = wrong_with(window, name, look, is_ours=name in OURS)
    assert found == {name: [] for name in found}


@pytest.mark.thorough
def test_an_empty_hub_is_whole_too(windows: Windows, anna: User) -> None:
    window = windows.open(anna, size=NARROW)
    for path in ("/admin/", "/admin/registry/service/", "/admin/graph/"):
        page = window.open(path)
        screenshot(window, f"empty{path.replace('/', '-')}")
        expect(page.get_by_text("No service is registered yet")).to_be_visible()
        assert window.overflow() == 0
        assert inaccessible(window) == []
    assert window.faults == []


def test_an_operator_logs_in_and_out(windows: Windows, anna: User) -> None:
    window = windows.open(None)
    page = window.open("/admin/graph/")
    screenshot(window, "login")
    assert inaccessible(window) == []
    page.get_by_label("Username").fill("anna")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()
    page.get_by_label("Username").fill("anna")
    page.get_by_label("Password").fill("a-long-password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Who needs whom").first).to_be_visible()
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_instances_are_drained_from_the_list_and_resumed_by_the_offered_undo(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open("/admin/registry/instance/?service=orders")
    rows = page.locator("tr.data-row")
    expect(rows).to_have_count(3)
    rows.nth(1).locator("input.action-select").check()
    rows.nth(2).locator("input.action-select").check()
    page.locator("select[name=action]").select_option("drain")
    screenshot(window, "selected")
    page.locator("#changelist-actions-wrapper button[type=submit]").click()
    expect(page.get_by_text("This takes 2 instances of orders out of rotation.")).to_be_visible()
    expect(page.get_by_text("1 other stays in rotation")).to_be_visible()
    page.get_by_label("Reason").fill("kernel update")
    page.get_by_role("button", name="Drain").click()
    expect(page.get_by_text("Took 2 instances of orders out of rotation.")).to_be_visible()
    screenshot(window, "drained")
    assert (
        HistoryEntry.objects.filter(change="drained", cause="drained: kernel update", actor="operator:anna").count()
        == 2
    )
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Put 2 instances of orders back into rotation.")).to_be_visible()
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_a_filter_is_chosen_with_the_keyboard(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open("/admin/registry/service/")
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#changelist-filter select[name=status]")).to_be_attached()
    screenshot(window, "filters")
    page.locator("#changelist-filter select[name=status]").select_option("unhealthy")
    page.get_by_role("button", name="Apply Filters").click()
    expect(page.locator("tr.data-row")).to_have_count(1)
    page.wait_for_load_state()  # keys mean something once the page's programs run
    page.keyboard.press("/")
    page.keyboard.type("ord")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_the_home_page_follows_what_happens_in_place_and_says_when_it_cannot(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open("/admin/")
    expect(page.locator("#home-banner")).to_contain_text("Protection is on")
    expect(page.get_by_role("heading", name="9 services")).to_be_visible()
    page.mouse.move(0, 0)
    page.evaluate("window.marked = true")
    register("newcomer")
    expect(page.get_by_role("heading", name="10 services")).to_be_visible()
    expect(page.locator("#home-changes")).to_contain_text("newcomer")
    assert page.evaluate("window.marked"), "the page was loaded again"
    assert window.faults == []
    page.route("**/admin/live/home/", lambda route: route.abort())
    expect(page.locator("#live-sign")).to_contain_text("Connection lost")
    screenshot(window, "lost")
    page.unroute("**/admin/live/home/")
    expect(page.locator("#live-sign")).to_have_text("Live")


def test_a_page_whose_session_is_over_says_so(windows: Windows, anna: User) -> None:
    page = windows.open(anna).open("/admin/")
    Session.objects.all().delete()
    expect(page.locator("#live-sign")).to_contain_text("Your session is over")


@pytest.mark.usefixtures("town")
def test_what_is_under_the_pointer_does_not_change_under_it(windows: Windows, anna: User) -> None:
    page = windows.open(anna).open("/admin/")
    page.locator("#home-changes").hover()
    before = page.locator("#home-changes .hub-history").inner_text().split("\n")[1]
    register("newcomer")
    expect(page.get_by_role("heading", name="10 services")).to_be_visible()
    assert page.locator("#home-changes .hub-history").inner_text().split("\n")[1] == before
    page.locator("#home-services").hover()
    expect(page.locator("#home-changes")).to_contain_text("newcomer")


@pytest.mark.usefixtures("town")
def test_a_service_page_is_live_and_its_times_tick(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open("/admin/registry/service/mail/change/")
    expect(page.locator("#head")).to_contain_text("1 of 2 instances is stale")
    page.get_by_text("The numbers as a table").click()
    first = page.locator("#instances time.hub-ago").first
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC · .+ here", first.get_attribute("title") or "")
    told = first.inner_text()
    expect(first).not_to_have_text(told)
    report({"service": "mail", "instance_id": "10.0.0.2:8000"}, H)
    expect(page.locator("#head")).to_contain_text("Nothing is wrong here")
    page.mouse.move(0, 0)
    expect(page.locator("#history")).to_contain_text("reported healthy")
    expect(page.get_by_role("region", name="Response times")).to_be_visible()
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_the_graph_lights_neighbours_and_is_walked_with_the_keyboard(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open("/admin/graph/")
    node = page.locator('.hub-node[data-name="payment"]')
    node.hover()
    lit = page.locator(".hub-node[data-lit]").evaluate_all("found => found.map(node => node.dataset.name).sort()")
    assert lit == ["ledger", "orders", "payment"]
    screenshot(window, "lit")
    page.mouse.move(0, 0)
    expect(page.locator(".hub-node[data-lit]")).to_have_count(0)
    before = page.locator("#canvas svg").get_attribute("viewBox")
    page.get_by_role("button", name="Larger").click()
    assert page.locator("#canvas svg").get_attribute("viewBox") != before
    page.locator('.hub-node[data-name="orders"]').focus()
    expect(page.locator(".hub-node[data-lit]")).not_to_have_count(0)
    page.keyboard.press("Enter")
    page.wait_for_url("**/service/orders/change/")
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_the_menu_is_a_drawer_on_a_phone(windows: Windows, anna: User) -> None:
    window = windows.open(anna, size=NARROW)
    page = window.open("/admin/")
    link = page.locator("#nav-sidebar").get_by_role("link", name="Instances")
    expect(link).not_to_be_visible()
    page.get_by_role("button", name="Menu").last.focus()
    page.keyboard.press("Enter")
    expect(link).to_be_visible()
    screenshot(window, "drawer")
    link.click()
    page.wait_for_url("**/registry/instance/")
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_identifiers_copy_on_click(windows: Windows, anna: User) -> None:
    window = windows.open(anna, permissions=["clipboard-read", "clipboard-write"])
    page = window.open(pages()["instance"])
    page.get_by_role("button", name="http://10.0.0.1:8000/health").click()
    assert page.evaluate("navigator.clipboard.readText()") == "http://10.0.0.1:8000/health"


def test_the_documents_of_the_api_are_whole_under_the_policy(windows: Windows) -> None:
    window = windows.open(None)
    page = window.open("/api/docs/")
    expect(page.get_by_text("XERPIUM hub").first).to_be_visible()
    assert window.faults == []
