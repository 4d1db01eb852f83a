"""The stream explorer: what the list shows and finds, what is newer, and the page of one event."""

import datetime as dt
import re
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.events import links
from apps.events.models import EventTypeDeclaration, JournalEntry
from apps.serviceauth.models import Company
from tests.support import bus, operators
from xerpium_sdk.wire.keys import STREAM_EVENTS_CUSTOM

pytestmark = pytest.mark.usefixtures("transactional_db")

LIST = "/admin/events/journalentry/"


@pytest.fixture
def browser(transactional_db: None) -> Client:
    """An operator's."""
    return operators.superuser()


def html(browser: Client, address: str, **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def listed(browser: Client, **query: object) -> list[str]:
    """Return what the events that the list shows are about, in its order."""
    page = html(browser, f"{LIST}?{urlencode(query)}")
    rows = re.findall(r'<td class="field-about.*?</td>', page, re.S)
    return [text(row).strip() for row in rows]


def test_events_come_newest_first_with_what_matters(browser: Client) -> None:
    Company.objects.create(pk=7, name="Nordwind", last_event_at=timezone.now())
    bus.event(entity_id="1", ago=60, data={"name": "<b>Ada</b>", "password": "geheim"})
    bus.event("order_created", entity_type="order", entity_id="2", company_id=7, verdict="mismatch", fault="/total: x")
    assert listed(browser) == ["order 2", "product 1"]
    page = html(browser, LIST)
    assert "Nordwind" in page
    assert "/total: x" in page
    assert "&lt;b&gt;Ada&lt;/b&gt;" in page
    assert "geheim" not in page
    assert re.search(r'hub-tone-red hub-type"[^>]+title="does not fit its schema', page)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["4", "3", "2", "1"]),
        ({"event_type": "order_created"}, ["2"]),
        ({"event_type": "of_nobody"}, []),
        ({"service_name": "order-service"}, ["3", "2"]),
        ({"service_name": " order-service "}, ["3", "2"]),
        ({"service_name": "order"}, []),
        ({"entity_type": "product", "entity_id": "1"}, ["1"]),
        ({"company": "7"}, ["2"]),
        ({"company": "none"}, ["4", "3", "1"]),
        ({"company": "99999999999999999999"}, []),
        ({"company": "x"}, []),
        ({"correlation_id": "c-1"}, ["3", "2"]),
        ({"stream": STREAM_EVENTS_CUSTOM}, ["3"]),
        ({"verdict": "undeclared"}, ["3"]),
        ({"within": "15m"}, ["4", "3", "2"]),
        ({"within": "1h"}, ["4", "3", "2", "1"]),
        ({"within": "nonsense", "since": "nonsense"}, ["4", "3", "2", "1"]),
        ({"until": "2020-01-01T00:00:00"}, []),
        ({"since": "2020-01-01T00:00:00"}, ["4", "3", "2", "1"]),
        ({"q": "order"}, ["3", "2"]),
        ({"q": "of_tomorrow"}, ["3"]),
        ({"q": "order-service"}, ["3", "2"]),
        ({"q": "product 1"}, ["1"]),
        ({"q": "c-1"}, ["3", "2"]),
        ({"q": "00000000-0000-4000-8000-000000000004"}, ["4"]),
        ({"q": "nothing of the kind"}, []),
        ({"q": "order", "company": "none"}, ["3"]),
    ],
)
def test_events_are_filtered_and_found(browser: Client, query: dict[str, str], found: list[str]) -> None:
    Company.objects.create(pk=7, name="Nordwind", last_event_at=timezone.now())
    bus.event(entity_id="1", ago=1800)
    order = {"service_name": "order-service", "correlation_id": "c-1"}
    bus.event("order_created", entity_type="order", entity_id="2", company_id=7, **order)
    bus.event(
        "of_tomorrow", entity_type="order", entity_id="3", stream=STREAM_EVENTS_CUSTOM, verdict="undeclared", **order
    )
    bus.event(entity_id="4", event_id="00000000-0000-4000-8000-000000000004")
    for name in ("order_created", "of_tomorrow", "product_created"):
        bus.hour(name, 1)
    assert [about.rpartition(" ")[2] for about in listed(browser, **query)] == found


