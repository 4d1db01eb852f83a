"""Services for tests, made through the registry's own services: registered, reported, polled, let go stale."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from apps.registry import leases
from apps.registry.documents import Row
from apps.registry.models import Vitals
from apps.registry.prober import ProbeResult
from apps.registry.services import expiry, leadership
from apps.registry.services.operations import instance_deregister, instance_drain
from apps.registry.services.polling import Polled, claim_due, polls_record
from apps.registry.services.registration import instance_register
from apps.registry.services.reports import instances_report
from tests.support.registry import end_leases
from xerpium_sdk.wire.registry import Status

ACTOR = "service:test"


def declaration(name: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a valid registration of the ``number``-th instance of ``name``, with some fields changed."""
    host, port = f"10.0.{number // 250}.{number % 250 + 1}", 8000
    return {
        "name": name,
        "company_id": None,
        "instance_id": f"{host}:{port}",
        "version": "1.0.0",
        "host": host,
        "port": port,
        "health_check_url": f"http://{host}:{port}/health",
        "api_base_url": f"http://{host}:{port}/api/v1",
        "api_docs_url": None,
        "tags": [],
        "capabilities": [],
        "dependencies": [],
        "weight": 100,
        "zone": None,
        "metadata": {},
        "lease_seconds": 90,
        "deregister_after_seconds": 600,
        "poll_interval_seconds": 30,
    } | changes


def register(name: str, number: int = 1, *, now: dt.datetime | None = None, **changes: Any) -> Row:
    """Register an instance; it is starting until something is heard of it."""
    return instance_register(declared=declaration(name, number, **changes), actor=ACTOR, now=now or timezone.now())


def report(
    row: Row,
    status: Status = Status.HEALTHY,
    *,
    details: Mapping[str, Any] | None = None,
    now: dt.datetime | None = None,
) -> None:
    """Let an instance report its status."""
    instances_report(
        service=row["service"],
        instance_ids=[row["instance_id"]],
        status=status,
        details=details or {},
        actor=ACTOR,
        now=now or timezone.now(),
    )


def run(name: str, statuses: Sequence[Status], *, now: dt.datetime | None = None, **changes: Any) -> list[Row]:
    """Register one instance for each status, and bring it there by the way by which instances get there."""
    return [_run_one(name, number, status, now or timezone.now(), changes) for number, status in enumerate(statuses)]


def _run_one(name: str, number: int, status: Status, now: dt.datetime, changes: Mapping[str, Any]) -> Row:
    row = register(name, number, now=now, **changes)
    if status is Status.STARTING:
        return row
    report(row, status if status in (Status.DEGRADED, Status.UNHEALTHY) else Status.HEALTHY, now=now)
    if status is Status.STALE:
        make_stale(row, now=now)
    operate = {Status.DRAINING: instance_drain, Status.DEREGISTERED: instance_deregister}.get(status)
    if operate:
        operate(service=name, instance_id=row["instance_id"], reason="test", actor="operator:test", now=now)
    return row


def make_stale(row: Row, *, now: dt.datetime) -> None:
    """Let the lease of one instance run out, and the sweep find it."""
    # The first sweep forgives everyone the time in which nobody swept; it has to find nobody else either.
    leases.renew(expiry.live_leases(), now)
    expiry.sweep(now=now)
    end_leases([row["id"]], now - dt.timedelta(seconds=1))
    swept = expiry.sweep(now=now)
    assert swept is not None
    assert swept.stale == 1


def poll(row: Row, *, ok: bool, now: dt.datetime, latency_ms: float = 12.5, reason: str = "", times: int = 1) -> None:
    """Let ``times`` polls of one instance have this outcome, a second apart and the last one at ``now``."""
    pk = row["id"]
    for step in reversed(range(times)):
        at = now - dt.timedelta(seconds=step)
        Vitals.objects.filter(instance_id=pk).update(next_due_at=at)
        due = {check.target.instance_pk: check for check in claim_due(now=at)}
        term = leadership.lead(leadership.POLL, now=at)
        assert term is not None
        result = ProbeResult(pk, ok, "healthy" if ok else "unhealthy", 200 if ok else None, latency_ms, reason, "")
        polls_record(due={pk: due[pk]}, results=[result], term=term, now=at, total=Polled())
