"""How the bus is doing, its consumer groups and the catalogue of types, as pages."""

import datetime as dt
import json
import math
import re
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import redis
from apps.events import links
from apps.events.admin.figures import CACHE_KEY
from apps.events.models import EventTypeDeclaration, GroupState, OutboxEntry, StreamState
from tests.support import bus, operators
from tests.support.registry import NO_REDIS, redis_at
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, events_members, stream_of_replays

pytestmark = pytest.mark.usefixtures("transactional_db")

OVERVIEW, GROUPS, TYPES = "/admin/events/", "/admin/events/groups/", "/admin/events/types/"
STOCK = "/admin/events/groups/stock-service-group/"


@pytest.fixture
def browser(transactional_db: None) -> Client:
    """An operator's."""
    return operators.superuser()


def html(browser: Client, address: str, **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.replace("</td>", " ").replace("</th>", " ")))


def part(page: str, name: str) -> str:
    return text(page[page.index(f'id="{name}"') :].partition("</section>")[0])


def stock(*, waiting: int = 0, alive: bool = True) -> None:
    """Let the group of stock read one stream and leave some entries of four minutes ago."""
    bus.publish(10, ago=240)
    bus.read_by("stock-service-group", "stock-1", 10 - waiting)
    bus.consumer("stock-service-group", "stock-1", seen_ago=-60 if alive else 60)


# --- overview ---------------------------------------------------------------------------------------------------------


def test_an_empty_bus_teaches(browser: Client) -> None:
    told = text(html(browser, OVERVIEW))
    assert "No event was published yet" in told
    assert "/api/v1/events/" in told
    assert "No group reads events yet" in text(html(browser, GROUPS))


def test_a_bus_in_good_health_is_quiet(browser: Client) -> None:
    stock()
    told = part(html(browser, OVERVIEW), "bus-wrong")
    assert "Everything flows 1 group keeps up with 1 stream" in told


def test_what_is_wrong_comes_first_with_what_to_do(browser: Client) -> None:
    stock(waiting=4, alive=False)
    bus.letter()
    bus.letter()
    OutboxEntry.objects.create(stream="x", fields={}, parked_at=timezone.now(), error="no")
    StreamState.objects.create(
        stream=STREAM_EVENTS, alarm="It is full in 2 h.", held_by=["old-group"], seen_at=timezone.now()
    )
    told = part(html(browser, OVERVIEW), "bus-wrong")
    assert "xerpium:events: It is full in 2 h. old-group holds it" in told
    assert (
        "stock-service-group is 4 events behind; the oldest has waited 4 min. No consumer of it runs. Start its service"
        in told
    )
    assert "2 dead letters of stock-service-group" in told
    assert "1 entry of the outbox cannot be sent" in told
    assert told.index("It is full") < told.index("is 4 events behind") < told.index("dead letters")


def test_streams_are_shown_with_what_they_may_grow_to(browser: Client) -> None:
    stock()
    bus.publish(3, stream=STREAM_EVENTS_CUSTOM)
    told = part(html(browser, OVERVIEW), "bus-streams")
    assert "xerpium:events standard types 10 0 % 4 min ago" in told
    assert "xerpium:events:custom declared types 3" in told


def test_charts_say_their_finding_and_have_tables(browser: Client) -> None:
    stock()
    bus.sampled(published=600)
    bus.sampled(group="stock-service-group", lag_seconds=90)
    page = html(browser, OVERVIEW)
    assert re.search(r"[\d,]+ events in the last 24 h, \d+ a minute on average; at most \d+ on xerpium:events", page)
    assert "At worst events waited 1 min for stock-service-group" in page
    assert page.count("The numbers as a table") == 2
    with CaptureQueriesContext(connection) as queries:
        html(browser, OVERVIEW)
    assert not [query for query in queries if "events_streamsample" in query["sql"]], "measured again within the minute"


def test_live_parts_come_alone(browser: Client) -> None:
    stock()
    for address in (OVERVIEW, GROUPS, STOCK):
        page = html(browser, address, X_Live="1")
        assert "<html" not in page
        parts = re.findall(r'id="([\w-]+)" data-part', page)
        assert parts == re.findall(r'id="([\w-]+)" data-part', html(browser, address))
        assert len(parts) > 1