def test_from_and_to_are_utc_and_meant_as_they_are_written(browser: Client) -> None:
    moment = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    for minute in (0, 1, 2):
        bus.event(entity_id=str(minute), occurred_at=moment + dt.timedelta(minutes=minute))
    assert listed(browser, since="2026-03-01T12:01:00", until="2026-03-01T12:02:00") == ["product 1"]
    page = html(browser, f"{LIST}?since=2026-03-01T12:01:00")
    assert 'value="2026-03-01T12:01:00"' in page


def test_the_list_asks_the_same_number_of_questions_whatever_there_is(browser: Client) -> None:
    counts = []
    for size in (10, 190):
        for number in range(size):
            bus.event(company_id=number % 40, data={"number": number})
        html(browser, LIST)
        with CaptureQueriesContext(connection) as queries:
            html(browser, LIST)
        counts.append(len(queries))
        assert not [query for query in queries if "COUNT(" in query["sql"] and "journalentry" in query["sql"]]
    assert counts[0] == counts[1] <= 11


def test_large_data_is_not_fetched_for_the_list(browser: Client) -> None:
    entry = bus.event(data={"text": "".join(f"{number:05d}" for number in range(20_000))})
    assert "large: open it to see its data" in html(browser, LIST)
    assert "00000000010000200003" in html(browser, links.event_url(entry.pk))


def test_an_empty_journal_teaches_and_an_empty_filter_leads_back(browser: Client) -> None:
    assert "publisher.publish_event(" in html(browser, LIST)
    assert "Nothing matches" in html(browser, f"{LIST}?event_type=x")


def test_newer_events_are_counted_and_not_shown(browser: Client) -> None:
    old = bus.event()
    assert f'data-newest="{old.pk}"' in html(browser, LIST)

    def newer(after: object, query: str = "") -> int:
        answer = browser.get(f"{LIST}?{query}", headers={"X-Newer": str(after)})
        assert "no-store" in answer.headers["Cache-Control"]
        return int(answer.json()["count"])

    assert newer(old.pk) == 0
    bus.event("order_created")
    bus.event()
    assert newer(old.pk) == 2
    assert newer(old.pk, "event_type=order_created") == 1
    assert newer("nonsense") == 3
    for _ in range(120):
        bus.event()
    assert newer(old.pk) == 100
    with CaptureQueriesContext(connection) as queries:
        newer(old.pk)
    assert len([query for query in queries if "journalentry" in query["sql"]]) == 1


def test_a_later_page_leads_back_to_the_newest(browser: Client) -> None:
    for _ in range(60):
        bus.event()
    page = html(browser, f"{LIST}?p=2&event_type=product_created")
    assert "Back to the newest" in page
    assert 'href="?event_type=product_created"' in page
    assert 'id="newer"' not in page


def test_an_event_shows_everything_around_it(browser: Client) -> None:
    EventTypeDeclaration.objects.create(event_type="order_created", service_name="order-service")
    same = {"correlation_id": "c-1", "entity_type": "order"}
    first = bus.event("order_created", ago=9, entity_id="1", **same)
    entry = bus.event(
        "order_created", ago=5, entity_id="2", data={"a": [1, {"b": "<i>"}], "secret": "geheim"},
        extra={"replay": "1"}, company_id=70, user_id="42", **same,
    )  # fmt: skip
    last = bus.event("order_shipped", entity_id="3", **same)
    letter = bus.letter(event_id=entry.event_id, group="stock-group", handler="stock.reserve")
    page = html(browser, links.event_url(entry.pk))
    told = text(page)
    for word in (
        "&lt;i&gt;",
        "(hidden)",
        "Company 70",
        "42",
        "stock-group",
        "failed 5 times",
        "KeyError",
        "order-service",
    ):
        assert word in told
    assert "geheim" not in page
    steps = page[page.index("What belongs together") :]
    assert re.findall(r'href="(/admin/events/journalentry/\d+/change/)"', steps) == [
        links.event_url(first.pk),
        links.event_url(last.pk),
    ]
    assert links.dead_letter_url(letter.pk) in page
    assert links.type_url("order_created") in page


