"""Polling with a clock of the test's own and services on real sockets: who is asked, what counts, who must wait."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.documents import Row
from apps.registry.models import HistoryEntry, Instance, PollResult, Vitals
from apps.registry.policy import health_policy
from apps.registry.prober import Prober, ProbeResult
from apps.registry.services import expiry, leadership, operations, polling
from apps.registry.services.polling import Due, Polled
from tests.registry.neighbours import Health, Neighbours
from tests.registry.peers import Peer, answer, keeps_silent
from tests.support import services
from tests.support.database import database_url
from tests.support.registry import NO_REDIS, NOW, events, redis_at, seconds, stored
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("hub")

T = TypeVar("T")
UNAVAILABLE = b"503 Service Unavailable"


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    """Services on this machine."""
    found = Neighbours()
    yield found
    found.close()


def register_peer(peer: Peer, number: int = 1, *, now: Any = NOW, **declared: Any) -> Row:
    """Register an instance whose health URL is that of ``peer``, and make its first poll due."""
    row = services.register("orders", number, now=now, health_check_url=peer.url, **declared)
    Vitals.objects.filter(pk=row["id"]).update(next_due_at=now)
    return row


def poll(after: float, **options: Any) -> Polled:
    """Do the polls that are due at ``after`` seconds, as the one poller."""
    prober = Prober(health_policy(), concurrency=2000, slow_concurrency=2000, **options)
    done = polling.poll_due(prober=prober, clock=lambda: NOW + seconds(after))
    assert done is not None
    return done


def poll_in_turn(row: Row, count: int, *, start: float = 0) -> list[str]:
    """Poll an instance ``count`` times, each when it is due, and return its status after each."""
    found = []
    for _ in range(count):
        due = stored(row["id"]).vitals.next_due_at
        assert due is not None
        assert poll(max(start, (due - NOW).total_seconds())).polls == 1
        found.append(stored(row["id"]).status)
    return found


def test_a_newcomer_that_answers_is_healthy_at_once(neighbours: Neighbours) -> None:
    peer = neighbours.add(Health())
    row = register_peer(peer, lease_seconds=30)
    assert poll(9) == Polled(polls=1, failures=0, moves=1)
    instance = stored(row["id"])
    assert (instance.status, instance.polled_status, instance.reported_status) == ("healthy", "healthy", None)
    vitals = instance.vitals
    assert (vitals.ok, vitals.status_code, vitals.checked_at) == (True, 200, NOW + seconds(9))
    assert (vitals.failures, vitals.successes, vitals.last_seen_at) == (0, 1, NOW + seconds(9))
    assert vitals.latency_ms is not None
    assert 0 < vitals.latency_ms < 3000
    assert vitals.next_due_at is not None
    assert NOW + seconds(9) < vitals.next_due_at <= NOW + seconds(9 + 33 + 4.5)
    assert leases.alive([row["id"]], NOW + seconds(38)) == [row["id"]]
    (result,) = PollResult.objects.values("instance_id", "at", "ok", "status_code")
    assert result == {"instance_id": row["id"], "at": NOW + seconds(9), "ok": True, "status_code": 200}
    entry = HistoryEntry.objects.first()
    assert entry is not None
    assert (entry.old_status, entry.new_status, entry.actor) == ("starting", "healthy", "hub")
    assert entry.cause == "answered its health check: healthy"
    assert peer.requests[0].startswith(b"GET /health HTTP/1.1\r\n")


def test_a_poll_that_says_the_same_changes_no_record(neighbours: Neighbours) -> None:
    row = register_peer(neighbours.add(Health()))
    poll_in_turn(row, 4)
    assert (current_revision(), HistoryEntry.objects.count(), PollResult.objects.count()) == (2, 2, 4)


def test_down_after_three_failures_and_up_after_two_answers(neighbours: Neighbours) -> None:
    health = Health()
    row = register_peer(neighbours.add(health))
    assert poll_in_turn(row, 1) == ["healthy"]
    health.says = answer(status=UNAVAILABLE)
    assert poll_in_turn(row, 4) == ["healthy", "healthy", "unhealthy", "unhealthy"]
    assert HistoryEntry.objects.first().cause == "3 polls in a row failed: HTTP 503"  # type: ignore[union-attr]
    health.says = answer()
    assert poll_in_turn(row, 3) == ["unhealthy", "healthy", "healthy"]
    assert events() == ["service_registered"] + ["instance_status_changed"] * 3


def test_two_failures_are_forgiven(neighbours: Neighbours) -> None:
    health = Health()
    row = register_peer(neighbours.add(health))
    poll_in_turn(row, 1)
    for _ in range(2):
        health.says = answer(status=UNAVAILABLE)
        assert poll_in_turn(row, 2) == ["healthy", "healthy"]
        health.says = answer()
        assert poll_in_turn(row, 1) == ["healthy"]
    assert HistoryEntry.objects.count() == 2


def test_a_newcomer_that_never_answers_is_unhealthy_after_three(neighbours: Neighbours) -> None:
    row = register_peer(neighbours.add(Health()))
    neighbours.leave()
    assert poll_in_turn(row, 3) == ["starting", "starting", "unhealthy"]
    # What exactly went wrong is for operators: else polls could scan a network for strangers.
    cause = HistoryEntry.objects.first().cause  # type: ignore[union-attr]
    assert cause == "3 polls in a row failed: no usable answer"
    assert stored(row["id"]).vitals.reason == "no connection"


@pytest.mark.parametrize(
    ("says", "status"),
    [
        (answer(b'{"status": "degraded"}'), "degraded"),
        (answer(status=b"429 Too Many Requests"), "degraded"),
        (answer(b"OK"), "healthy"),
    ],
)
def test_what_the_answer_says_counts(says: bytes, status: str, neighbours: Neighbours) -> None:
    health = Health()
    health.says = says
    row = register_peer(neighbours.add(health))
    assert poll_in_turn(row, 2) == [status, status]


def test_services_that_only_register_and_answer_stay_alive(neighbours: Neighbours) -> None:
    """The seed's second sample: no report ever comes, and the lease is shorter than three polls."""
    row = register_peer(neighbours.add(Health()), lease_seconds=60)
    for moment in range(0, 300, 5):
        poll(moment)
        expiry.sweep(now=NOW + seconds(moment))
    assert stored(row["id"]).status == "healthy"
    assert PollResult.objects.count() >= 9


