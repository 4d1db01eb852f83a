"""The pages of the event bus as an operator sees them, in headless Chromium: both themes, three widths."""

import json
import threading
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.events.models import DeadLetter, EventTypeDeclaration, JournalEntry
from apps.serviceauth.models import Company
from tests.support import bus
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
from tests.support.registry import relaying
from tests.support.wait import wait_until
from xerpium_sdk.events import EventConsumer, EventPayload, EventPublisher, EventType
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_HUB

__all__ = ["anna", "chromium", "transactional_db", "windows"]

pytestmark = pytest.mark.browser

MIDDLE = (820, 1100)
LIVES = -3600
"""A sign of life that is still new when the last page was looked at."""
IDLE = {"handled": 0, "failed": 0, "dead": 0, "handlers": {}}
LONG = "a_type_with_a_name_of_sixty_letters_to_see_what_is_cut_off_ok"
SCHEMA = {
    "type": "object",
    "required": ["number", "lines"],
    "properties": {
        "number": {"type": "string", "description": "What stands on the paper.", "maxLength": 20},
        "paid_at": {"type": "string", "format": "date-time"},
        "lines": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["price"],
                "properties": {"price": {"type": "number", "minimum": 0}},
            },
        },
    },
}
EXAMPLE = {"number": "2026-0042", "paid_at": "2026-01-02T03:04:05Z", "lines": [{"price": 12.5}]}