def test_a_long_story_is_cut_around_the_event(browser: Client) -> None:
    entries = [bus.event(ago=100 - number, correlation_id="c-1") for number in range(60)]
    page = html(browser, links.event_url(entries[30].pk))
    assert page.count("hub-step-time") == 21
    assert "All of them" in page


@pytest.mark.parametrize("verdict", ["valid", "unverified", "undeclared", "mismatch", "undecodable"])
def test_a_verdict_is_explained_with_what_to_do(browser: Client, verdict: str) -> None:
    page = html(browser, links.event_url(bus.event("of_tomorrow", verdict=verdict, fault="what is wrong").pk))
    told = text(page)
    assert "what is wrong" in told
    assert ("How to declare it" in told) == (verdict != "valid")


def test_an_entry_that_cannot_be_read_is_shown_all_the_same(browser: Client) -> None:
    entry = bus.event(
        "", event_id="xerpium:events/7-0", service_name="", entity_type="", entity_id="", data=None, timestamp="",
        verdict="undecodable", extra={"payload": "<x>"},
    )  # fmt: skip
    assert "not an event" in html(browser, LIST)
    told = text(html(browser, links.event_url(entry.pk)))
    assert "no consumer can read it" in told
    assert "&lt;x&gt;" in told


def test_who_may_not_look_is_refused() -> None:
    entry = bus.event(data={"name": "only for some"})
    stranger = operators.staff("sven")
    for address in (LIST, links.event_url(entry.pk)):
        assert stranger.get(address).status_code == 403
    assert stranger.get(LIST, headers={"X-Newer": "0"}).status_code == 403
    assert Client().get(LIST).status_code == 302
    reader = operators.staff("rita", "view_journalentry", app="events")
    bus.letter(event_id=entry.event_id, group="of-letters")
    assert "of-letters" not in html(reader, links.event_url(entry.pk))


def test_nothing_is_changed_by_hand(browser: Client) -> None:
    entry = bus.event()
    for address in (f"{LIST}add/", f"{links.event_url(entry.pk)}../delete/"):
        assert browser.post(address).status_code in (403, 404)
    assert browser.post(links.event_url(entry.pk), {"event_id": "x"}).status_code == 403
    assert JournalEntry.objects.get().event_id == entry.event_id


def test_an_event_that_is_gone_leads_home_with_a_word(browser: Client) -> None:
    answer = browser.get(links.event_url(1), follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]


def test_what_the_list_is_filtered_by_is_said_and_taken_back(browser: Client) -> None:
    bus.event()
    page = html(browser, f"{LIST}?event_type=product_created&within=1h&company=none&q=product")
    asked = page[page.index('class="hub-asked"') :].partition("</ul>")[0]
    assert "time Last hour" in text(asked)
    assert "company Of no company" in text(asked)
    without = re.findall(r'href="([^"]+)" aria-label="Without type', asked)
    assert set(without[0][1:].split("&amp;")) == {"company=none", "q=product", "within=1h"}


def test_the_quick_ranges_keep_the_other_filters(browser: Client) -> None:
    bus.event()
    page = html(browser, f"{LIST}?event_type=product_created&since=2020-01-01T00:00&within=1h")
    ranges = page[page.index('class="hub-ranges"') :].partition("</nav>")[0]
    assert re.findall(r"aria-current=\"true\">([^<]+)<", ranges) == ["Last hour"]
    first = re.findall(r'href="\?([^"]+)"', ranges)[0]
    assert set(first.split("&amp;")) == {"event_type=product_created", "within=15m"}


def test_by_time_means_when_it_happened_and_late_ones_are_not_offered_as_new_again(browser: Client) -> None:
    now = timezone.now()
    bus.event(entity_id="1", ago=5)
    late = bus.event(entity_id="2", ago=600)
    JournalEntry.objects.filter(pk=late.pk).update(recorded_at=now)
    assert listed(browser) == ["product 2", "product 1"]
    assert listed(browser, within="1h") == ["product 1", "product 2"]
    assert f'data-newest="{late.pk}"' in html(browser, f"{LIST}?within=15m")
