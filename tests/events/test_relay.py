"""The relay: everything committed arrives, in order, whatever breaks in between."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from apps.core import redis
from apps.events import relay as relay_module
from apps.events import services
from apps.events.models import OutboxEntry
from apps.events.outbox import Outbox
from apps.events.relay import Relay
from tests.events.conftest import Totals, make_event, running
from tests.support.wait import wait_until
from xerpium_sdk.wire.envelope import FIELDS, Envelope
from xerpium_sdk.wire.keys import REGISTRY_CATALOG, REGISTRY_CHANGES, RELAY_ALIVE, STREAM_HUB, stream_of_replays


def publish(count: int, start: int = 0) -> list[str]:
    events = [make_event(number) for number in range(start, start + count)]
    with transaction.atomic():
        services.publish_many(events)
    return [event.event_id for event in events]


def change(revision: int, name: str, value: str) -> None:
    text = json.dumps({"revision": revision, "name": name, "value": value})
    with transaction.atomic():
        services.append(REGISTRY_CHANGES, {"change": text}, entry_id=f"{revision}-0")


def insert_raw(fields: Any, *, entry_id: str | None = None, stream: str = STREAM_HUB) -> int:
    return OutboxEntry.objects.create(stream=stream, fields=fields, entry_id=entry_id).pk


def entries(stream: str = STREAM_HUB) -> Any:
    return redis.client().xrange(stream)


def reached(length: int) -> bool:
    return redis.client().xlen(STREAM_HUB) == length


def event_ids() -> list[str]:
    return [fields["event_id"] for _, fields in entries()]


def drain(relay: Relay) -> None:
    """Step until nothing is pending."""
    wait_until(lambda: relay.step() is False, description="the outbox to be empty")


def pending() -> int:
    return OutboxEntry.objects.filter(relayed_as=None, parked_at=None).count()


def lose_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'xerpium relay' AND datname = current_database()"
        )


def test_events_arrive_in_order_as_they_were_written(relay: Relay) -> None:
    sent = publish(1200)
    drain(relay)
    assert event_ids() == sent
    fields = entries()[7][1]
    assert tuple(fields) == FIELDS
    assert Envelope.decode(fields).data == {"number": 7}
    assert relay.relayed == 1200


def test_a_commit_is_seen_at_once(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    # A relay that is not woken would look only every two seconds.
    monkeypatch.setattr(relay_module, "BEAT_SECONDS", 2.0)
    delays = []
    with running(relay):
        for number in range(1, 12):
            publish(1, number)
            committed = time.monotonic()
            wait_until(partial(reached, number), description="the event in the stream")
            delays.append(time.monotonic() - committed)
    assert sorted(delays)[5] < 0.1


def test_a_lower_id_that_commits_later_is_not_passed_over(relay: Relay, dsn: str) -> None:
    insert = services.outbox_insert("VALUES ('xerpium:hub', NULL, jsonb_build_object('event_id', 'late'))")
    with psycopg.connect(dsn, options="-c xerpium.scope=everything") as other:
        other.execute(insert)
        sent = publish(1)
        drain(relay)
        assert event_ids() == sent
        other.commit()
    drain(relay)
    assert event_ids() == [*sent, "late"]


def test_an_entry_with_an_id_is_appended_once(relay: Relay, totals: Totals) -> None:
    for _ in range(2):
        change(1, "a", "first")
    drain(relay)
    assert [entry_id for entry_id, _ in entries(REGISTRY_CHANGES)] == ["1-0"]
    assert OutboxEntry.objects.count() == 0


def test_streams_are_bounded(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(relay_module.MAX_LENGTH, STREAM_HUB, 100)
    publish(1000)
    drain(relay)
    assert 100 <= redis.client().xlen(STREAM_HUB) < 300


def test_a_crash_between_appending_and_settling_loses_nothing(
    relay: Relay, make_relay: Callable[[], Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(1, "a", "first")
    sent = publish(3)
    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "settle", _connection_lost)
        with pytest.raises(psycopg.OperationalError):
            relay.step()
    drain(make_relay())
    assert event_ids() == sent * 2
    assert len(entries(REGISTRY_CHANGES)) == 1
    assert pending() == 0


def _connection_lost(*args: Any, **options: Any) -> None:
    raise psycopg.OperationalError("connection lost")


def test_rows_that_cannot_be_sent_are_set_aside(relay: Relay) -> None:
    before = publish(1)
    bad = [
        insert_raw({"number": 1}),
        insert_raw({}),
        insert_raw(["no", "object"]),
        insert_raw({"a": "b"}, entry_id="yesterday"),
        insert_raw({"a": "b"}, entry_id="0-0"),
    ]
    after = publish(1)
    drain(relay)
    assert event_ids() == before + after
    parked = OutboxEntry.objects.filter(parked_at__isnull=False)
    assert set(parked.values_list("pk", flat=True)) == set(bad)
    assert all(parked.values_list("error", flat=True))


def test_a_parked_row_goes_when_it_was_mended(relay: Relay) -> None:
    row = insert_raw({"event_id": 5})
    drain(relay)
    OutboxEntry.objects.filter(pk=row).update(fields={"event_id": "5"})
    assert services.outbox_unpark(ids=[row]) == 1
    drain(relay)
    assert event_ids() == ["5"]
    assert OutboxEntry.objects.get().error == ""


def test_a_key_of_another_type_stops_only_its_own_stream(relay: Relay) -> None:
    redis.client().set(REGISTRY_CHANGES, "not a stream", ex=60)
    change(1, "a", "first")
    sent = publish(1)
    drain(relay)
    assert event_ids() == sent
    assert "WRONGTYPE" in OutboxEntry.objects.get(stream=REGISTRY_CHANGES).error


def test_a_change_that_the_projection_cannot_read_is_parked_and_the_projection_built_again(
    relay: Relay, totals: Totals
) -> None:
    change(1, "a", "first")
    drain(relay)
    insert_raw({"change": "{"}, entry_id="2-0", stream=REGISTRY_CHANGES)
    totals.truth, totals.revision = {"a": "second"}, 2
    change(3, "b", "third")
    drain(relay)
    assert redis.client().hgetall(REGISTRY_CATALOG) == {"a": "second", "b": "third", "meta": "3"}
    assert [entry_id for entry_id, _ in entries(REGISTRY_CHANGES)] == ["1-0", "3-0"]
    assert OutboxEntry.objects.get().parked_at


def test_an_emptied_redis_is_filled_again(relay: Relay, totals: Totals) -> None:
    sent = publish(3)
    with running(relay):
        wait_until(lambda: pending() == 0, description="the events to be relayed")
        totals.truth, totals.revision = {"a": "first"}, 1
        redis.client().flushdb()
        wait_until(lambda: redis.client().hget(REGISTRY_CATALOG, "a") == "first", 2, "the projection to be back")
        wait_until(lambda: len(event_ids()) == 3, description="the events to be sent again")
        sent += publish(1, 3)
        wait_until(lambda: len(event_ids()) == 4, description="a new event")
    assert event_ids() == sent


def test_a_rebuilt_projection_is_not_set_back_by_older_changes(
    relay: Relay, totals: Totals, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain(relay)
    change(1, "a", "first")
    change(2, "a", "second")
    totals.truth, totals.revision = {"a": "second"}, 2
    redis.client().flushdb()
    seen = []
    original = totals.project

    def look_first(pipeline: redis.Pipeline, changes: Any) -> None:
        seen.append(redis.client().hget(REGISTRY_CATALOG, "a"))
        original(pipeline, changes)

    monkeypatch.setattr(totals, "project", look_first)
    drain(relay)
    assert seen[-1] == "second"
    assert redis.client().hgetall(REGISTRY_CATALOG) == {"a": "second", "meta": "2"}
    assert [entry_id for entry_id, _ in entries(REGISTRY_CHANGES)] == ["1-0", "2-0"]


def test_only_what_redis_lost_is_sent_again(relay: Relay, make_relay: Callable[[], Relay]) -> None:
    sent = publish(5)
    drain(relay)
    relay.close()
    ids = [entry_id for entry_id, _ in entries()]
    redis.client().xdel(STREAM_HUB, *ids[3:])
    redis.client().execute_command("XSETID", STREAM_HUB, ids[2])
    drain(make_relay())
    assert event_ids() == sent
    assert [entry_id for entry_id, _ in entries()][:3] == ids[:3]


def test_streams_of_which_nothing_is_kept_are_not_asked_after_any_more(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "TIDY_SECONDS", 0.0)
    monkeypatch.setattr(relay_module, "BEAT_SECONDS", 0.0)
    with transaction.atomic():
        services.append(stream_of_replays("shop"), make_event(1).encode())
    publish(1)
    drain(relay)
    OutboxEntry.objects.filter(stream=stream_of_replays("shop")).delete()
    asked: list[str] = []
    ask = relay._last_id
    monkeypatch.setattr(relay, "_last_id", lambda stream: asked.append(stream) or ask(stream))
    relay.step()
    asked.clear()
    relay.step()
    assert set(asked) == {STREAM_HUB}


def test_a_relay_that_stood_still_does_not_write_after_its_successor(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = publish(2)
    fetch = Outbox.pending

    def fetch_and_stand_still(outbox: Outbox, limit: int) -> Any:
        rows = fetch(outbox, limit)
        redis.client().set(RELAY_ALIVE, "the successor's", px=3000)
        return rows

    with monkeypatch.context() as stalled:
        stalled.setattr(Outbox, "pending", fetch_and_stand_still)
        relay.step()
    assert event_ids() == []
    drain(relay)
    assert event_ids() == sent


def test_a_lost_database_session_is_noticed_and_replaced(relay: Relay) -> None:
    lose_session()
    sent = publish(2)
    with pytest.raises(psycopg.OperationalError):
        drain(relay)
    drain(relay)
    assert event_ids() == sent


def test_a_cut_redis_connection_loses_and_doubles_nothing(relay: Relay) -> None:
    sent = publish(1)
    drain(relay)
    redis.client().connection_pool.disconnect()
    sent += publish(2, 1)
    drain(relay)
    assert event_ids() == sent


def test_a_second_relay_stands_by_until_the_first_is_gone(relay: Relay, make_relay: Callable[[], Relay]) -> None:
    standby = make_relay()
    assert standby.step() is False
    first = publish(1)
    assert standby.step() is False
    drain(relay)
    relay.close()
    second = publish(1, 1)
    drain(standby)
    assert event_ids() == first + second
    assert (relay.relayed, standby.relayed) == (1, 1)


def test_the_sign_of_life_expires(relay: Relay) -> None:
    before = int(time.time() * 1000)
    relay.step()
    assert before - 1000 <= int(redis.client().get(RELAY_ALIVE) or 0) <= int(time.time() * 1000)
    assert 0 < redis.client().pttl(RELAY_ALIVE) <= 3000


def test_an_idle_relay_renews_its_sign_of_life(relay: Relay) -> None:
    with running(relay):
        first = redis.client().get(RELAY_ALIVE)
        wait_until(lambda: redis.client().get(RELAY_ALIVE) != first, 1.5, "a new sign of life")


@pytest.mark.django_db
def test_a_stream_feeds_one_projection(totals: Totals) -> None:
    from apps.events import projections

    with pytest.raises(ValueError, match=REGISTRY_CHANGES):
        projections.register(REGISTRY_CHANGES, Totals())