@pytest.fixture
def town(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bus with one of every trouble, and a journal of more than one page."""
    monkeypatch.setattr(site.get_model_admin(JournalEntry), "list_per_page", 20)
    Company.objects.create(pk=7, name="Nordwind Trading GmbH & Co. KG", last_event_at=timezone.now())
    for step in range(20):
        bus.event(ago=40 + (20 - step) * 111, company_id=7 if step % 3 else None)
    for step, kind in enumerate(("order_created", "stock_movement", "order_confirmed", "order_shipped")):
        about = {"entity_type": "order", "entity_id": "4711", "correlation_id": "checkout-4711"}
        bus.event(kind, ago=30 - step * 4, service_name="order-service", data=ORDER, **about)
    bus.event("order_created", ago=9, verdict="mismatch", fault="/total: the value is not of type “number”.")
    bus.event(LONG, ago=8, stream=STREAM_EVENTS_CUSTOM, verdict="undeclared", service_name="reporting")
    bus.event(
        "", ago=7, verdict="undecodable", event_id="xerpium:events/1-0", service_name="", entity_type="", entity_id="",
        data=None, extra={"payload": "\\x80\\x81 not an event", "token": "geheim"}, fault="event_type is missing.",
    )  # fmt: skip
    for step in range(14):
        bus.letter(ago=220 - step, company_id=7)
    bus.letter("", reason="undecodable", error="entity_id is text", attempts=1, handler="", group="mail-service-group")
    first = bus.letter(ago=100, state="replayed", decided_by="operator:anna", decided_at=timezone.now())
    bus.letter(ago=3, replay_of=first)
    for seconds, stream in ((240, STREAM_EVENTS), (2, STREAM_EVENTS_CUSTOM), (1, STREAM_HUB)):
        bus.publish(40, stream=stream, ago=seconds)
        for group in ("hub-journal", "hub-core"):
            bus.read_by(group, f"{group}-host-0", 40, stream=stream)
    for group in ("hub-journal", "hub-core"):
        bus.consumer(group, f"{group}-host-0", seen_ago=LIVES, handlers={})
    bus.read_by("stock-service-group", "stock-service-shop-1-0", 12, acknowledge=False)
    bus.consumer("stock-service-group", "stock-service-shop-1-0", seen_ago=LIVES)
    bus.consumer("stock-service-group", "stock-service-shop-2-0", seen_ago=LIVES, active=False, host="shop-2", **IDLE)
    bus.consumer("stock-service-group", "stock-service-shop-3-0", seen_ago=90, active=False, host="shop-3")
    bus.stood_still("stock-service-group", 200)
    bus.read_by("mail-service-group", "mail-service-of-today")
    bus.read_by("report-group", "report-1", 40)
    bus.sampled(published=900)
    bus.sampled(stream=STREAM_EVENTS_CUSTOM, published=120)
    bus.sampled(stream=STREAM_HUB, published=30)
    bus.sampled(group="stock-service-group", lag_seconds=260)
    bus.sampled(group="hub-journal", lag_seconds=1.4)
    EventTypeDeclaration.objects.create(
        event_type="invoice_paid", service_name="invoice-service", schema=SCHEMA, example=EXAMPLE,
        description="An invoice was paid in full. Published once, when the last payment was matched.",
    )  # fmt: skip
    bus.event("invoice_paid", ago=5, stream=STREAM_EVENTS_CUSTOM, service_name="invoice-service", data=EXAMPLE)
    for kind, number in (("product_created", 1204), ("invoice_paid", 12), (LONG, 3), ("order_created", 88)):
        bus.hour(kind, number)


ORDER = {
    "number": "2026-0815",
    "total": "129.90",
    "customer": {"id": 42, "name": "Ada <b>Lovelace</b>", "api_key": "geheim"},
    "lines": [{"product": 11, "quantity": 2}, {"product": 12, "quantity": 1}],
    "note": None,
    "express": True,
}


def pages() -> dict[str, str]:
    """Return the address of every kind of page."""
    order = JournalEntry.objects.filter(event_type="stock_movement").get().pk
    undecodable = JournalEntry.objects.filter(verdict="undecodable").get().pk
    waiting = DeadLetter.objects.filter(state="waiting", replay_of=None).exclude(event_type="").first()
    replayed = DeadLetter.objects.get(state="replayed").pk
    assert waiting
    return {
        "overview": "/admin/events/",
        "journal": "/admin/events/journalentry/",
        "event": f"/admin/events/journalentry/{order}/change/",
        "undecodable": f"/admin/events/journalentry/{undecodable}/change/",
        "groups": "/admin/events/groups/",
        "group": "/admin/events/groups/stock-service-group/",
        "others-group": "/admin/events/groups/mail-service-group/",
        "letters": "/admin/events/deadletter/",
        "letters-any": "/admin/events/deadletter/?state=any",
        "letter": f"/admin/events/deadletter/{waiting.pk}/change/",
        "replayed": f"/admin/events/deadletter/{replayed}/change/",
        "decide": "/admin/events/deadletter/decide/replay/?all=1",
        "types": "/admin/events/types/",
        "type": "/admin/events/types/invoice_paid/",
        "standard": "/admin/events/types/order_created/",
        "undeclared": f"/admin/events/types/{LONG}/",
        "outbox": "/admin/events/outboxentry/",
    }


@pytest.mark.usefixtures("town")
@looks(wide=MIDDLE)
def test_every_page_is_whole_and_open_to_all(windows: Windows, anna: User, look: Look) -> None:
    window = windows.open(anna, theme=look.theme, size=look.size)
    found = {}
    for name, path in pages().items():
        window.open(path)
        found[name] = wrong_with(window, name, look)
    assert found == {name: [] for name in found}


@pytest.mark.thorough
def test_an_empty_bus_is_whole_too(windows: Windows, anna: User) -> None:
    window = windows.open(anna, size=NARROW)
    told = {
        "/admin/events/": "No event was published yet",
        "/admin/events/journalentry/": "No event is in the journal yet",
        "/admin/events/groups/": "No group reads events yet",
        "/admin/events/deadletter/": "No dead letter waits",
        "/admin/events/types/": "A service declares what it publishes",
    }
    for path, words in told.items():
        page = window.open(path)
        screenshot(window, f"empty{path.replace('/', '-')}")
        expect(page.get_by_text(words)).to_be_visible()
        assert window.overflow() == 0
        assert inaccessible(window) == []
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_new_events_are_offered_and_shown_only_when_somebody_wants_them(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    window.page.add_init_script(
        "document.addEventListener('DOMContentLoaded', () => { const button = document.getElementById('newer');"
        " if (button) button.dataset.everyMs = '200'; })"
    )
    page = window.open("/admin/events/journalentry/?event_type=order_created")
    rows = page.locator("tr.data-row")
    expect(rows).to_have_count(2)
    top = rows.first.bounding_box()
    bus.event("order_shipped")
    for number in (12, 13):
        bus.event("order_created", entity_type="order", entity_id=f"48{number}")
    button = page.get_by_role("button", name="Show 2 new events")
    expect(button).to_be_visible()
    assert rows.first.bounding_box() == top, "the list has moved"
    expect(rows).to_have_count(2)
    screenshot(window, "newer")
    button.click()
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("order 4813")
    expect(page.locator("tr[data-new]")).to_have_count(2)
    expect(button).not_to_be_visible()
    screenshot(window, "newer-shown")
    assert rows.first.bounding_box() == top
    bus.event("order_created")
    expect(page.get_by_role("button", name="Show 1 new event")).to_be_visible()
    assert window.faults == []
    page.route("**/journalentry/*", lambda route: route.abort())
    expect(page.locator("#live-sign")).to_contain_text("Connection lost")
    page.unroute("**/journalentry/*")
    expect(page.locator("#live-sign")).to_have_text("Live")


@pytest.mark.usefixtures("town")
def test_events_are_filtered_by_hand(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open("/admin/events/journalentry/")
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#changelist-filter select[name=event_type]")).to_be_visible()
    screenshot(window, "journal-filters")
    page.locator("#changelist-filter select[name=within]").select_option("1h")
    page.get_by_label("By service").fill("order-service")
    page.get_by_role("button", name="Apply Filters").click()
    expect(page.locator("tr.data-row")).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("order_shipped")
    page.keyboard.press("Enter")
    expect(page.locator("tr.data-row")).to_have_count(1)
    page.get_by_role("link", name="order_shipped").click()
    expect(page.get_by_role("heading", name="What belongs together")).to_be_visible()
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_json_opens_with_the_keyboard_and_is_copied_without_secrets(windows: Windows, anna: User) -> None:
    window = windows.open(anna, permissions=["clipboard-read", "clipboard-write"])
    page = window.open(pages()["event"])
    deep = page.locator(".hub-tree summary", has_text="0:").first
    expect(page.get_by_text("quantity").first).not_to_be_visible()
    deep.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("quantity").first).to_be_visible()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["customer"] == {"id": 42, "name": "Ada <b>Lovelace</b>", "api_key": "(hidden)"}
    assert window.faults == []


@pytest.mark.usefixtures("town")
def test_selected_letters_are_discarded_from_the_list(windows: Windows, anna: User) -> None:
    window = windows.open(anna)
    page = window.open("/admin/events/deadletter/?group=stock-service-group")
    rows = page.locator("tr.data-row")
    expect(rows).to_have_count(15)
    for number in (1, 2):
        rows.nth(number).locator("input.action-select").check()
    page.locator("select[name=action]").select_option("discard")
    screenshot(window, "letters-selected")
    page.locator("#changelist-actions-wrapper button[type=submit]").click()
    expect(page.get_by_text("This discards 2 events, unhandled.")).to_be_visible()
    screenshot(window, "letters-discard")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("Discarded 2 events.")).to_be_visible()
    expect(rows).to_have_count(13)
    screenshot(window, "letters-discarded")
    assert window.faults == []


def test_a_failed_event_is_replayed_by_click_until_it_is_handled(windows: Windows, anna: User) -> None:
    mended, handled = threading.Event(), []
    consumer = EventConsumer("stock-service", max_attempts=2, retry_seconds=(0.01, 0.02), redis_url=settings.REDIS_URL)

    @consumer.on(EventType.ORDER_CREATED)
    def reserve(event: EventPayload) -> None:
        if not mended.is_set():
            raise KeyError("warehouse_id")
        handled.append(event.entity_id)

    window = windows.open(anna)
    with consumer, relaying():
        with EventPublisher("order-service", redis_url=settings.REDIS_URL) as publisher:
            publisher.publish_event(EventType.ORDER_CREATED, "order", 4711, data={"total": 12})
        collect(1)
        page = window.open("/admin/events/groups/stock-service-group/")
        expect(page.locator("#group-consumers")).to_contain_text("active")
        expect(page.locator("#group-handlers")).to_contain_text("reserve")
        page.get_by_role("link", name="1 dead letter waits for a decision.").click()
        page.get_by_role("link", name="order_created").click()
        expect(page.get_by_text("KeyError: 'warehouse_id'").first).to_be_visible()
        replay(page)
        collect(2)
        page.reload()
        expect(page.get_by_text("It failed again.")).to_be_visible()
        screenshot(window, "replay-failed")
        page.locator(".hub-letters").get_by_role("link", name="stock-service-group").click()
        mended.set()
        replay(page)
        wait_until(lambda: handled == [4711], description="the group to handle the replay")
        page.reload()
        expect(page.get_by_text("It has not come back")).to_be_visible()
    assert window.faults == []


def replay(page: Page) -> None:
    """Click the button and agree."""
    page.get_by_role("link", name="Replay …").click()
    expect(page.get_by_text("1 event of order_created to stock-service-group again")).to_be_visible()
    page.get_by_role("button", name="Replay").dblclick()
    expect(page.get_by_text("Sent 1 event again.")).to_be_visible()


def collect(number: int) -> None:
    """Let the hub store dead letters until there are as many."""

    def there_are() -> bool:
        call_command("consume_events", "--once", group=["hub-dead"], stdout=StringIO())
        return DeadLetter.objects.count() == number

    wait_until(there_are, description=f"{number} dead letters")
