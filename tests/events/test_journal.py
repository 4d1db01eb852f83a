"""The journal: everything is in it, once, whatever it holds."""

import datetime as dt
import json
import time
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.utils import OperationalError
from django.utils import timezone

from apps.core.tenancy import company, use
from apps.events import partitions, services
from apps.events.journal import Journal
from apps.events.models import EventTypeHour, JournalEntry
from apps.events.selectors import event_types
from apps.events.services import retention
from tests.events.received import event, received
from tests.support.database import database_away
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_HUB

pytestmark = pytest.mark.usefixtures("transactional_db")

NOW = dt.datetime(2031, 5, 6, 12, 0, tzinfo=dt.UTC)


def write(*entries: Any, now: dt.datetime = NOW) -> int:
    return Journal().write(entries, now=now)


def only() -> JournalEntry:
    return JournalEntry.objects.get()


def partition_of(row: JournalEntry) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM events_journalentry WHERE id = %s", [row.pk])
        return str(cursor.fetchone()[0])


def test_an_event_is_stored_as_it_came() -> None:
    came = event(7, company_id="3", user_id="9", correlation_id="order-1", data='{"name": "Händler 😀"}')
    assert write(came) == 1
    row = only()
    assert came.envelope
    assert (row.stream, row.stream_id, row.event_id) == (STREAM_EVENTS, "7-0", came.envelope.event_id)
    assert (row.event_type, row.service_name, row.entity_type) == ("product_created", "xerpium-hub", "service")
    assert (row.entity_id, row.company_id, row.user_id, row.correlation_id) == ("7", 3, "9", "order-1")
    assert (row.data, row.version, row.extra) == ({"name": "Händler 😀"}, "1.0", None)
    assert (row.timestamp, row.recorded_at) == ("2026-01-02T03:04:05.678Z", NOW)
    assert row.occurred_at == dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
    assert (row.verdict, row.fault) == ("unverified", "")


def test_what_comes_twice_is_stored_once() -> None:
    first, second = event(1), event(2)
    assert write(first, second, first) == 2
    assert write(second, event(3)) == 1
    assert JournalEntry.objects.count() == 3


def test_a_batch_is_stored_in_the_order_of_its_streams() -> None:
    write(*(event(number) for number in range(1, 200)))
    ids = JournalEntry.objects.order_by("id").values_list("stream_id", flat=True)
    assert list(ids) == [f"{number}-0" for number in range(1, 200)]


def test_once_also_when_midnight_lies_between() -> None:
    retention.journal_prepare(now=NOW)
    before, after = NOW.replace(hour=23, minute=59, second=59), NOW.replace(hour=0) + dt.timedelta(days=1)
    again = event(1)
    assert write(again, event(2), now=before) == 2
    assert write(again, event(3), now=after) == 1
    rows = {row.stream_id: partition_of(row) for row in JournalEntry.objects.all()}
    assert rows == {
        "1-0": "events_journalentry_20310506",
        "2-0": "events_journalentry_20310506",
        "3-0": "events_journalentry_20310507",
    }


def test_once_also_when_nobody_consumed_for_days_after_a_kill() -> None:
    published = NOW - dt.timedelta(days=5, minutes=3)
    entry = event(1)
    old = received(entry.fields, entry_id=f"{int(published.timestamp() * 1000)}-0")
    assert write(old, now=published + dt.timedelta(seconds=1)) == 1
    assert write(old, event(2), now=NOW) == 1


def test_a_day_that_nobody_prepared_is_prepared_by_the_writer() -> None:
    far = NOW + dt.timedelta(days=200)
    write(event(1), now=far)
    assert partition_of(only()) == f"events_journalentry_{far:%Y%m%d}"
    assert [day for _, day in partitions.days()][-1] == (far + dt.timedelta(days=7)).date()


def test_bringing_the_database_up_to_date_prepares_the_days_to_come(settings: Any) -> None:
    settings.HUB_ADMIN_PASSWORD = "made up for this test"
    retention.journal_prune(now=NOW + dt.timedelta(days=1000))
    assert partitions.days() == []
    call_command("preparehub", stdout=StringIO())
    today = timezone.now().date()
    assert [day for _, day in partitions.days()] == [today + dt.timedelta(days=ahead) for ahead in range(8)]


