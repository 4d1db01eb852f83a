"""``GET events/``: searching what happened, page by page, and never another company's."""

import datetime as dt
import re
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import pagination
from apps.core.access import Principal
from apps.events import selectors
from apps.events.journal import Journal
from apps.events.models import JournalEntry
from apps.events.views import journal as views
from tests.events.received import event, received
from tests.support.api import Api, faults_of
from xerpium_sdk.wire.envelope import FIELDS
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_HUB

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def journalled(number: int = 1, **changes: Any) -> JournalEntry:
    """Put an event into the journal, whatever the streams hold."""
    return JournalEntry.objects.create(
        **{
            "recorded_at": timezone.now(),
            "stream": STREAM_EVENTS,
            "stream_id": f"{number}-0",
            "event_id": str(uuid4()),
            "event_type": "product_updated",
            "service_name": "product-service",
            "entity_type": "Product",
            "entity_id": str(number),
            "timestamp": "2026-05-04T12:00:00.000Z",
            "occurred_at": NOW,
            "data": {"number": number},
            "version": "1.0",
            "verdict": "unverified",
            **changes,
        }
    )


def found(api: Api, query: str = "") -> list[str]:
    """Return the entity ids of what a search finds."""
    answer = api.get(f"/events/?{query}")
    assert answer.status_code == 200, answer.content
    return [one["stream_id"] for one in answer.json()["results"]]


def reads_of(asked: CaptureQueriesContext) -> list[str]:
    """Return the statements that read the journal."""
    return [query["sql"] for query in asked if "events_journalentry" in query["sql"]]


@pytest.fixture
def history(api: Api) -> Api:
    """Five events, each different in its own way."""
    journalled(1, company_id=7, correlation_id="import-1", user_id="3")
    journalled(2, event_type="order_created", service_name="order-service", entity_type="Order", entity_id="2")
    journalled(3, occurred_at=NOW + dt.timedelta(hours=1), timestamp="2026-05-04T13:00:00.000Z", version="2.0")
    journalled(4, stream=STREAM_EVENTS_CUSTOM, event_type="parcel_scanned", entity_id="JJD-1", verdict="mismatch")
    journalled(5, stream=STREAM_HUB, event_type="service_registered", service_name="xerpium-hub", verdict="valid")
    return api


def test_an_event_as_the_journal_has_it(api: Api) -> None:
    came = event(7, company_id="3", user_id="9", correlation_id="order-1", data='{"name": "Händler"}')
    assert came.envelope is not None
    assert Journal().write([came], now=NOW) == 1
    [shown] = api.get("/events").json()["results"]
    row = JournalEntry.objects.get()
    assert shown == {
        "id": row.pk,
        "event_id": came.envelope.event_id,
        "event_type": "product_created",
        "service_name": "xerpium-hub",
        "entity_type": "service",
        "entity_id": 7,
        "company_id": 3,
        "user_id": 9,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": {"name": "Händler"},
        "version": "1.0",
        "correlation_id": "order-1",
        "stream": STREAM_EVENTS,
        "stream_id": "7-0",
        "recorded_at": "2026-05-04T12:00:00.000Z",
        "occurred_at": "2026-01-02T03:04:05.678Z",
        "verdict": "unverified",
        "fault": None,
        "extra": None,
    }
    assert {*FIELDS} <= {*shown}
    assert api.get(f"/events/{row.pk}").json() == api.get(f"/events/{row.event_id}/").json() == shown


def test_what_cannot_be_read_is_shown_as_it_was(api: Api) -> None:
    Journal().write([received({b"colour": b"red \xff"}, entry_id="9-1")], now=NOW)
    [shown] = api.get("/events?verdict=undecodable").json()["results"]
    assert shown["event_id"] == f"{STREAM_EVENTS}/9-1"
    assert shown["fault"]
    assert "colour" in shown["extra"]
    assert api.get(f"/events/{shown['id']}").json() == shown


