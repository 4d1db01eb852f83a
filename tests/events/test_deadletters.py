"""Dead letters: stored once, whatever they hold; decided on once, whoever clicks at the same time."""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.db.utils import DatabaseError
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.core.tenancy import system, use
from apps.events import deadletters, selectors, services
from apps.events.models import DeadLetter, OutboxEntry
from tests.events.conftest import make_event
from tests.events.received import dead
from xerpium_sdk.wire.keys import STREAM_EVENTS, stream_of_replays

pytestmark = pytest.mark.usefixtures("transactional_db")

NOW = dt.datetime(2031, 5, 6, 12, 0, tzinfo=dt.UTC)


def store(*entries: Any) -> int:
    return deadletters.store(entries, now=NOW)


def letters(count: int, **fields: Any) -> list[int]:
    store(*(dead(number, **fields) for number in range(1, count + 1)))
    return list(DeadLetter.objects.order_by("id").values_list("pk", flat=True))


@use(system("tests"))
def replay(ids: Any, actor: str = "anna") -> int:
    try:
        return services.dead_letters_replay(ids=ids, actor=actor, now=timezone.now())
    finally:
        if connection.vendor == "postgresql" and not connection.in_atomic_block:
            connections.close_all()


def test_a_dead_letter_is_stored_with_its_reason_and_its_fields() -> None:
    assert store(dead(3, company_id="5")) == 1
    letter = DeadLetter.objects.get()
    assert (letter.entry_id, letter.group, letter.handler) == ("3-0", "shop-group", "shop.handlers.stock")
    assert (letter.reason, letter.attempts, letter.stream, letter.stream_id) == (
        "max_attempts",
        5,
        STREAM_EVENTS,
        "3-7",
    )
    assert letter.error.endswith("no shelf")
    assert letter.dead_at == dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
    assert (letter.event_type, letter.entity_id, letter.company_id) == ("product_created", "3", 5)
    assert set(letter.fields) == set(make_event().encode())
    assert (letter.is_text, letter.state, letter.replay_of) == (True, "waiting", None)


def test_what_comes_twice_is_stored_once() -> None:
    first = dead(1)
    assert store(first, first) == 1
    assert store(first, dead(2)) == 1


@pytest.mark.parametrize(
    ("original", "is_text"),
    [
        ({b"\xff": b"\xfe"}, False),
        ({"a": b"\x00"}, False),
        ({"data": "x" * 9_000_000}, False),
        ({f"f{number}": "" for number in range(500)}, True),
        ({"data": "\\u0000"}, True),
        ({"event_type": "x" * 10_000, "event_id": "y" * 10_000, "entity_type": "z" * 9999}, True),
        ({"company_id": "99999999999999999999", "correlation_id": "c" * 300}, True),
    ],
    ids=range(7),
)
def test_whatever_it_holds_it_is_stored(original: dict[Any, Any], is_text: bool) -> None:
    assert store(dead(1), dead(2, original=original), dead(3)) == 3
    letter = DeadLetter.objects.get(entry_id="2-0")
    assert letter.is_text is is_text
    if is_text:
        assert letter.fields == original
    assert replay([letter.pk]) == int(is_text)


@pytest.mark.parametrize(
    "about",
    [
        {"dead_attempts": "many"},
        {"dead_attempts": "-5"},
        {"dead_attempts": "99999999999"},
        {"dead_at": "yesterday"},
        {"dead_reason": ""},
        {"dead_error": "e" * 100_000},
        {"dead_group": b"\xff" * 3000},
        {"dead_stream": "\0"},
        {"replay_of": "12345"},
        {"replay_of": "me"},
        {"replay_of": "99999999999999999999"},
    ],
    ids=str,
)
def test_what_is_wrong_about_it_is_borne(about: dict[str, Any]) -> None:
    assert store(dead(1, **about), dead(2)) == 2
    assert DeadLetter.objects.get(entry_id="1-0").replay_of is None


def test_a_replay_carries_the_original_to_its_group() -> None:
    (key,) = letters(1)
    before = timezone.now()
    assert replay([key]) == 1
    letter = DeadLetter.objects.get()
    assert (letter.state, letter.decided_by) == ("replayed", "anna")
    assert letter.decided_at
    assert letter.decided_at >= before
    sent = OutboxEntry.objects.get()
    assert sent.stream == stream_of_replays("shop-group")
    assert sent.fields == {**letter.fields, "replay_of": str(key), "replay_stream": STREAM_EVENTS}
    assert replay([key]) == 0
    assert OutboxEntry.objects.count() == 1


def test_what_names_no_group_can_only_be_discarded() -> None:
    (key,) = letters(1, dead_group="")
    assert replay([key]) == 0
    assert services.dead_letters_discard(ids=[key], actor="anna", now=NOW) == 1


