"""The periodic work of the registry: each task does the work of its service, and the table names no other."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from apps.core.redis import AWAY
from apps.registry import leases, tasks
from apps.registry.models import HistoryEntry, Instance, PollHour, PollResult, Vitals
from tests.support import services
from tests.support.registry import NO_REDIS, end_leases, redis_at, seconds
from xerpium.celery import app

pytestmark = pytest.mark.usefixtures("hub")


def test_every_row_of_the_table_is_a_task() -> None:
    app.loader.import_default_modules()
    assert {row["task"] for row in app.conf.beat_schedule.values()} <= set(app.tasks)


def test_poll() -> None:
    row = services.register("orders", health_check_url="http://127.0.0.1:1025/health")
    Vitals.objects.update(next_due_at=timezone.now())
    tasks.poll()
    vitals = Vitals.objects.get(pk=row["id"])
    assert (vitals.ok, vitals.failures) == (False, 1)


def test_sweep() -> None:
    row = services.register("orders")
    end_leases([row["id"]], timezone.now() - seconds(1))
    tasks.sweep()
    assert Instance.objects.get().status == "stale"


def test_flush_last_seen() -> None:
    row = services.register("orders", now=timezone.now() - seconds(100))
    seen = timezone.now().replace(microsecond=0)
    leases.renew([(row["id"], 90)], seen)
    tasks.flush_last_seen()
    assert Vitals.objects.get().last_seen_at == seen


def test_roll_up_polls() -> None:
    row = services.register("orders")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - seconds(3600)
    PollResult.objects.create(instance_id=row["id"], at=hour + seconds(5), ok=True, latency_ms=7, status_code=200)
    tasks.roll_up_polls()
    assert PollHour.objects.get().hour == hour


def test_prune() -> None:
    services.register("orders", now=timezone.now() - seconds(91 * 86400))
    tasks.prune()
    assert not HistoryEntry.objects.exists()


@pytest.mark.parametrize("task", [tasks.sweep, tasks.flush_last_seen])
def test_an_engine_that_is_away_is_no_fault_of_the_task(task: Callable[[], None]) -> None:
    """Celery logs what a task declares to throw in one line, and the next run a moment later does the work."""
    services.register("orders")
    with redis_at(NO_REDIS), pytest.raises(AWAY) as caught:
        task()
    assert isinstance(caught.value, task.throws)  # type: ignore[attr-defined]  # an attribute of tasks