@pytest.mark.parametrize(
    "data",
    [
        '{"a": 1e20}',
        '{"a": -1.7976931348623157e308}',
        f'{{"a": {10**30}}}',
        f'{{"a": {"9" * 5000}}}',
        '{"a": 1e400}',
        '{"a": 1e5000}',
        '{"a": -1e5000, "b": 1e-5000}',
        f'{{"a": {"9" * 400}.5}}',
        '{"a": NaN}',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        "[" * 5000,
        "[]",
        "",
    ],
)
def test_whatever_data_others_send_can_be_read(data: str, api: Api) -> None:
    Journal().write([event(data=data)], now=NOW)
    assert found(api) == ["1-0"]
    [shown] = api.get("/events").json()["results"]
    assert shown["event_type"] == "product_created"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", None),
        ("42", 42),
        ("-7", -7),
        ("007", "007"),
        ("9" * 19, "9" * 19),
        ("JJD", "JJD"),
        ("--1", "--1"),
        ("٣", "٣"),
    ],
)
def test_ids_are_numbers_where_they_are(text: str, shown: Any, api: Api) -> None:
    journalled(entity_id=text, user_id=text)
    [one] = api.get("/events").json()["results"]
    assert (one["entity_id"], one["user_id"]) == (shown, shown)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["5-0", "4-0", "3-0", "2-0", "1-0"]),
        ("event_type=order_created", ["2-0"]),
        ("service_name=xerpium-hub", ["5-0"]),
        ("entity_type=Order", ["2-0"]),
        ("entity_id=JJD-1", ["4-0"]),
        ("entity_id=3&entity_type=Product", ["3-0"]),
        ("company_id=7", ["1-0"]),
        ("company_id=8", []),
        ("user_id=3", ["1-0"]),
        ("timestamp=2026-05-04T13:00:00.000Z", ["3-0"]),
        ("version=2.0", ["3-0"]),
        ("correlation_id=import-1", ["1-0"]),
        (f"stream={STREAM_EVENTS_CUSTOM}", ["4-0"]),
        ("verdict=mismatch", ["4-0"]),
        ("since=2026-05-04T12:30:00Z", ["3-0"]),
        ("since=2026-05-04T15:00:00%2B02:00", ["3-0"]),
        ("until=2026-05-04T13:00:00Z", ["5-0", "4-0", "2-0", "1-0"]),
        ("since=2026-05-04T12:00:00&until=2026-05-04T12:00:00.001&company_id=7", ["1-0"]),
        ("event_type=nothing", []),
    ],
)
def test_filters(query: str, expected: list[str], history: Api) -> None:
    assert found(history, query) == expected


def test_one_event_by_its_id(history: Api) -> None:
    row = JournalEntry.objects.get(stream_id="2-0")
    assert found(history, f"event_id={row.event_id}") == ["2-0"]
    assert found(history, f"event_id={row.event_id}&event_type=nothing") == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("company_id=x", ("?company_id", "invalid")),
        ("company_id=0", ("?company_id", "min_value")),
        ("company_id=9223372036854775808", ("?company_id", "max_value")),
        ("company_id=" + "9" * 5000, ("?company_id", "max_string_length")),
        ("since=yesterday", ("?since", "invalid")),
        ("since=0001-01-01T00:00:00%2B23:00", ("?since", "overflow")),
        ("verdict=good", ("?verdict", "invalid_choice")),
        ("entity_id=%00", ("?entity_id", "null_characters_not_allowed")),
        ("entity_id=", ("?entity_id", "blank")),
        ("correlation_id=" + "a" * 201, ("?correlation_id", "max_length")),
        ("event_type=a&event_type=b", ("?event_type", "repeated")),
        ("limit=501", ("?limit", "max_value")),
        ("cursor=x", ("?cursor", "invalid")),
        ("cursor=WyJhIl0", ("?cursor", "invalid")),
        ("cursor=WzEsMl0", ("?cursor", "invalid")),
        ("evnt_type=x", ("?evnt_type", "unknown_parameter")),
    ],
)
def test_filters_that_are_refused(query: str, fault: tuple[str, str], history: Api) -> None:
    assert faults_of(history.get(f"/events?{query}")) == {fault}


def test_pages_are_stable_while_events_arrive(api: Api) -> None:
    for number in range(1, 26):
        journalled(number)
    seen, query, arrived = [], "limit=7", 100
    while query:
        page = api.get(f"/events?{query}").json()
        seen += [one["entity_id"] for one in page["results"]]
        journalled(arrived)
        arrived += 1
        query = f"limit=7&cursor={page['next']}" if page["next"] else ""
    assert seen == list(range(25, 0, -1))


def test_a_page_is_one_query(history: Api) -> None:
    with CaptureQueriesContext(connection) as asked:
        history.get("/events?limit=500")
    assert len(reads_of(asked)) == 1
    assert len(asked) == 4  # a transaction that bounds how long it may take
    with CaptureQueriesContext(connection) as asked:
        history.get(f"/events/{JournalEntry.objects.get(stream_id='1-0').event_id}")
    assert len(asked) == 2  # one is the test's own


@pytest.mark.parametrize("query", ["event_type=order_created", "entity_type=Product&entity_id=7", "correlation_id=x"])
def test_searches_use_an_index(query: str, api: Api) -> None:
    for number in range(200):
        journalled(number)
    with CaptureQueriesContext(connection) as asked:
        api.get(f"/events?{query}")
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {reads_of(asked)[0]}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "Index Scan" in plan or "Bitmap" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_a_search_that_takes_too_long_is_given_up(history: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SEARCH_SECONDS", 0.05)
    journal = selectors.journal
    slow = lambda **asked: journal(**asked).extra(where=["pg_sleep(5) IS NOT NULL"])  # noqa: E731
    monkeypatch.setattr(selectors, "journal", slow)
    answer = history.get("/events?version=9.9")
    assert (answer.status_code, answer.json()["code"]) == (422, "search_too_broad")
    monkeypatch.undo()
    assert found(history, "version=2.0") == ["3-0"]
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] != "50ms"