def test_a_day_without_a_partition_loses_nothing_and_gets_one_later(dsn: str) -> None:
    far = NOW + dt.timedelta(days=400)
    again = event(1)
    with psycopg.connect(dsn) as other:
        other.execute("SELECT count(*) FROM events_journalentry")  # and holds its locks
        assert write(again, now=far) == 1
        assert partition_of(only()) == "events_journalentry_other"
    assert write(again, now=far) == 0
    assert partition_of(only()) == f"events_journalentry_{far:%Y%m%d}"
    assert write(again, event(2), now=far) == 1


def test_retention_drops_whole_days(settings: Any) -> None:
    settings.EVENTS_JOURNAL_DAYS = 30
    retention.journal_prepare(now=NOW)
    later = NOW + dt.timedelta(days=31)
    write(event(1), now=NOW)
    write(event(2), now=NOW + dt.timedelta(days=1))
    assert retention.journal_prune(now=later) >= 1  # and the days of the migration
    assert list(JournalEntry.objects.values_list("stream_id", flat=True)) == ["2-0"]
    assert retention.journal_prune(now=later) == 0
    retention.journal_prune(now=NOW + dt.timedelta(days=1000))


def test_a_long_query_holds_up_retention_and_not_the_journal(dsn: str) -> None:
    retention.journal_prepare(now=NOW)
    with psycopg.connect(dsn) as other:
        other.execute("SELECT count(*) FROM events_journalentry")
        assert retention.journal_prune(now=NOW + dt.timedelta(days=1000)) == 0
        assert write(event(1)) == 1
    assert retention.journal_prune(now=NOW + dt.timedelta(days=1000)) >= 8


def test_counts_by_hour_tell_of_each_event_once() -> None:
    again = event(1)
    write(again, event(2), event(3, "user_login"))
    write(again, event(4, "user_login"), now=NOW + dt.timedelta(minutes=59))
    write(event(5, "user_login"), now=NOW + dt.timedelta(minutes=60))
    hours = EventTypeHour.objects.order_by("event_type", "hour").values_list("event_type", "hour__hour", "count")
    assert list(hours) == [("product_created", 12, 2), ("user_login", 12, 2), ("user_login", 13, 1)]


def test_each_company_has_counts_of_its_own_and_nobody_those_of_what_cannot_be_read() -> None:
    theirs = [event(number, company_id=of) for number, of in enumerate(("1", "1", "2", ""), start=1)]
    write(*theirs, event(9, company_id="", entity_id="none"), event(10, company_id="1", entity_id="none"))
    assert dict(EventTypeHour.objects.values_list("company_id", "count")) == {1: 3, 2: 1, None: 1}
    with use(company(2)):
        assert {view.event_type: view.count_24h for view in event_types(now=NOW)}["product_created"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"data": '{"a": "\\u0000", "b\\ud800": ["\\uDFFF", "\\ud83d\\ude00"]}'},
        {"data": b'{"a": "\xff"}'},
        {"data": "{" * 5000},
        {"data": '{"a":' + "[" * 3000 + "]" * 3000 + "}"},
        {"data": '{"a": 1e200000}'},
        {"data": '{"a": ' + "9" * 4000 + "}"},
        {"data": "[1]"},
        {"data": "NaN"},
        {"data": json.dumps({"a": "x" * 2_000_000})},
        {"event_id": "x" * 100_000},
        {"event_id": "a\0b"},
        {"event_id": ""},
        {"event_type": "x" * 100_000},
        {"service_name": "a\0b", "entity_type": "\0"},
        {"correlation_id": "\u0000" + "y" * 3000},
        {"entity_id": "seven"},
        {"company_id": "99999999999999999999"},
        {"user_id": "٣"},
        {"timestamp": "yesterday"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"timestamp": "9999-12-31T23:59:59.999999-12:00"},
        {"timestamp": "0001-01-01T00:00:00Z"},
        {"timestamp": "9999-12-31T23:59:59Z"},
        {"timestamp": b"\xff"},
        {"version": "v" * 500},
        {b"\xff\x00": b"\x00\xff", "more": "1"},
        {f"field {number}": "x" for number in range(1000)},
        {"extra": b"\xff" * 1_000_000},
    ],
    ids=lambda fields: f"{next(iter(fields))!s}-{len(str(fields))}"[:40],
)
def test_nothing_is_refused_and_nothing_stops_the_others(fields: dict[Any, Any]) -> None:
    odd = event(2, **{name: value for name, value in fields.items() if isinstance(name, str)})
    odd = received({**odd.fields, **fields}, entry_id="2-0")
    assert write(event(1), odd, event(3)) == 3
    row = JournalEntry.objects.get(stream_id="2-0")
    assert row.stream == STREAM_EVENTS
    if odd.envelope is None:
        assert (row.verdict, row.event_id) == ("undecodable", f"{STREAM_EVENTS}/2-0")
        assert row.fault
        assert row.extra
    assert write(event(1), odd) == 1  # a new event 1, and the odd one is known