def test_while_redis_is_away_the_last_look_is_shown(browser: Client) -> None:
    now = timezone.now() - dt.timedelta(minutes=5)
    StreamState.objects.create(stream=STREAM_EVENTS, length=4711, seen_at=now)
    GroupState.objects.create(
        stream=STREAM_EVENTS, group="stock-service-group", lag=3, consumers=1, active_at=now, seen_at=now
    )
    with redis_at(NO_REDIS):
        for address in (OVERVIEW, GROUPS, STOCK):
            told = text(html(browser, address))
            assert re.search(r"Redis does not answer What stands here was measured 5 min ago", told)
        assert "4,711" in html(browser, OVERVIEW)


# --- groups -----------------------------------------------------------------------------------------------------------


def test_groups_are_listed_what_is_wrong_first(browser: Client) -> None:
    stock(waiting=4, alive=False)
    bus.read_by("report-group", "report-1", 10)
    bus.consumer("report-group", "report-1", seen_ago=-60)
    bus.read_by("hub-core", "hub-core-1", 10)
    bus.letter()
    page = html(browser, GROUPS)
    names = re.findall(r'data-label="Group"><a [^>]+>([^<]+)<', page)
    assert names == ["stock-service-group", "hub-core", "report-group"]
    told = text(page)
    assert "stands still stock-service-group xerpium:events 4 0 4 min 0 1" in told
    assert re.findall(r'data-label="Group"><a [^>]+>([^<]+)<', html(browser, f"{GROUPS}?level=stands%20still")) == [
        names[0]
    ]
    assert "No group is “behind” now" in text(html(browser, f"{GROUPS}?level=behind"))


def test_a_group_shows_its_consumers_and_its_handlers(browser: Client) -> None:
    bus.publish(10, ago=240)
    bus.read_by("stock-service-group", "stock-1", 6, acknowledge=False)
    bus.consumer("stock-service-group", "stock-1", seen_ago=-60)
    bus.consumer("stock-service-group", "stock-2", seen_ago=-60, active=False, host="shop-2", pid=12)
    bus.consumer("stock-service-group", "stock-3", seen_ago=90, active=False)
    bus.stood_still("stock-service-group", 200)
    bus.letter(entity_id="1")
    page = html(browser, STOCK)
    assert "is 10 events behind; the oldest has waited 4 min. It has done nothing for 3 min." in part(
        page, "group-head"
    )
    told = part(page, "group-consumers")
    assert re.search(r"active stock-1 shop-1 4711 \d+ (min|h) now 6 4,200 1\.\d/s 12 3", told)
    assert "standby stock-2 shop-2 12" in told
    assert told.index("stock-2") < told.index("gone stock-3")
    assert "stock.handlers.reserve 8,400 24 18 6 up to 4.0 ms over 180 ms" in part(page, "group-handlers")
    assert "KeyError" in part(page, "group-letters")
    assert "1 dead letter waits" in part(page, "group-head")


def test_consumers_of_others_are_shown_as_redis_knows_them(browser: Client) -> None:
    bus.publish(2, ago=240)
    bus.read_by("old-group", "worker one", 1, acknowledge=False)
    told = text(html(browser, "/admin/events/groups/old-group/"))
    assert "says nothing worker one" in told
    assert "Its consumers do not say how they are doing" in told
    assert "nothing is known of its handlers" in told


@pytest.mark.parametrize(
    "told",
    [
        {"handled": "x", "pid": {"a": 1}, "since": [1], "host": {}},
        {"handled": math.inf, "failed": math.nan, "in_hand": 10**400},
        {"handlers": [1]},
        {"handlers": {"a": 1, "b": {"handled": "x", "seconds_p50": None}}},
    ],
)
def test_what_consumers_say_makes_no_page_unreadable(browser: Client, told: dict[str, Any]) -> None:
    bus.publish(1)
    bus.read_by("stock-service-group", "stock-1")
    bus.consumer("stock-service-group", "stock-1", seen_ago=-60, **told)
    redis.client().hset(events_members("stock-service-group"), "deep", "[" * 100_000)
    bus.consumer("stock-service-group", "far", seen_ms=10**400)
    assert "active stock-1" in text(html(browser, STOCK))
    assert browser.get("/api/v1/events/groups/").status_code == 200


