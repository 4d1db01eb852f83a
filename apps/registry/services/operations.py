"""What operators, and services about themselves, do to instances: drain, resume, deregister, weigh, note, check now."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from apps.core import audit
from apps.core.errors import Conflict, FieldError, InvalidInput, NotAllowed, NotFound
from apps.registry import changes, leases, lifecycle, rows
from apps.registry.changes import Move
from apps.registry.documents import Row
from apps.registry.lifecycle import Cause
from apps.registry.models import MAX_WEIGHT, HistoryEntry, Instance, Service, Vitals
from xerpium_sdk.wire.registry import Status

NO_REASON = "no reason given"
Decide = Callable[[Row], Move | None]


def instance_drain(*, service: str, instance_id: str, reason: str, actor: str, now: dt.datetime) -> Row:
    """Take an instance out of rotation until somebody resumes it. Draining twice changes nothing.

    Raises:
        NotFound: no such instance.
    """
    return _decide_one(service, instance_id, lambda row: _drained(row, True, reason, actor, now), now)


def instance_resume(
    *, service: str, instance_id: str, reason: str, actor: str, now: dt.datetime, own_only: bool = False
) -> Row:
    """Lift a drain; the instance counts again by its reports and polls.

    With ``own_only`` the service itself asks, which does not undo what an operator decided.

    Raises:
        NotFound: no such instance.
        NotAllowed: an operator drained it.
    """

    def decide(row: Row) -> Move | None:
        if own_only and row["draining"] and _drained_by_operator(row):
            raise NotAllowed("An operator drained this instance, and an operator resumes it.", code="operator_drained")
        return _drained(row, False, reason, actor, now)

    return _decide_one(service, instance_id, decide, now)


def _drained_by_operator(row: Row) -> bool:
    """Whether it was not the service that drained an instance; also where nobody knows any more."""
    drains = HistoryEntry.objects.filter(
        service__name=row["service"], instance_id=row["instance_id"], change=HistoryEntry.DRAINED
    )
    actor = drains.order_by("-id").values_list("actor", flat=True).first()
    return actor is None or actor.startswith("operator:")


def instance_weigh(
    *, service: str, instance_id: str, weight: int | None, reason: str, actor: str, now: dt.datetime
) -> Row:
    """Set the operator's weight of an instance (0 to 10,000), or with None return to what the service declares.

    Raises:
        InvalidInput: the weight is out of range.
        NotFound: no such instance.
    """
    if weight is not None and not 0 <= weight <= MAX_WEIGHT:
        problem = FieldError("/weight", "out_of_range", f"A weight is a number from 0 to {MAX_WEIGHT}.")
        raise InvalidInput("The weight cannot be used.", errors=[problem])

    def decide(row: Row) -> Move | None:
        if row["weight_override"] == weight:
            return None
        row["weight_override"] = weight
        cause = _because(f"weight set to {weight}" if weight is not None else "weight as declared again", reason)
        return Move(row, HistoryEntry.WEIGHED, Status(row["status"]), cause, actor)

    return _decide_one(service, instance_id, decide, now)


def instance_deregister(*, service: str, instance_id: str, reason: str, actor: str, now: dt.datetime) -> None:
    """Take an instance out of the registry. Its row stays, for the history and for its return.

    Raises:
        NotFound: it is not registered, or not any more.
    """
    _deregister("s.name = %s AND i.instance_id = %s", [service, instance_id], reason, actor, now)


def service_deregister(*, service: str, reason: str, actor: str, now: dt.datetime) -> int:
    """Take all instances of a service out of the registry and return how many there were.

    Raises:
        NotFound: it has none.
    """
    return _deregister("s.name = %s", [service], reason, actor, now)


def service_note(*, service: str, notes: str, actor: str, now: dt.datetime) -> None:
    """Store an operator's notes on a service, with an entry in its history.

    Raises:
        NotFound: no such service.
    """
    with transaction.atomic():
        found = Service.objects.select_for_update().filter(name=service).first()
        if found is None:
            raise NotFound(f"No service is named {service!r}.")
        if found.notes == notes:
            return
        before, found.notes = found.notes, notes
        found.save(update_fields=["notes"])
        audit.record(
            HistoryEntry.NOTED,
            "service",
            service,
            company_id=found.company_id,
            before={"notes": before},
            after={"notes": notes},
        )
        found.history.create(at=now, change=HistoryEntry.NOTED, cause="notes changed", actor=actor)


def instances_check_now(*, instance_pks: Sequence[int], reason: str, actor: str, now: dt.datetime) -> int:
    """Make polls of instances due at once and return how many will be polled; the next round picks them."""
    with transaction.atomic():
        polled = Vitals.objects.filter(instance_id__in=instance_pks, next_due_at__isnull=False)
        pks = list(polled.order_by("pk").select_for_update().values_list("pk", flat=True))
        Vitals.objects.filter(pk__in=pks).update(next_due_at=now)
        cause = _because("check asked for", reason)
        HistoryEntry.objects.bulk_create(
            HistoryEntry(
                service_id=service, instance_id=name, at=now, change=HistoryEntry.CHECKED, cause=cause, actor=actor
            )
            for service, name in Instance.objects.filter(pk__in=pks).values_list("service_id", "instance_id")
        )
    return len(pks)


def service_forget(*, service: str) -> None:
    """Delete a service whose instances have all left, with its notes and its history; its name is free again.

    Raises:
        Conflict: an instance of it is registered.
        NotFound: no such service.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # A registration that comes meanwhile waits, and then finds that there is no such service yet.
        changes.lock_name(cursor, service)
        found = Service.objects.select_for_update().filter(name=service).first()
        if found is None:
            raise NotFound(f"No service is named {service!r}.")
        if found.instances.exclude(status=Status.DEREGISTERED).exists():
            raise Conflict(f"{service} is registered: deregister its instances first.")
        audit.record("forgotten", "service", service, company_id=found.company_id, before={"notes": found.notes})
        found.delete()