def test_what_is_no_event_at_all_is_stored_with_its_fields() -> None:
    assert write(received({"hello": "world", b"\xfe": b"\xff\x00"})) == 1
    row = only()
    assert (row.verdict, row.event_id, row.data) == ("undecodable", f"{STREAM_EVENTS}/1-0", None)
    assert row.extra == {"hello": "world", "\\xfe": "\\xff�"}
    assert row.fault


def test_an_unreadable_entry_can_be_found_by_what_it_says() -> None:
    write(event(1, entity_id="seven", company_id="5"))
    row = only()
    assert (row.event_type, row.entity_id, row.company_id) == ("product_created", "seven", 5)


def test_fields_beyond_the_eleven_are_kept() -> None:
    write(event(1, traceparent="00-1"))
    assert (only().verdict, only().extra) == ("unverified", {"traceparent": "00-1"})


def test_of_too_much_data_a_part_is_kept() -> None:
    write(event(1, data=json.dumps({"a": "x" * 2_000_000})))
    row = only()
    assert row.data is None
    assert row.extra["data"].startswith('{"a": "xxx')
    assert "journal keeps the first 65,536" in row.fault


def test_what_postgresql_alone_refuses_is_stored_without_its_data() -> None:
    assert write(*(event(number) for number in range(1, 20)), event(20, data='{"a": 1e-200000}'), event(21)) == 21
    row = JournalEntry.objects.get(stream_id="20-0")
    assert (row.data, row.verdict, row.event_type) == (None, "unverified", "product_created")
    assert row.fault.startswith("PostgreSQL refuses it: ")
    assert JournalEntry.objects.exclude(data=None).count() == 20


def test_verdicts() -> None:
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    services.type_declare(event_type="parcel_sent", service_name="shop", schema=schema, actor="shop")
    services.type_declare(event_type="parcel_lost", service_name="shop", company_id=3, schema=schema, actor="shop")
    services.type_declare(event_type="parcel_found", service_name="shop", actor="shop")
    write(
        event(1, "parcel_sent", stream=STREAM_EVENTS_CUSTOM),
        event(2, "parcel_sent", stream=STREAM_EVENTS_CUSTOM, data='{"number": "two"}'),
        event(3, "parcel_sent", stream=STREAM_EVENTS_CUSTOM, data="{}"),
        event(4, "parcel_found", stream=STREAM_EVENTS_CUSTOM),
        event(5, "parcel_lost", stream=STREAM_EVENTS_CUSTOM),
        event(6, "parcel_lost", stream=STREAM_EVENTS_CUSTOM, company_id="3"),
        event(7, "parcel_unheard_of", stream=STREAM_EVENTS_CUSTOM),
        event(8, "user_login"),
        event(9, "service_registered", stream=STREAM_HUB),
        event(10, "user_login", data="{"),
    )
    rows = {row.stream_id: row for row in JournalEntry.objects.all()}
    assert [rows[f"{number}-0"].verdict for number in range(1, 11)] == [
        *("valid", "mismatch", "mismatch", "unverified", "undeclared"),
        *("valid", "undeclared", "unverified", "unverified", "undecodable"),
    ]
    assert rows["2-0"].fault == '/number: The value is not of type "integer"'
    assert rows["3-0"].fault == "/number: This field is required."


def test_a_declaration_of_another_process_counts_within_a_second() -> None:
    journal = Journal()
    journal.write([event(1, "parcel_sent", stream=STREAM_EVENTS_CUSTOM)], now=NOW)
    with connection.cursor() as cursor:  # as another process would: nobody here is told
        cursor.execute(
            "INSERT INTO events_eventtypedeclaration (event_type, service_name, description, created_at, updated_at)"
            " VALUES ('parcel_sent', 'shop', '', now(), now())"
        )
    deadline = time.monotonic() + 1.5
    number = 1
    while time.monotonic() < deadline:
        number += 1
        journal.write([event(number, "parcel_sent", stream=STREAM_EVENTS_CUSTOM)], now=NOW)
        if JournalEntry.objects.get(stream_id=f"{number}-0").verdict == "unverified":
            return
    pytest.fail("the declaration went unnoticed")


def test_a_database_that_is_away_is_told_from_an_entry_that_is_refused() -> None:
    with database_away(), pytest.raises(OperationalError):
        write(event(1))
    assert write(event(1)) == 1