def test_a_good_poll_brings_back_who_had_gone_stale(neighbours: Neighbours) -> None:
    row = register_peer(neighbours.add(Health()))
    services.make_stale(row, now=NOW)
    assert poll_in_turn(row, 1) == ["healthy"]
    assert leases.alive([row["id"]], NOW + seconds(80)) == [row["id"]]
    assert expiry.sweep(now=NOW + seconds(1)) == expiry.Swept()


def test_a_failed_poll_renews_nothing_and_the_stale_are_asked_less_and_less(neighbours: Neighbours) -> None:
    health = Health()
    health.says = answer(status=UNAVAILABLE)
    row = register_peer(neighbours.add(health))
    services.make_stale(row, now=NOW)
    gaps = []
    for _ in range(8):
        before = stored(row["id"]).vitals.next_due_at
        assert poll_in_turn(row, 1) == ["stale"]
        after = stored(row["id"]).vitals.next_due_at
        assert before is not None
        assert after is not None
        gaps.append((after - before).total_seconds())
    # Every gap has its jitter; together they are far longer than eight of the interval that it asked for.
    assert sum(gaps) > 2 * 8 * row["poll_interval_seconds"]
    assert leases.count() == 0
    assert stored(row["id"]).vitals.last_seen_at == NOW


def test_a_drained_instance_stays_drained_whatever_it_answers(neighbours: Neighbours) -> None:
    row = register_peer(neighbours.add(Health()))
    operations.instance_drain(service="orders", instance_id=row["instance_id"], reason="", actor="x", now=NOW)
    assert poll_in_turn(row, 2) == ["draining", "draining"]
    assert stored(row["id"]).polled_status == "healthy"