def _decide_one(service: str, instance_id: str, decide: Decide, now: dt.datetime) -> Row:
    with transaction.atomic(), connection.cursor() as cursor:
        row = _locked(cursor, "s.name = %s AND i.instance_id = %s", [service, instance_id])[0]
        before = _decided(row)
        move = decide(row)
        changes.write_moves(cursor, [move] if move else [], now=now)
        if move:
            _record(move.change, row, before=before, after={**_decided(row), "cause": move.cause})
    return row


def _decided(row: Row) -> dict[str, Any]:
    """Return what operators decide about an instance."""
    return {name: row[name] for name in ("draining", "weight_override", "status")}


def _record(change: str, row: Row, *, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> None:
    which = f"{row['service']}/{row['instance_id']}"
    audit.record(change, "instance", which, company_id=row["company_id"], before=before, after=after)


def _locked(cursor: CursorWrapper, where: str, params: Sequence[str]) -> list[Row]:
    found = rows.select_rows(cursor, f"{where} AND i.status <> 'deregistered'", params, lock=True)
    if not found:
        raise NotFound(f"{' / '.join(params)} is not registered.")
    return found


def _drained(row: Row, draining: bool, reason: str, actor: str, now: dt.datetime) -> Move | None:
    old, before = Status(row["status"]), rows.vitals_of(row)
    vitals = replace(before, draining=True) if draining else lifecycle.resumed(before)
    if vitals == before:
        return None
    cause = rows.judge(row, vitals, Cause.DRAINED if draining else Cause.RESUMED, now=now, why=reason or NO_REASON)
    return Move(row, HistoryEntry.DRAINED if draining else HistoryEntry.RESUMED, old, cause, actor)


def _deregister(where: str, params: Sequence[str], reason: str, actor: str, now: dt.datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        found = _locked(cursor, where, params)
        before = [{name: row[name] for name in ("status", "version", "host", "port")} for row in found]
        deregister_rows(cursor, found, Cause.WITHDRAWN, actor=actor, now=now, why=reason or NO_REASON)
        for row, was in zip(found, before, strict=True):
            after = {**was, "status": row["status"], "reason": reason or NO_REASON}
            _record(HistoryEntry.DEREGISTERED, row, before=was, after=after)
    return len(found)


def deregister_rows(
    cursor: CursorWrapper, leaving: Sequence[Row], cause: Cause, *, actor: str, now: dt.datetime, **facts: object
) -> None:
    """Deregister locked rows: history, event, no more polls, no lease. The operator's drain waits for their return."""
    moves = []
    for row in leaving:
        old = Status(row["status"])
        silent = {"silent": (now - row["status_since"]).total_seconds(), "limit": row["deregister_after_seconds"]}
        gone = lifecycle.Vitals(draining=row["draining"], deregistered=True)
        moves.append(
            Move(row, HistoryEntry.DEREGISTERED, old, rows.judge(row, gone, cause, now=now, **silent, **facts), actor)
        )
    changes.write_moves(cursor, moves, now=now)
    pks = [row["id"] for row in leaving]
    cursor.execute("UPDATE registry_vitals SET next_due_at = NULL WHERE instance_id = ANY(%s)", [pks])
    leases.drop_after_commit(pks)


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
