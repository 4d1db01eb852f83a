"""What the registry remembers and for how long: raw polls, hours of polls, history, departed instances."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection

from apps.registry.models import HistoryEntry, Instance, PollHour, PollResult, Service, Vitals
from apps.registry.services import operations, retention
from apps.registry.services.retention import Pruned, polls_roll_up, registry_prune
from tests.support import services
from tests.support.registry import NOW, seconds

pytestmark = pytest.mark.usefixtures("hub")

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def polled(pk: int, at: dt.datetime, latency: float = 10.0, *, ok: bool = True) -> None:
    PollResult.objects.create(instance_id=pk, at=at, ok=ok, latency_ms=latency, status_code=200 if ok else None)


def partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'registry_pollresult'::regclass"
        )
        return {name for (name,) in cursor.fetchall()}


def rows_in(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ONLY {table}")
        return int(cursor.fetchone()[0])


def hours(pk: int) -> list[dict[str, Any]]:
    found = PollHour.objects.filter(instance_id=pk).order_by("hour")
    return [{"hour": one.hour, "polls": one.polls, "failures": one.failures} for one in found]


def test_finished_hours_are_rolled_up() -> None:
    pk = services.register("orders", now=NOW)["id"]
    for minute in range(60):
        polled(pk, NOW - HOUR + dt.timedelta(minutes=minute), latency=float(minute + 1), ok=minute % 10 != 0)
    polled(pk, NOW - 2 * HOUR, latency=5.0)
    polled(pk, NOW, latency=999.0)
    assert polls_roll_up(now=NOW + 5 * dt.timedelta(minutes=1)) == 2
    assert hours(pk) == [
        {"hour": NOW - 2 * HOUR, "polls": 1, "failures": 0},
        {"hour": NOW - HOUR, "polls": 60, "failures": 6},
    ]
    hour = PollHour.objects.get(hour=NOW - HOUR)
    assert (hour.latency_avg_ms, hour.latency_max_ms) == (30.5, 60.0)
    assert hour.latency_p95_ms == pytest.approx(57.05)


def test_rolling_up_again_changes_nothing_and_takes_in_latecomers() -> None:
    pk = services.register("orders", now=NOW)["id"]
    polled(pk, NOW - HOUR)
    polls_roll_up(now=NOW)
    polls_roll_up(now=NOW)
    assert hours(pk) == [{"hour": NOW - HOUR, "polls": 1, "failures": 0}]
    polled(pk, NOW - HOUR + seconds(30), ok=False)
    polls_roll_up(now=NOW + seconds(300))
    assert hours(pk) == [{"hour": NOW - HOUR, "polls": 2, "failures": 1}]


def test_polls_of_nobody_are_left_out() -> None:
    polled(123456789, NOW - HOUR)
    assert polls_roll_up(now=NOW) == 0


def test_each_day_has_a_table_that_goes_as_a_whole() -> None:
    pk = services.register("orders", now=NOW)["id"]
    polls_roll_up(now=NOW)
    assert {"registry_pollresult_20260504", "registry_pollresult_20260505"} <= partitions()
    polled(pk, NOW)
    assert rows_in("registry_pollresult_20260504") == 1
    polls_roll_up(now=NOW + DAY)
    assert "registry_pollresult_20260504" in partitions()
    polls_roll_up(now=NOW + 2 * DAY)
    assert "registry_pollresult_20260504" not in partitions()
    assert {"registry_pollresult_20260506", "registry_pollresult_20260507"} <= partitions()
    assert not PollResult.objects.exists()


def test_polls_of_a_day_without_a_table_are_kept_and_find_their_place() -> None:
    """The roll-up did not run in time."""
    pk = services.register("orders", now=NOW)["id"]
    day = NOW + 10 * DAY
    polled(pk, day)
    assert rows_in("registry_pollresult_other") == 1
    polls_roll_up(now=day)
    assert (rows_in("registry_pollresult_other"), rows_in("registry_pollresult_20260514")) == (0, 1)


def test_polls_that_never_found_a_place_are_forgotten_too() -> None:
    pk = services.register("orders", now=NOW)["id"]
    polled(pk, NOW + 20 * DAY)
    polled(pk, NOW + 23 * DAY)
    polls_roll_up(now=NOW + 23 * DAY + HOUR)
    assert [one.at for one in PollResult.objects.all()] == [NOW + 23 * DAY]


def test_old_history_and_old_hours_are_forgotten() -> None:
    row = services.register("orders", now=NOW - 91 * DAY)
    services.report(row, now=NOW - 89 * DAY)
    for days in (91, 89):
        PollHour.objects.create(
            instance_id=row["id"], hour=NOW - days * DAY, polls=1, failures=0,
            latency_avg_ms=1, latency_p95_ms=1, latency_max_ms=1,
        )  # fmt: skip
    assert registry_prune(now=NOW) == Pruned(history=1, instances=0)
    assert [entry.change for entry in HistoryEntry.objects.all()] == ["status_changed"]
    assert [one.hour for one in PollHour.objects.all()] == [NOW - 89 * DAY]


def test_instances_that_left_long_ago_are_forgotten_and_their_services_are_not() -> None:
    old, recent = services.register("orders", 1, now=NOW), services.register("orders", 2, now=NOW)
    here = services.register("orders", 3, now=NOW - 400 * DAY)
    operations.service_note(service="orders", notes="ask Ann", actor="operator:ann", now=NOW)
    for row, days in ((old, 31), (recent, 29)):
        operations.instance_deregister(
            service="orders", instance_id=row["instance_id"], reason="", actor="x", now=NOW - days * DAY
        )
    assert registry_prune(now=NOW).instances == 1
    assert set(Instance.objects.values_list("id", flat=True)) == {recent["id"], here["id"]}
    assert Vitals.objects.count() == 2
    assert Service.objects.get().notes == "ask Ann"


def test_much_is_forgotten_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    service = Service.objects.get(pk=services.register("orders", now=NOW)["service_pk"])
    old = NOW - 100 * DAY
    HistoryEntry.objects.bulk_create(
        [HistoryEntry(service=service, at=old, change="updated", cause="", actor="x") for _ in range(10)]
    )
    assert registry_prune(now=NOW).history == 10
    assert HistoryEntry.objects.count() == 1
