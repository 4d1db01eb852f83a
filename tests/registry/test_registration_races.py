"""Everybody at once: one row each, revisions without holes in the order of commits, and nobody waits in a circle."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import orjson
import pytest
from django.db import connection

from apps.core.errors import NotFound
from apps.core.tenancy import system, use
from apps.events.models import OutboxEntry
from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.live import live
from apps.registry.models import HistoryEntry, Instance, Service, Vitals
from apps.registry.prober import ProbeResult
from apps.registry.projection import read_all
from apps.registry.services import expiry, leadership, operations, polling
from apps.registry.services.polling import Polled
from apps.registry.services.reports import instances_report
from tests.support import services
from tests.support.api import Api
from tests.support.registry import NOW, body, changes, events, seconds
from tests.support.wait import wait_until
from xerpium.asgi import DJANGO_THREADS
from xerpium_sdk.wire.keys import REGISTRY_CHANGES
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

T = TypeVar("T")


def at_once(functions: list[Callable[[], Any]]) -> list[Any]:
    """Call every function in a thread of its own, all in the same moment, and return what they return."""
    barrier = threading.Barrier(len(functions))

    def call(function: Callable[[], Any]) -> Any:
        barrier.wait(10)
        return function()

    return in_threads(len(functions), call, functions)


def in_threads(count: int, function: Callable[[T], Any], arguments: list[T]) -> list[Any]:
    """Call ``function`` with every argument, in ``count`` threads, and return what it returns."""

    @use(system("tests"))
    def call(argument: T) -> Any:
        try:
            return function(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, arguments, timeout=40))


def assert_contiguous() -> None:
    """Check that the changes stand in the outbox in the order of their revisions, without a hole."""
    entries = OutboxEntry.objects.filter(stream=REGISTRY_CHANGES).order_by("id")
    ids = [entry.entry_id for entry in entries]
    assert ids == [f"{revision}-0" for revision in range(1, current_revision() + 1)]
    assert [orjson.loads(entry.fields["change"])["revision"] for entry in entries] == list(range(1, len(ids) + 1))


def test_sixteen_registrations_of_one_instance_are_one() -> None:
    rows = at_once([lambda: services.register("orders", now=NOW)] * 16)
    assert len({row["id"] for row in rows}) == 1
    assert (Service.objects.count(), Instance.objects.count(), current_revision()) == (1, 1, 1)
    assert events() == ["service_registered"]
    assert HistoryEntry.objects.count() == 1
    assert leases.count() == 1


def test_of_two_companies_that_want_one_name_one_gets_it() -> None:
    sent = [body(company_id=company, number=company) for company in range(1, 9)]
    live.ready()
    codes = [answer.status_code for answer in at_once([partial(Api().post, "/services/register", one) for one in sent])]
    assert Counter(codes) == {201: 1, 409: 7}
    assert Instance.objects.count() == 1


def test_fifty_instances_that_restart_at_once() -> None:
    live.ready()
    sent = [body(f"s{number % 10}", number) for number in range(50)]
    for version in ("1.0.0", "1.0.1"):
        restarted = [{**one, "version": version} for one in sent]
        answers = in_threads(DJANGO_THREADS, lambda one: Api().post("/services/register", one), restarted)
        assert [answer.status_code for answer in answers] == [201] * 50
    assert (Instance.objects.count(), current_revision()) == (50, 100)
    assert_contiguous()
    assert events().count("service_registered") == 50
    names = [f"s{number}" for number in range(10)]
    assert [len(orjson.loads(item.body)["instances"]) for item in live.catalog.list_items(names)] == [5] * 10
    # The records are current at once. Where PostgreSQL was asked in the middle, their order is within a second.
    wait_until(lambda: live.catalog.revision == 100, description="a catalogue without holes")


def test_everything_at_once() -> None:
    """Registrations, reports, operators, sweeps, polls and flushes on the same few rows, for a hundred rounds each."""
    names = ["a", "b", "c"]
    for name in names:
        for number in range(1, 5):
            services.register(name, number, now=NOW, lease_seconds=5)
    everyone = list(Instance.objects.values_list("service__name", "instance_id"))
    clock = iter(range(1, 10**6))
    turn = threading.Lock()

    def moment() -> Any:
        with turn:
            return NOW + seconds(next(clock) / 20)

    def register(round_: int) -> None:
        name, number = names[round_ % 3], round_ % 4 + 1
        services.register(name, number, now=moment(), version=f"1.0.{round_}", lease_seconds=5)

    def report(round_: int) -> None:
        name = names[-round_ % 3]
        word = [Status.HEALTHY, Status.DEGRADED, Status.STARTING][round_ % 3]
        ids = [instance for service, instance in everyone if service == name]
        instances_report(service=name, instance_ids=ids[::-1], status=word, details={}, actor="x", now=moment())

    def operate(round_: int) -> None:
        service, instance = everyone[round_ % 12]
        given = {"service": service, "instance_id": instance, "reason": "", "actor": "x", "now": moment()}
        [operations.instance_drain, operations.instance_resume][round_ % 2](**given)

    def leave(round_: int) -> None:
        operations.service_deregister(service=names[round_ % 3], reason="", actor="x", now=moment())

    def sweep(round_: int) -> None:
        expiry.sweep(now=moment())
        expiry.last_seen_flush(now=moment(), within=seconds(40))

    def poll(round_: int) -> None:
        now = moment()
        Vitals.objects.filter(next_due_at__isnull=False).update(next_due_at=now)
        due = {check.target.instance_pk: check for check in polling.claim_due(now=now)}
        results = [ProbeResult(pk, (pk + round_) % 4 == 0, "healthy", 200, 1.0, "", "") for pk in due]
        term = leadership.lead(leadership.POLL, now=now)
        assert term is not None
        polling.polls_record(due=due, results=results, term=term, now=now, total=Polled())

    def repeat(task: Callable[[int], None], rounds: int) -> None:
        for round_ in range(rounds):
            try:
                task(round_)
            except NotFound:
                continue  # it has just left

    tasks = [(register, 100), (register, 100), (report, 100), (operate, 100), (leave, 10), (sweep, 50), (poll, 50)]
    at_once([partial(repeat, task, rounds) for task, rounds in tasks])
    assert_contiguous()
    assert current_revision() > 150
    # What the changes say, one after the other, is what is stored.
    told: dict[int, dict[str, Any]] = {}
    for change in changes():
        told |= {one["id"]: one for one in change["instances"]}
    alive = {pk: one for pk, one in told.items() if one["status"] != "deregistered"}
    assert [without_last_seen(one) for one in read_all().instances] == [
        without_last_seen(alive[pk]) for pk in sorted(alive)
    ]
    # A report or poll that leaves the status as it is changes the record, and is no history.
    told_of = HistoryEntry.objects.exclude(change="checked").values_list("revision", flat=True)
    assert set(told_of) <= set(range(1, current_revision() + 1))


def without_last_seen(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "last_seen"}