@pytest.mark.thorough
def test_a_thousand_tar_pits_delay_nobody(neighbours: Neighbours) -> None:
    """All are due at once; those who answer are written down long before the others have used up their time."""
    good, pit = neighbours.add(Health()), neighbours.add(keeps_silent)
    for number in range(1, 21):
        register_peer(good, number)
    pits = Instance.objects.bulk_create(_copies(stored(register_peer(pit, 21)["id"]), 999))
    Vitals.objects.bulk_create([Vitals(instance=one, last_seen_at=NOW, next_due_at=NOW) for one in pits])
    with ThreadPoolExecutor(1) as pool:
        round_of_polls = pool.submit(_elsewhere(lambda: poll(1, total_timeout=3.0)))
        wait_until(lambda: Instance.objects.filter(status="healthy").count() == 20, 2.5, "the good ones to be healthy")
        assert not round_of_polls.done()
        done = round_of_polls.result(20)
    assert (done.polls, done.failures) == (1020, 1000)


def _copies(original: Instance, count: int) -> list[Instance]:
    return [
        Instance(
            **{
                field.attname: getattr(original, field.attname)
                for field in Instance._meta.concrete_fields
                if field.attname not in ("id", "instance_id")
            },
            instance_id=f"copy-{number}",
        )
        for number in range(count)
    ]


def _elsewhere(function: Callable[[], T]) -> Callable[[], T]:
    """Return ``function`` for another thread: it gives its connection back at the end."""

    @use(system("tests"))
    def call() -> T:
        try:
            return function()
        finally:
            connection.close()

    return call


def test_two_rounds_never_claim_the_same_check(neighbours: Neighbours) -> None:
    original = register_peer(neighbours.add(Health()))
    copies = Instance.objects.bulk_create(_copies(stored(original["id"]), 199))
    Vitals.objects.bulk_create([Vitals(instance=one, last_seen_at=NOW, next_due_at=NOW) for one in copies])
    barrier = threading.Barrier(4)

    def claim() -> list[int]:
        barrier.wait()
        return [check.target.instance_pk for check in polling.claim_due(now=NOW + seconds(1))]

    with ThreadPoolExecutor(4) as pool:
        claimed = [found for one in [pool.submit(_elsewhere(claim)) for _ in range(4)] for found in one.result(10)]
    assert len(claimed) == len(set(claimed)) == 200
    assert polling.claim_due(now=NOW + seconds(1)) == []


def test_claims_of_who_never_answered_come_back(neighbours: Neighbours) -> None:
    register_peer(neighbours.add(Health()))
    assert len(polling.claim_due(now=NOW)) == 1
    assert polling.claim_due(now=NOW + seconds(7.9)) == []
    assert len(polling.claim_due(now=NOW + seconds(8))) == 1