def test_many_groups_cost_no_more_round_trips_than_one(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    pool = redis.bytes_client().connection_pool
    take = pool.get_connection

    def counted(*args: Any, **options: Any) -> Any:
        asked.append(args)
        return take(*args, **options)

    monkeypatch.setattr(pool, "get_connection", counted)
    counts = []
    for name in ("one", "two", "three"):
        bus.read_by(name, "a")
        bus.consumer(name, "a")
        asked.clear()
        html(browser, GROUPS)
        counts.append(len(asked))
    assert counts[0] == counts[2] > 0


def test_replays_are_shown_where_they_wait(browser: Client) -> None:
    stock()
    stream = stream_of_replays("stock-service-group")
    bus.stood_still("stock-service-group", 5, stream=stream)
    bus.publish(2, stream=stream, ago=120)
    bus.read_by("stock-service-group", "stock-1", 0, stream=stream)
    assert stream in html(browser, GROUPS)
    bus.read_by("stock-service-group", "stock-1", 2, stream=stream)
    assert stream not in html(browser, GROUPS)
    assert stream in html(browser, STOCK)


@pytest.mark.parametrize("name", ["a/b", "a b?c#d", "a\nb", "ü", "x" * 60])
def test_names_that_need_quoting_lead_to_their_page(browser: Client, name: str) -> None:
    bus.publish(1)
    bus.read_by(name, "one")
    (address,) = re.findall(r'data-label="Group"><a class="[^"]+" href="([^"]+)"', html(browser, GROUPS))
    assert html(browser, address)
    bus.hour(name, 1)
    assert "Declare it" in html(browser, links.type_url(name))


def test_what_is_not_there_leads_back_with_a_word(browser: Client) -> None:
    answer = browser.get("/admin/events/groups/nobody/", follow=True)
    assert answer.redirect_chain == [(GROUPS, 302)]
    assert "No consumer group is called “nobody” now." in answer.content.decode()
    assert browser.get("/admin/events/groups/nobody/", headers={"X-Live": "1"}).status_code == 404
    answer = browser.get("/admin/events/types/nothing/", follow=True)
    assert answer.redirect_chain == [(TYPES, 302)]


def test_pages_ask_the_same_number_of_questions_whatever_there_is(browser: Client) -> None:
    bus.publish(3, ago=100)
    counts = []
    for size in (3, 30):
        for number in range(size):
            bus.read_by(f"group-{number}", f"consumer-{number}")
            bus.read_by("stock-service-group", f"consumer-{number}")
            bus.letter(group=f"group-{number}")
            EventTypeDeclaration.objects.get_or_create(event_type=f"declared_{number}", service_name="x")
            bus.hour(f"seen_{size}_{number}", 1)
        cache.delete(f"{CACHE_KEY}:all")
        found = []
        for address in (OVERVIEW, GROUPS, STOCK, TYPES):
            html(browser, address)
            with CaptureQueriesContext(connection) as queries:
                html(browser, address)
            found.append(len(queries))
        counts.append(found)
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 12


# --- catalogue --------------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "required": ["number"],
    "properties": {
        "number": {"type": "string", "description": "On <b>paper</b>.", "maxLength": 20},
        "state": {"enum": ["open", "paid"]},
        "lines": {"type": "array", "items": {"properties": {"price": {"type": ["number", "null"], "minimum": 0}}}},
        "odd": True,
    },
}


@pytest.fixture
def invoices(transactional_db: None) -> None:
    """A declared type with a schema, and one that nobody declared."""
    EventTypeDeclaration.objects.create(
        event_type="invoice_paid", service_name="invoice-service", description="Paid in full.", schema=SCHEMA,
        example={"number": "2026-1"},
    )  # fmt: skip
    bus.hour("invoice_paid", 1204)
    bus.hour("of_nobody", 3)
    bus.event(
        "of_nobody", service_name="rogue", entity_type="thing", data={"a": 1.5, "b": [{"c": "d"}], "token": "geheim"}
    )


@pytest.mark.usefixtures("invoices")
def test_the_catalogue_lists_what_is_declared_standard_and_neither(browser: Client) -> None:
    told = text(html(browser, TYPES))
    assert "Services publish this type past the catalogue" in told
    assert "of_nobody 3 in 24 h" in told
    assert re.search(r"invoice_paid invoice-service Paid in full\. 1,204 (just now|\d+ s ago) checked", told)
    assert "order_created everybody's – 0 not lately none" in told
    found = text(html(browser, f"{TYPES}?q=PAID"))
    assert "invoice_paid" in found
    assert "order_created everybody" not in found
    assert "of_nobody" not in found


