"""The sweep with a clock of the test's own: who falls silent goes stale, who stays away leaves, who returns is back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core.redis import RedisError, client
from apps.core.tenancy import system, use
from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.documents import Row
from apps.registry.models import HistoryEntry, Instance, Leadership
from apps.registry.services import expiry, leadership, operations
from apps.registry.services.expiry import Swept
from tests.support import services
from tests.support.registry import NO_REDIS, NOW, changes, events, redis_at, seconds, stored
from tests.support.services import report

pytestmark = pytest.mark.usefixtures("hub")

T = TypeVar("T")


def register(number: int = 1, name: str = "orders", **declared: Any) -> Row:
    return services.register(name, number, now=NOW, **declared)


def sweep(after: float) -> Swept:
    """Sweep at ``after`` seconds, as the one sweeper."""
    done = expiry.sweep(now=NOW + seconds(after))
    assert done is not None
    return done


def sweep_until(after: int, start: int = 0) -> Swept:
    """Sweep every five seconds from ``start`` to ``after``, often enough for a hub that sees; return the last."""
    for moment in range(start, after, 5):
        sweep(moment)
    return sweep(after)


def heartbeat(row: Row, after: float) -> None:
    leases.renew([(row["id"], row["lease_seconds"])], NOW + seconds(after))


def test_one_that_falls_silent_goes_stale_when_its_lease_is_over() -> None:
    row = register(lease_seconds=30)
    report(row, now=NOW)
    assert sweep_until(29) == Swept()
    assert stored(row["id"]).status == "healthy"
    assert sweep(30) == Swept(stale=1)
    instance = stored(row["id"])
    assert (instance.status, instance.status_since) == ("stale", NOW + seconds(30))
    assert instance.reported_status == "healthy"
    entry = HistoryEntry.objects.first()
    assert entry is not None
    assert (entry.change, entry.old_status, entry.new_status) == ("status_changed", "healthy", "stale")
    assert (entry.cause, entry.actor) == ("has not reported for 30 s (lease 30 s)", "hub")
    assert events()[-1] == "instance_status_changed"
    assert changes()[-1]["instances"][0]["status"] == "stale"


def test_a_heartbeat_in_time_keeps_it() -> None:
    row = register(lease_seconds=30)
    for moment in range(0, 300, 5):
        if moment % 25 == 0:
            heartbeat(row, moment)
        assert sweep(moment).stale == 0
    assert current_revision() == 1


def test_a_stale_instance_is_still_polled_and_has_no_lease() -> None:
    row = register(lease_seconds=5)
    sweep(0)
    sweep(5)
    assert stored(row["id"]).vitals.next_due_at is not None
    assert leases.count() == 0


def test_who_stays_away_leaves() -> None:
    row = register(lease_seconds=5, deregister_after_seconds=60)
    other = register(2, lease_seconds=3600)
    sweep_until(64)
    assert stored(row["id"]).status == "stale"
    assert sweep(65) == Swept(deregistered=1)
    instance = stored(row["id"])
    assert (instance.status, instance.vitals.next_due_at) == ("deregistered", None)
    assert HistoryEntry.objects.first().cause == "stale for 60 s (leaves after 60 s)"  # type: ignore[union-attr]
    assert events()[-1] == "service_deregistered"
    assert stored(other["id"]).status == "starting"


def test_many_go_in_one_statement_each() -> None:
    """Twenty services cost no more queries than one, and each gets a revision of its own."""

    def queries_of_a_sweep(prefix: str, count: int, moment: int) -> int:
        for number in range(count):
            services.register(f"{prefix}{number}", now=NOW + seconds(moment), lease_seconds=5)
        for number in range(3 * count):
            services.register(f"{prefix}-stay{number}", now=NOW + seconds(moment), lease_seconds=3600)
        sweep(moment)
        with CaptureQueriesContext(connection) as queries:
            assert sweep(moment + 6).stale == count
        return len(queries)

    few, before = queries_of_a_sweep("a", 1, 0), current_revision()
    many = queries_of_a_sweep("b", 20, 7)
    assert many == few
    assert current_revision() == before + 80 + 20


def test_after_redis_was_emptied_everyone_gets_a_whole_lease() -> None:
    rows = [register(number, lease_seconds=30) for number in range(10)]
    sweep_until(25)
    client().flushdb()
    assert sweep(29) == Swept(restored=10)
    assert sweep_until(58, start=31) == Swept()
    assert set(Instance.objects.values_list("status", flat=True)) == {"starting"}
    for row in rows[:9]:
        heartbeat(row, 58)
    assert sweep(59) == Swept(stale=1)


def test_a_hub_that_could_not_hear_forgives_everyone() -> None:
    row = register(lease_seconds=30)
    sweep_until(25)
    assert sweep(25 + 600) == Swept(restored=1)
    assert stored(row["id"]).status == "starting"
    assert sweep_until(654, start=626) == Swept()
    assert sweep(655) == Swept(stale=1)


def test_forgiveness_takes_nothing_from_longer_leases() -> None:
    row = register(lease_seconds=100)
    sweep(0)
    leases.renew([(row["id"], 3600)], NOW)
    sweep(600)
    assert leases.alive([row["id"]], NOW + seconds(3599)) == [row["id"]]


def test_the_stale_and_the_departed_are_not_forgiven() -> None:
    stale, gone, here = register(1, lease_seconds=5), register(2), register(3, lease_seconds=3600)
    sweep_until(5)
    operations.instance_deregister(
        service="orders", instance_id=gone["instance_id"], reason="", actor="x", now=NOW + seconds(6)
    )
    client().flushdb()
    assert sweep(7) == Swept(restored=1)
    assert leases.alive([stale["id"], gone["id"], here["id"]], NOW + seconds(7)) == [here["id"]]


def test_a_heartbeat_that_comes_while_the_sweep_runs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    row = register(lease_seconds=30)
    found = leases.expired
    sweep_until(25)

    def expired_and_renewed(now: Any) -> list[int]:
        late = found(now)
        heartbeat(row, 30)
        return late

    monkeypatch.setattr(leases, "expired", expired_and_renewed)
    assert sweep(30) == Swept()
    assert stored(row["id"]).status == "starting"
    assert leases.alive([row["id"]], NOW + seconds(59)) == [row["id"]]


def test_who_was_renewed_in_the_moment_of_going_stale_returns_with_the_next_sweep() -> None:
    """A heartbeat on the event loop knows no status: it may renew a lease whose end was being written."""
    row = register(lease_seconds=30)
    report(row, now=NOW)
    sweep_until(30)
    assert stored(row["id"]).status == "stale"
    heartbeat(row, 31)
    assert sweep(32) == Swept(returned=1)
    assert stored(row["id"]).status == "healthy"
    assert HistoryEntry.objects.first().old_status == "stale"  # type: ignore[union-attr]


def test_a_drained_instance_goes_stale_and_returns_drained() -> None:
    row = register(lease_seconds=30)
    operations.instance_drain(service="orders", instance_id=row["instance_id"], reason="", actor="x", now=NOW)
    sweep_until(30)
    assert (stored(row["id"]).status, stored(row["id"]).draining) == ("stale", True)
    heartbeat(row, 31)
    sweep(32)
    assert stored(row["id"]).status == "draining"


def test_one_sweeps_while_others_look_on() -> None:
    register(lease_seconds=5)
    assert leadership.lead(leadership.SWEEP, now=NOW + seconds(4), holder="other") is not None
    assert expiry.sweep(now=NOW + seconds(6)) is None
    assert set(Instance.objects.values_list("status", flat=True)) == {"starting"}
    assert sweep(15) == Swept(restored=1)


def test_a_sweeper_that_was_overtaken_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood still in the middle: what it found belongs to its successor, who has to find it as well."""
    row = register(lease_seconds=5, deregister_after_seconds=60)
    sweep(0)
    found = leases.expired

    def overtaken(now: Any) -> list[int]:
        late = found(now)
        assert leadership.lead(leadership.SWEEP, now=NOW + seconds(17), holder="other") is not None
        return late

    with monkeypatch.context() as patch:
        patch.setattr(leases, "expired", overtaken)
        assert expiry.sweep(now=NOW + seconds(6)) is None
    assert stored(row["id"]).status == "starting"
    assert leases.expired(NOW + seconds(6)) == [row["id"]]