def test_claims_of_a_killed_poller_come_back(neighbours: Neighbours) -> None:
    """kill -9 in the middle of a round; its successor does it."""
    peer = neighbours.add(keeps_silent)
    row = register_peer(peer, now=timezone.now())
    program = (
        "import django; django.setup()\n"
        "from django.utils import timezone\n"
        "from apps.core.tenancy import system, use\n"
        "from apps.registry.policy import health_policy\n"
        "from apps.registry.prober import Prober\n"
        "from apps.registry.services.polling import poll_due\n"
        "with use(system('tests')):\n"
        "    poll_due(prober=Prober(health_policy(), total_timeout=60), clock=timezone.now)\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    poller = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        wait_until(lambda: peer.connections, 30, "the poller to ask")
    finally:
        poller.send_signal(signal.SIGKILL)
        poller.wait()
    now = timezone.now()
    prober = Prober(health_policy(), total_timeout=0.1)
    assert polling.poll_due(prober=prober, clock=timezone.now) is None
    assert polling.poll_due(prober=prober, clock=lambda: now + seconds(11)) == Polled(polls=1, failures=1)
    assert stored(row["id"]).vitals.failures == 1


def claimed(row: Row) -> dict[int, Due]:
    Vitals.objects.filter(pk=row["id"]).update(next_due_at=NOW)
    return {check.target.instance_pk: check for check in polling.claim_due(now=NOW)}


def failure(row: Row) -> ProbeResult:
    return ProbeResult(row["id"], False, "unhealthy", None, 12.0, "no connection", "")


def success(row: Row) -> ProbeResult:
    return ProbeResult(row["id"], True, "healthy", 200, 12.0, "HTTP 200", "")


def record(due: dict[int, Due], results: list[ProbeResult], after: float = 1) -> Polled:
    term = leadership.lead(leadership.POLL, now=NOW + seconds(after), holder="test")
    assert term is not None
    total = Polled()
    polling.polls_record(due=due, results=results, term=term, now=NOW + seconds(after), total=total)
    return total


def test_a_poller_that_was_overtaken_writes_nothing() -> None:
    row = services.register("orders", now=NOW)
    due = claimed(row)
    term = leadership.lead(leadership.POLL, now=NOW, holder="a")
    assert leadership.lead(leadership.POLL, now=NOW + seconds(11), holder="b") is not None
    assert term is not None
    before, total = Vitals.objects.values().get(), Polled()
    polling.polls_record(due=due, results=[success(row)], term=term, now=NOW + seconds(12), total=total)
    assert total == Polled()
    assert Vitals.objects.values().get() == before
    assert stored(row["id"]).status == "starting"
    assert not PollResult.objects.exists()
    assert leases.last_seen([row["id"]]) == {row["id"]: NOW}


def test_only_one_process_polls() -> None:
    services.register("orders", now=NOW)
    assert leadership.lead(leadership.POLL, now=NOW, holder="other") is not None
    prober = Prober(health_policy())
    assert polling.poll_due(prober=prober, clock=lambda: NOW + seconds(5)) is None


def test_an_answer_of_who_has_left_meanwhile_changes_nothing() -> None:
    row = services.register("orders", now=NOW)
    due = claimed(row)
    operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    record(due, [success(row)])
    instance = stored(row["id"])
    assert (instance.status, instance.vitals.next_due_at, leases.count()) == ("deregistered", None, 0)


def test_an_answer_of_the_old_address_says_nothing_about_the_new_one() -> None:
    row = services.register("orders", now=NOW)
    Vitals.objects.update(failures=2)
    due = claimed(row)
    services.register("orders", now=NOW, health_check_url="http://10.0.0.2:8000/elsewhere")
    record(due, [failure(row)])
    instance = stored(row["id"])
    assert (instance.status, instance.vitals.failures) == ("starting", 0)
    assert instance.vitals.next_due_at is not None
    assert instance.vitals.next_due_at <= NOW + seconds(10)


def test_a_batch_costs_as_many_queries_as_one_answer() -> None:
    rows = [services.register("orders", number, now=NOW) for number in range(1, 41)]
    due = {pk: check for row in rows for pk, check in claimed(row).items()}

    def queries(results: list[ProbeResult]) -> int:
        with CaptureQueriesContext(connection) as captured:
            record(due, results)
        return len(captured)

    assert queries([success(rows[0])]) == queries([success(row) for row in rows[1:]])
    assert set(Instance.objects.values_list("status", flat=True)) == {"healthy"}
    # One change of one service for each batch, however many of its instances moved.
    assert current_revision() == 42


def test_answers_without_redis_are_kept() -> None:
    row = services.register("orders", now=NOW)
    due = claimed(row)
    with redis_at(NO_REDIS):
        assert record(due, [success(row)]) == Polled(polls=1, failures=0, moves=1)
    assert stored(row["id"]).status == "healthy"