@pytest.mark.usefixtures("invoices")
def test_a_declared_type_says_what_stands_in_it_and_how_to_use_it(browser: Client) -> None:
    page = html(browser, links.type_url("invoice_paid"))
    told = text(page)
    assert "number string yes On &lt;b&gt;paper&lt;/b&gt;. at most 20 characters" in told
    assert "state one of no – one of open, paid" in told
    assert "lines[].price number or null no – ≥ 0" in told
    assert "publisher.publish_event(" in told
    assert "@consumer.on(&quot;invoice_paid&quot;)" in told
    assert "&quot;number&quot;: &quot;2026-1&quot;" in told
    assert "Declare it" not in told


@pytest.mark.usefixtures("invoices")
def test_an_undeclared_type_says_how_to_declare_it_and_the_command_works(browser: Client) -> None:
    page = html(browser, links.type_url("of_nobody"))
    told = text(page)
    assert "Services publish this, and nobody has declared it: 3 events in the last 24 hours" in told
    assert "geheim" not in page
    command = re.search(r'id="declare-curl"[^>]*>(.*?)</pre>', page, re.S)
    assert command
    body = json.loads(command[1].replace("&quot;", '"').replace("&#x27;", "'").partition("-d '")[2][:-1])
    assert body["service_name"] == "rogue"
    answer = Client().post("/api/v1/events/types/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 201, answer.content
    assert "checked" in text(html(browser, TYPES))


def test_a_standard_type_without_a_schema_says_how_to_have_it_checked(browser: Client) -> None:
    told = text(html(browser, links.type_url("order_created")))
    assert "It has no schema, so its data is not checked." in told
    assert "EventType.ORDER_CREATED" in told


# --- who may ----------------------------------------------------------------------------------------------------------


def test_everybody_sees_what_they_may_see() -> None:
    stock()
    bus.letter(group="stock-service-group", event_type="secret_type")
    bus.event("order_created", entity_id="999888")
    bus.hour("order_created", 1)
    stranger = operators.staff("sven")
    onlooker = operators.staff("otto", *operators.LOOKING_AT_EVENTS, app="events")
    pages = (OVERVIEW, GROUPS, STOCK, TYPES, links.type_url("order_created"))
    for address in pages:
        assert stranger.get(address).status_code == 403
        assert stranger.get(address, headers={"X-Live": "1"}).status_code == 403
        assert onlooker.get(address).status_code == 200
        assert Client().get(address).headers["Location"] == f"/admin/login/?next={quote(address)}"
    few = operators.staff("fred", "view_streamstate", "view_groupstate", "view_eventtypedeclaration", app="events")
    assert "dead letter of" not in html(few, OVERVIEW)
    assert "secret_type" not in html(few, STOCK)
    assert "999888" not in html(few, links.type_url("order_created"))


def test_the_menu_has_the_pages_that_somebody_may_see() -> None:
    def menu(browser: Client) -> list[str]:
        page = html(browser, "/admin/").partition('id="nav-sidebar-apps"')[2].partition("</nav>")[0]
        return [link for link in re.findall(r'href="(/[^"]*)"', page) if link.startswith("/admin/events/")]

    assert menu(operators.superuser()) == [
        OVERVIEW, "/admin/events/journalentry/", GROUPS, "/admin/events/deadletter/", TYPES,
        "/admin/events/outboxentry/",
    ]  # fmt: skip
    assert menu(operators.staff("rita", "view_deadletter", app="events")) == ["/admin/events/deadletter/"]
    assert menu(operators.staff("sven")) == []


def test_the_search_finds_types_and_events_and_keeps_to_the_permissions() -> None:
    address, event_id = "/admin/search/?extended=1&s=", "00000000-0000-4000-8000-000000000004"
    operator, stranger = operators.superuser(), operators.staff("sven")
    EventTypeDeclaration.objects.create(event_type="invoice_paid", service_name="x")
    assert links.type_url("invoice_paid") in html(operator, f"{address}invoice")
    assert f"/admin/events/journalentry/?q={event_id}" in html(operator, f"{address}{event_id}")
    for text_asked in ("invoice", event_id):
        assert "/admin/events/" not in html(stranger, f"{address}{text_asked}")
