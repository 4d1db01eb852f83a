"""Verifying the audit: every link is recomputed from the rows as they are now.

`walk` goes through seals and says what is wrong; `unsealed` finds entries that the chain does not hold. `check_some` is
the hub's own watch: round after round over the whole chain, a bounded piece at a time.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from django.db import connection, transaction

from apps.core.chain import ENTRY_SQL, GENESIS, Entry, link
from apps.core.models import AuditCheck, AuditSeal
from apps.core.tenancy import system, use

__all__ = ["Fault", "Walked", "check_some", "known_fault", "last_seal", "seal_hash", "unsealed", "waiting", "walk"]

PAGE = 2000
PATIENCE = dt.timedelta(minutes=1)
"""How long an entry may wait for its seal; sealing runs every two seconds."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: ``gap``, ``broken_link``, ``entry_missing``, ``entry_changed``, ``unsealed``, ``waiting`` or
            ``checkpoint``.
        seal: the number of the link; None for an entry without one.
        entry_id: the entry; None where there is no telling.
        text: what was found, as one sentence.
    """

    kind: str
    seal: int | None
    entry_id: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Walked:
    """A piece of the chain that was recomputed: up to which seal, that seal's hash, and what was wrong on the way."""

    position: int
    hash: bytes
    faults: tuple[Fault, ...]


def walk(*, after: int = 0, until: int | None = None) -> Iterator[Walked]:
    """Recompute the chain after seal ``after``, to its end or to seal ``until``, and yield piece by piece.

    Every fault is told once: what follows a changed entry is judged by the hashes that are stored.
    """
    position, previous = after, seal_hash(after) or GENESIS
    while page := _page(position, until):
        faults: list[Fault] = []
        for seal, told_previous, told_hash, entry_id, entry in page:
            faults += _faults(seal, position, previous, told_previous, told_hash, entry_id, entry)
            position, previous = seal, told_hash
        yield Walked(position, previous, tuple(faults))


def _faults(
    seal: int,
    before: int,
    previous: bytes,
    told_previous: bytes,
    told_hash: bytes,
    entry_id: int,
    entry: Entry | None,
) -> Iterator[Fault]:
    if seal != before + 1:
        missing = f"seal {before + 1} is" if seal == before + 2 else f"seals {before + 1} to {seal - 1} are"
        yield Fault("gap", seal, entry_id, f"Before seal {seal} (entry {entry_id}), {missing} missing.")
    elif told_previous != previous:
        yield Fault("broken_link", seal, entry_id, f"Seal {seal} (entry {entry_id}) does not follow seal {before}.")
    if entry is None:
        yield Fault("entry_missing", seal, entry_id, f"Entry {entry_id}, which seal {seal} is for, is missing.")
    elif link(told_previous, seal, entry) != told_hash:
        yield Fault("entry_changed", seal, entry_id, f"Entry {entry_id} or its seal {seal} was changed.")


_Row = tuple[int, bytes, bytes, int, Entry | None]


def _page(position: int, until: int | None) -> list[_Row]:
    with use(system("verify the audit")), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.id, s.previous, s.hash, s.entry_id, {ENTRY_SQL} FROM core_auditseal s"
            " LEFT JOIN core_auditentry e ON e.id = s.entry_id WHERE s.id > %s AND (%s::bigint IS NULL OR s.id <= %s)"
            " ORDER BY s.id LIMIT %s",
            [position, until, until, PAGE],
        )
        return [
            (seal, bytes(previous), bytes(told), entry_id, Entry(*columns) if columns[0] is not None else None)
            for seal, previous, told, entry_id, *columns in cursor.fetchall()
        ]


def last_seal() -> int:
    """Return the number of the last seal; 0 while there is none."""
    return AuditSeal.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def seal_hash(number: int) -> bytes | None:
    """Return the hash of a seal, as it is stored; None when there is no such seal."""
    found = AuditSeal.objects.filter(pk=number).values_list("hash", flat=True).first()
    return bytes(found) if found is not None else None