def test_a_replay_that_fails_again_names_the_first_one() -> None:
    (key,) = letters(1)
    again = dead(9, dead_stream=stream_of_replays("shop-group"), replay_of=str(key), replay_stream=STREAM_EVENTS)
    store(again)
    letter = DeadLetter.objects.get(entry_id="9-0")
    assert (letter.replay_of_id, letter.stream) == (key, STREAM_EVENTS)
    assert not {"replay_of", "replay_stream"} & set(letter.fields)


def test_two_who_replay_at_once_send_each_once() -> None:
    keys = letters(1200)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(replay, [keys] * 4, ["a", "b", "c", "d"]))
    assert sum(counts) == 1200
    assert OutboxEntry.objects.count() == 1200
    assert not selectors.dead_letters(state="waiting").exists()
    order = [int(row.fields["replay_of"]) for row in OutboxEntry.objects.order_by("id")]
    assert sorted(order) == keys


def test_one_who_discards_and_one_who_replays_do_not_both_count() -> None:
    keys = letters(600)

    @use(system("tests"))
    def discard(ids: list[int]) -> int:
        try:
            return services.dead_letters_discard(ids=ids, actor="ben", now=timezone.now())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        discarded, replayed = pool.submit(discard, keys), pool.submit(replay, keys)
    assert discarded.result() + replayed.result() == 600
    assert OutboxEntry.objects.count() == replayed.result()
    assert DeadLetter.objects.filter(state="discarded", decided_by="ben").count() == discarded.result()


def test_all_of_a_filter_and_none_that_comes_after() -> None:
    letters(700)
    store(dead(1001, dead_group="mail-group"))
    chosen = selectors.dead_letters(group="shop-group", q="shelf")
    assert replay(chosen) == 700
    assert replay(chosen) == 0
    assert services.dead_letters_discard(ids=selectors.dead_letters(state="waiting"), actor="x", now=NOW) == 1
    assert selectors.dead_letters_waiting() == 0


def test_replay_is_all_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (key,) = letters(1)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events_outboxentry ADD CONSTRAINT no_more CHECK (false) NOT VALID")
        try:
            with pytest.raises(DatabaseError):
                replay([key])
        finally:
            connection.cursor().execute("ALTER TABLE events_outboxentry DROP CONSTRAINT no_more")
    assert DeadLetter.objects.get().state == "waiting"


def test_companies_see_their_own_and_nobody_sees_what_is_nobodys() -> None:
    store(dead(1, company_id="5"), dead(2, company_id="6"), dead(3), dead(4, company_id="five"))
    seen = selectors.dead_letters(companies=frozenset({5}))
    assert sorted(seen.values_list("entry_id", flat=True)) == ["1-0", "3-0"]
    assert selectors.dead_letters().count() == 4


def test_searching() -> None:
    store(dead(1), dead(2, dead_group="mail-group", dead_error=json.dumps("smtp away")))
    assert [found.entry_id for found in selectors.dead_letters(q="SMTP")] == ["2-0"]
    assert [found.entry_id for found in selectors.dead_letters(group="shop-group")] == ["1-0"]
    day = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    assert selectors.dead_letters(since=day, until=day + dt.timedelta(days=1)).count() == 2
    assert selectors.dead_letters(since=day + dt.timedelta(days=1)).count() == 0


@pytest.mark.parametrize("group", ["", b"a\0b", b"\xff", "x" * 201])
def test_a_group_whose_name_is_not_kept_as_it_is_cannot_be_sent_to(group: str | bytes) -> None:
    store(dead(1, dead_group=group))
    letter = DeadLetter.objects.get()
    assert not letter.is_text
    assert replay([letter.pk]) == 0
    letter.refresh_from_db()
    assert letter.state == DeadLetter.State.WAITING


def test_decisions_are_in_the_audit_for_each_company_by_itself() -> None:
    store(dead(1, company_id="5"), dead(2, company_id="6"), dead(3, company_id="5"))
    first, second, third = DeadLetter.objects.order_by("id").values_list("pk", flat=True)

    assert replay([first, second, third]) == 3
    assert services.dead_letters_discard(ids=[first], actor="anna", now=NOW) == 0  # decided already: no entry

    told = {entry.company_id: entry for entry in AuditEntry.objects.filter(object_type="dead_letter")}
    assert {number: entry.object_id for number, entry in told.items()} == {5: f"{first} to {third}", 6: str(second)}
    assert told[5].action == "replayed"
    assert told[5].after == {"count": 2, "ids": [first, third], "what": {"product_created of shop-group": 2}}