def test_a_sweep_without_redis_does_not_count_as_one() -> None:
    """Or the time in which the hub could not hear would go unnoticed."""
    register(lease_seconds=30)
    sweep_until(25)
    with redis_at(NO_REDIS):
        for moment in range(26, 40):
            with pytest.raises(RedisError):
                expiry.sweep(now=NOW + seconds(moment))
    assert Leadership.objects.get(duty="sweep").renewed_at == NOW + seconds(25)
    assert sweep(40) == Swept(restored=1)


def test_last_signs_of_life_are_copied_in_bulk() -> None:
    rows = [register(number) for number in range(30)]
    for row in rows[:20]:
        heartbeat(row, 50)
    with CaptureQueriesContext(connection) as queries:
        copied = expiry.last_seen_flush(now=NOW + seconds(60), within=seconds(40))
    assert copied == 20
    assert len(queries) == 2
    seen = [stored(row["id"]).vitals.last_seen_at for row in rows]
    assert seen == [NOW + seconds(50)] * 20 + [NOW] * 10
    assert current_revision() == 30


def test_a_copy_never_sets_the_clock_back() -> None:
    row = register()
    heartbeat(row, -100)
    expiry.last_seen_flush(now=NOW, within=seconds(200))
    assert stored(row["id"]).vitals.last_seen_at == NOW


def test_a_copy_does_not_wait_for_locks() -> None:
    rows = [register(number) for number in range(2)]
    for row in rows:
        heartbeat(row, 50)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM registry_vitals WHERE instance_id = %s FOR UPDATE", [rows[0]["id"]])
        copied = elsewhere(lambda: expiry.last_seen_flush(now=NOW + seconds(60), within=seconds(40)))
    assert copied == 1


def elsewhere(function: Callable[[], T]) -> T:
    """Call ``function`` in another thread, and so on another connection."""

    @use(system("tests"))
    def call() -> T:
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(10)


def test_who_lost_its_lease_gets_another_with_the_next_copy() -> None:
    """A hub that was killed between the commit and the lease, or a Redis that lost its last second."""
    row, other = register(1, lease_seconds=30), register(2, lease_seconds=30)
    leases.drop([row["id"]])
    expiry.last_seen_flush(now=NOW + seconds(10), within=seconds(40))
    assert leases.alive([row["id"]], NOW + seconds(39)) == [row["id"]]
    assert leases.alive([other["id"]], NOW + seconds(31)) == []