def test_a_page_of_large_events_is_short(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGE_BYTES", 10_000)
    for number in range(1, 8):
        journalled(number, data={"text": "a" * (20_000 if number == 4 else 4_000)})
    journalled(8, data=None)
    pages, query = [], "limit=5"
    while query:
        page = api.get(f"/events?{query}").json()
        pages.append([one["entity_id"] for one in page["results"]])
        query = f"limit=5&cursor={page['next']}" if page["next"] else ""
    assert pages == [[8, 7, 6], [5], [4], [3, 2], [1]]


# --- Companies --------------------------------------------------------------------------------------------------------


@pytest.fixture
def companies(api: Api) -> Api:
    """Events of three companies and of all of them, turn and turn about, and one that nobody can read."""
    for number in range(1, 31):
        journalled(number, company_id=(None, 7, 8)[number % 3])
    Journal().write([received({"company_id": "seven", "event_type": "secret of somebody"}, entry_id="99-0")], now=NOW)
    return api


@pytest.mark.parametrize(("own", "expected"), [(frozenset({7}), 20), (frozenset({7, 8}), 30), (frozenset(), 10)])
def test_another_companys_events_are_not_there(own: Any, expected: int, companies: Api, come_in_as: Any) -> None:
    come_in_as(Principal("service", "product-service", own))
    seen: list[dict[str, Any]] = []
    pages, query = 0, "limit=5"
    while query:
        page = companies.get(f"/events?{query}").json()
        seen += page["results"]
        pages += 1
        query = f"limit=5&cursor={page['next']}" if page["next"] else ""
    assert len(seen) == len({one["id"] for one in seen}) == expected
    assert {one["company_id"] for one in seen} <= {None, *own}
    assert pages == expected / 5  # a full page hides nothing behind it that is another's
    for row in JournalEntry.objects.all():
        visible = row.verdict != "undecodable" and row.company_id in {None, *own}
        for key in (row.pk, quote(row.event_id, safe="")):
            answer = companies.get(f"/events/{key}")
            assert answer.status_code == (200 if visible else 404)
    assert found(companies, "company_id=9") == []


def test_a_cursor_of_another_company_opens_nothing(companies: Api, come_in_as: Any) -> None:
    cursor = companies.get("/events?limit=1&company_id=8").json()["next"]
    come_in_as(Principal("service", "product-service", frozenset({7})))
    for query in (f"cursor={cursor}", f"cursor={cursor}&company_id=8"):
        shown = companies.get(f"/events?{query}").json()["results"]
        assert {one["company_id"] for one in shown} <= {None, 7}


def test_what_nobody_can_read_is_shown_to_those_who_see_all(companies: Api) -> None:
    assert found(companies, "verdict=undecodable") == ["99-0"]


# --- One event --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_happened_does_not_change(verb: str, history: Api) -> None:
    row = JournalEntry.objects.get(stream_id="1-0")
    answer = history.send(verb, f"/events/{row.pk}", {})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert {*answer.headers["Allow"].split(", ")} == {"GET", "HEAD", "OPTIONS"}
    assert JournalEntry.objects.count() == 5


@pytest.mark.parametrize(
    "key", ["0", "9" * 18, "9" * 400, str(UUID(int=0)), "nobody", "%00", "%FF", "..%2F", "a" * 3000, "'; --", "types/x"]
)
def test_nothing_is_there(key: str, history: Api) -> None:
    answer = history.get(f"/events/{key}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.content


def test_an_id_that_came_again_days_later_means_the_newest(api: Api) -> None:
    event_id = str(uuid4())
    with connection.cursor() as cursor:
        cursor.execute("SELECT events_journal_partition('2026-05-01'), events_journal_partition('2026-05-04')")
    old = journalled(1, event_id=event_id, recorded_at=NOW - dt.timedelta(days=3))
    new = journalled(2, event_id=event_id, recorded_at=NOW)
    assert api.get(f"/events/{event_id}").json()["id"] == new.pk
    assert api.get(f"/events/{old.pk}").json()["stream_id"] == "1-0"


def test_reads_carry_a_strong_tag(history: Api) -> None:
    for path in ("/events", f"/events/{JournalEntry.objects.get(stream_id='1-0').pk}"):
        tag = history.get(path).headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]+"', tag)
        assert history.get(path, headers={"If-None-Match": tag}).status_code == 304
        head = history.send("HEAD", path)
        assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", tag)
