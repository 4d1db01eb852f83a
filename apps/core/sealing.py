"""Sealing: each entry of the audit gets its link of the hash chain, soon after it was committed.

A trigger notes every new entry in ``core_auditpending``, in the entry's own transaction; so an entry that commits late,
with a smaller id than one that is sealed already, is just sealed next. Whoever seals holds a lock until the commit, and
the numbers of seals and their entries are unique: there is one chain, and a pass that is killed has done nothing.
"""

from typing import Any

from django.db import connection, transaction

from apps.core.chain import ENTRY_SQL, GENESIS, Entry, link
from apps.core.tenancy import system, use

__all__ = ["seal_all", "seal_some"]

BATCH = 1000
_LOCK = 0x4155444954  # "AUDIT"


def seal_all() -> int:
    """Seal whatever waits; return how many entries that were."""
    total = 0
    while sealed := seal_some():
        total += sealed
    return total


def seal_some(*, most: int = BATCH) -> int:
    """Seal at most ``most`` entries, in the order of their ids; return how many. Waits for whoever is sealing."""
    with use(system("seal the audit")), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM core_auditpending)")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        # Each statement sees the moment in which it begins: what follows the lock sees what its last holder wrote.
        cursor.execute("SELECT id, hash FROM core_auditseal ORDER BY id DESC LIMIT 1")
        number, previous = cursor.fetchone() or (0, GENESIS)
        cursor.execute(
            f"SELECT {ENTRY_SQL} FROM core_auditpending p JOIN core_auditentry e ON e.id = p.entry_id"
            " ORDER BY e.id LIMIT %s",
            [most],
        )
        entries = [Entry(*row) for row in cursor.fetchall()]
        _store(cursor, number, bytes(previous), entries)
    return len(entries)


def _store(cursor: Any, number: int, previous: bytes, entries: list[Entry]) -> None:
    """Add the links of ``entries`` after seal ``number``."""
    hashes = [previous]
    for seal, entry in enumerate(entries, start=number + 1):
        hashes.append(link(hashes[-1], seal, entry))
    cursor.execute(
        "INSERT INTO core_auditseal (id, entry_id, previous, hash)"
        " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bytea[])",
        [
            list(range(number + 1, number + 1 + len(entries))),
            [entry.id for entry in entries],
            hashes[:-1],
            hashes[1:],
        ],
    )
    cursor.execute("DELETE FROM core_auditpending WHERE entry_id = ANY(%s)", [[entry.id for entry in entries]])
