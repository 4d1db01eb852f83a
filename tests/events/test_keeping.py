"""Looking after the streams on real engines."""

import contextlib
import datetime as dt
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from apps.core import redis
from apps.core.errors import Unavailable
from apps.events import selectors, services, streams
from apps.events.models import DeadLetter, GroupState, StreamSample, StreamState
from apps.events.services import keeping, retention
from tests.events.conftest import make_event
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS_DEAD, stream_of_replays

pytestmark = pytest.mark.usefixtures("transactional_db")

WEEK = dt.timedelta(days=7)


@pytest.fixture(autouse=True)
def small_streams(settings: Any) -> None:
    settings.EVENTS_MAX_LENGTH, settings.EVENTS_HARD_MAX_LENGTH = 1000, 3000


def fill(count: int, stream: str = STREAM_EVENTS) -> list[str]:
    pipeline = redis.client().pipeline(transaction=False)
    for number in range(count):
        body: dict[Any, Any] = make_event(number, "product_created").encode()
        pipeline.xadd(stream, body)
    return [str(entry_id) for entry_id in pipeline.execute()]


def read(group: str, count: int, *, stream: str = STREAM_EVENTS, acknowledge: bool = True) -> list[str]:
    client: Any = redis.client()
    with contextlib.suppress(redis.ResponseError):
        client.xgroup_create(stream, group, id="0", mkstream=True)
    answer = client.xreadgroup(group, "one", {stream: ">"}, count=count) if count else []
    ids = [entry_id for _, entries in answer for entry_id, _ in entries]
    if ids and acknowledge:
        client.xack(stream, group, *ids)
    return ids


def length(stream: str = STREAM_EVENTS) -> int:
    return int(redis.client().xlen(stream))


def has(entry_id: str) -> bool:
    return bool(redis.client().xrange(STREAM_EVENTS, entry_id, entry_id))


def age(group: str, by: dt.timedelta) -> None:
    """Let a group have been away for ``by``: Redis must not have heard of its consumer either."""
    redis.client().xgroup_delconsumer(STREAM_EVENTS, group, "one")
    keeping.streams_look(now=timezone.now())
    GroupState.objects.filter(group=group).update(active_at=timezone.now() - by)


def test_a_stream_is_cut_to_its_target() -> None:
    fill(2500)
    read("hub-journal", 2500)
    assert 1400 <= keeping.streams_trim(now=timezone.now()) <= 1500
    assert 1000 <= length() <= 1100
    state = StreamState.objects.get(stream=STREAM_EVENTS)
    assert (state.length, state.trimmed, state.held_by, state.alarm) == (length(), 2500 - length(), [], "")


def test_nothing_is_cut_that_is_not_in_the_journal() -> None:
    ids = fill(2500)
    keeping.streams_trim(now=timezone.now())
    assert length() == 2500
    read("hub-journal", 300)
    read("hub-journal", 400, acknowledge=False)
    keeping.streams_trim(now=timezone.now())
    assert has(ids[300])
    assert length() <= 2300
    assert not has(ids[100])


def test_a_slow_group_keeps_what_it_has_not_read() -> None:
    ids = fill(2500)
    read("hub-journal", 2500)
    read("shop", 700)
    keeping.streams_trim(now=timezone.now())
    assert has(ids[700])
    assert 1750 <= length() <= 1900
    assert StreamState.objects.get(stream=STREAM_EVENTS).held_by == []


def test_a_group_that_was_set_back_keeps_what_it_will_read_again() -> None:
    ids = fill(2500)
    read("hub-journal", 2500)
    read("shop", 2400)
    read("shop", 100, acknowledge=False)
    redis.client().execute_command("XGROUP", "SETID", STREAM_EVENTS, "shop", ids[700])
    keeping.streams_trim(now=timezone.now())
    assert has(ids[701])


@pytest.mark.parametrize(
    "names", [[b"a\0b"], [b"\xff", rb"\xff"], [b"long" * 5000 + b"1", b"long" * 5000 + b"2"], [b""]]
)
def test_whatever_a_group_is_called_it_is_looked_after(names: list[bytes]) -> None:
    fill(2500)
    read("hub-journal", 2500)
    for name in names:
        redis.bytes_client().xgroup_create(STREAM_EVENTS, name, id="0")
    keeping.streams_look(now=timezone.now())
    keeping.streams_trim(now=timezone.now())
    assert length() == 2500  # none of them has read anything
    shown = {view.group for view in selectors.groups()}
    assert len(shown) == len(names) + 1
    assert shown == {view.group for view in selectors.groups() if view.active_at}
    for name in names:
        redis.bytes_client().xgroup_destroy(STREAM_EVENTS, name)
    keeping.streams_trim(now=timezone.now())
    assert length() < 1100