def unsealed(*, most: int = 100) -> list[Fault]:
    """Return a fault for each entry that has no seal and does not wait for one, and for each that waits and is gone.

    An entry and its place in the queue are written together, so neither takes patience: the first was put there behind
    the hub's back, or its place was taken away.
    """
    with use(system("verify the audit")), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.id, true FROM core_auditentry e
                LEFT JOIN core_auditseal s ON s.entry_id = e.id LEFT JOIN core_auditpending p ON p.entry_id = e.id
                WHERE s.id IS NULL AND p.entry_id IS NULL
            UNION ALL
            SELECT p.entry_id, false FROM core_auditpending p LEFT JOIN core_auditentry e ON e.id = p.entry_id
                WHERE e.id IS NULL
            ORDER BY 1 LIMIT %s
            """,
            [most],
        )
        return [
            Fault("unsealed", None, entry_id, f"Entry {entry_id} has no seal and is not in the queue for one.")
            if is_there
            else Fault("entry_missing", None, entry_id, f"Entry {entry_id}, which waited for its seal, is missing.")
            for entry_id, is_there in cursor.fetchall()
        ]


def waiting(*, now: dt.datetime) -> list[Fault]:
    """Return a fault when entries have waited for their seals for longer than a minute: nobody seals."""
    with use(system("verify the audit")), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(e.id) FROM core_auditpending p JOIN core_auditentry e ON e.id = p.entry_id"
            " WHERE e.at < %s",
            [now - PATIENCE],
        )
        count, first = cursor.fetchone()
    text = f"{count} entries, the first of them {first}, have waited for their seals for more than a minute."
    return [Fault("waiting", None, first, text)] if count else []


def check_some(*, now: dt.datetime, most: int = 50_000) -> AuditCheck:
    """Recompute the next piece of the chain, note how far it is intact, and begin anew after its end.

    Several at once do the same piece one after the other. A fault is told in the log each time it is seen, and stays
    in the note until a whole round has found none.
    """
    with transaction.atomic():
        AuditCheck.objects.bulk_create([AuditCheck(at=now)], ignore_conflicts=True)
        note = AuditCheck.objects.select_for_update().get()
        faults: list[Fault] = []
        note.at = now
        goal = last_seal()
        for piece in walk(after=note.position, until=min(goal, note.position + most)):
            faults += piece.faults
            note.position = piece.position
        if note.intact_hash is not None and seal_hash(note.intact_until) != bytes(note.intact_hash):
            text = f"Seal {note.intact_until} is not the one that the last round found: the chain was rewritten or cut."
            faults.append(Fault("checkpoint", note.intact_until, None, text))
        if note.position >= goal:
            faults += unsealed()
        _conclude(note, faults, goal, now)
        note.save()
    return note


def known_fault() -> str:
    """Return what the hub's own watch found wrong with the chain; empty while nothing was, or nobody has looked."""
    return AuditCheck.objects.values_list("fault", flat=True).first() or ""


def _conclude(note: AuditCheck, faults: list[Fault], goal: int, now: dt.datetime) -> None:
    """Write into the note what a piece has shown."""
    for fault in faults[:10]:
        log.error("audit_fault", kind=fault.kind, seal=fault.seal, entry_id=fault.entry_id, text=fault.text)
    if faults:
        note.fault, note.fault_in_round = faults[0].text, True
    if note.position < goal:
        return
    if not note.fault_in_round:
        note.fault, note.intact_until, note.intact_at = "", goal, now
        note.intact_hash = seal_hash(goal)
        # Whoever keeps the log elsewhere has a checkpoint that nobody with the database alone can change.
        log.info("audit_intact", checkpoint=f"{goal}:{(note.intact_hash or GENESIS).hex()}")
    note.position, note.fault_in_round = 0, False