def test_who_holds_a_stream_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "STEP", 500)
    fill(2600)
    read("hub-journal", 2600)
    read("shop", 0)
    keeping.streams_trim(now=timezone.now())
    state = StreamState.objects.get(stream=STREAM_EVENTS)
    assert (state.held_by, length()) == (["shop"], 2600)
    assert "kept for shop" in state.alarm
    (view,) = [found for found in selectors.streams() if found.stream == STREAM_EVENTS]
    assert (view.held_by, view.alarm, view.length) == (["shop"], state.alarm, 2600)
    assert selectors.bus_state().alarms == {STREAM_EVENTS: state.alarm}


def test_a_group_that_is_away_for_a_week_does_not_count() -> None:
    fill(2500)
    read("hub-journal", 2500)
    read("shop", 10)
    age("shop", WEEK - dt.timedelta(minutes=1))
    keeping.streams_trim(now=timezone.now())
    assert length() > 2400
    age("shop", WEEK)
    keeping.streams_trim(now=timezone.now())
    assert length() < 1100


def test_at_the_hard_cap_an_idle_group_does_not_count() -> None:
    fill(3100)
    read("hub-journal", 3100)
    read("shop", 10)
    age("shop", dt.timedelta(hours=2))
    keeping.streams_trim(now=timezone.now())
    assert length() < 1100


def test_above_the_hard_cap_a_busy_group_loses_what_is_above_it() -> None:
    fill(3500)
    read("hub-journal", 3500)
    read("shop", 10)
    keeping.streams_trim(now=timezone.now())
    assert 3000 <= length() < 3100


def test_stored_dead_letters_and_handled_replays_leave_their_streams() -> None:
    fill(500, STREAM_EVENTS_DEAD)
    read("hub-dead", 500, stream=STREAM_EVENTS_DEAD)
    replays = stream_of_replays("shop")
    fill(400, replays)
    read("shop", 250, stream=replays)
    DeadLetter.objects.create(
        entry_id="1-0",
        group="shop",
        reason="x",
        stream=STREAM_EVENTS,
        stream_id="1-0",
        dead_at=timezone.now(),
        fields={},
        state=DeadLetter.State.REPLAYED,
        decided_at=timezone.now(),
    )
    keeping.streams_trim(now=timezone.now())
    assert length(STREAM_EVENTS_DEAD) < 100
    assert 150 <= length(replays) < 250


def test_a_look_fills_states_and_samples() -> None:
    now = timezone.now()
    fill(100)
    read("hub-journal", 60)
    read("shop", 40, acknowledge=False)
    assert keeping.streams_look(now=now) == 2
    fill(50)
    keeping.streams_look(now=now + dt.timedelta(seconds=15))
    shop = GroupState.objects.get(group="shop")
    assert (shop.pending, shop.lag, shop.consumers) == (40, 110, 1)
    assert shop.first_pending_id
    assert 0 < shop.lag_seconds < 60
    samples = StreamSample.objects.filter(stream=STREAM_EVENTS, group="").order_by("at")
    assert list(samples.values_list("length", "published")) == [(100, 0), (150, 50)]
    points = selectors.samples(stream=STREAM_EVENTS, group="shop", since=now, until=now + dt.timedelta(minutes=1))
    assert [(point.pending, point.lag) for point in points] == [(40, 60), (40, 110)]


def test_what_was_cut_counts_as_published() -> None:
    now = timezone.now()
    keeping.streams_look(now=now)
    fill(100)
    keeping.streams_look(now=now)
    fill(2400)
    read("hub-journal", 2500)
    keeping.streams_trim(now=now)
    keeping.streams_look(now=now + dt.timedelta(seconds=15))
    sample = StreamSample.objects.filter(stream=STREAM_EVENTS, group="").order_by("-at")[0]
    assert sample.published == 2400


def test_groups_of_the_hub_and_of_others_are_shown_with_their_consumers() -> None:
    fill(30)
    read("hub-journal", 30)
    read("product-service-group", 10, acknowledge=False)
    found = {view.group: view for view in selectors.groups()}
    theirs, ours = found["product-service-group"], found["hub-journal"]
    assert (theirs.is_own, theirs.pending, theirs.lag, theirs.consumers, theirs.alive) == (False, 10, 20, 1, None)
    assert (ours.is_own, ours.pending, ours.lag, ours.lag_seconds) == (True, 0, 0, 0.0)
    (consumer,) = selectors.group_consumers(STREAM_EVENTS, "product-service-group")
    assert (consumer.name, consumer.pending, consumer.is_alive) == ("one", 10, None)
    assert selectors.group_consumers(STREAM_EVENTS, "nobody") == []


def test_what_redis_62_does_not_count_is_counted_or_estimated() -> None:
    fill(2200)
    read("shop", 200)
    (view,) = selectors.groups()
    assert view.lag is None or view.lag == 2000
    facts = streams.read(STREAM_EVENTS)
    assert facts
    assert 500 <= (facts.groups[0].lag or 0) <= 2200
    read("shop", 1500)
    (view,) = selectors.groups()
    assert view.lag == 500


def test_the_last_look_is_told_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(30)
    read("shop", 10)
    keeping.streams_look(now=timezone.now())

    def away(*args: object) -> None:
        raise redis.AWAY[0]("connection refused")

    monkeypatch.setattr(streams, "read", away)
    monkeypatch.setattr(streams, "read_groups", away)
    monkeypatch.setattr(streams, "consumers", away)
    (group,) = selectors.groups()
    assert (group.group, group.lag, group.is_live) == ("shop", 20, False)
    (stream,) = selectors.streams()
    assert (stream.length, stream.is_live) == (30, False)
    assert selectors.bus_state().is_live is False
    assert selectors.group_consumers(STREAM_EVENTS, "shop") == []


def test_a_group_that_is_gone_is_forgotten() -> None:
    fill(3)
    read("shop", 1)
    keeping.streams_look(now=timezone.now())
    redis.client().xgroup_destroy(STREAM_EVENTS, "shop")
    keeping.streams_look(now=timezone.now())
    assert not GroupState.objects.exists()
    redis.client().delete(STREAM_EVENTS)
    keeping.streams_look(now=timezone.now())
    assert StreamState.objects.get(stream=STREAM_EVENTS).length == 0


def test_names_that_are_no_text_do_no_harm() -> None:
    client: Any = redis.client()
    client.xadd(STREAM_EVENTS, {b"\xff": b"\xfe"})
    client.xgroup_create(STREAM_EVENTS, b"g\xff", id="0")
    keeping.streams_look(now=timezone.now())
    assert [view.group[:5] for view in selectors.groups()] == ["g\\xff"]
    assert selectors.streams()[0].length == 1


def test_nothing_is_published_while_the_journal_is_behind_and_the_stream_full() -> None:
    client: Any = redis.client()
    for number in range(1, 2901):
        client.xadd(STREAM_EVENTS, {"n": number}, id=f"{number}-0")  # entries of half a century ago
    event = make_event(1, "user_login")
    with pytest.raises(Unavailable) as refused:
        services.events_publish(envelopes=[event], now=timezone.now())
    assert refused.value.code == "journal_behind"
    read("hub-journal", 2900)
    assert len(services.events_publish(envelopes=[event], now=timezone.now())) == 1


def test_old_things_are_forgotten() -> None:
    now = timezone.now()
    StreamSample.objects.create(at=now - dt.timedelta(days=9), stream=STREAM_EVENTS)
    StreamSample.objects.create(at=now - dt.timedelta(days=7), stream=STREAM_EVENTS)
    common: dict[str, Any] = {
        "group": "shop",
        "reason": "x",
        "stream": STREAM_EVENTS,
        "stream_id": "1-0",
        "fields": {},
        "dead_at": now - dt.timedelta(days=400),
    }
    old = now - dt.timedelta(days=settings.EVENTS_DEAD_LETTER_DAYS + 1)
    gone = DeadLetter.objects.create(entry_id="1-0", state="discarded", decided_at=old, **common)
    DeadLetter.objects.create(entry_id="2-0", state="waiting", **common)
    DeadLetter.objects.create(entry_id="3-0", state="replayed", decided_at=now, replay_of=gone, **common)
    done = retention.bus_prune(now=now)
    assert (done.dead_letters, done.samples) == (1, 1)
    assert list(DeadLetter.objects.order_by("entry_id").values_list("entry_id", "replay_of")) == [
        ("2-0", None),
        ("3-0", None),
    ]


def test_no_stream_but_the_custom_one_gets_declared_types() -> None:
    services.type_declare(event_type="parcel_sent", service_name="shop", actor="shop")
    services.events_publish(envelopes=[make_event(1, "parcel_sent"), make_event(2, "user_login")], now=timezone.now())
    client: Any = redis.client()
    assert [fields["event_type"] for _, fields in client.xrange(STREAM_EVENTS)] == ["user_login"]
    assert [fields["event_type"] for _, fields in client.xrange(STREAM_EVENTS_CUSTOM)] == ["parcel_sent"]
