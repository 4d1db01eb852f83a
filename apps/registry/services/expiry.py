"""The sweep, once a second: who has not been heard of goes stale, who stays away leaves, who came back returns.

Nothing expires while the hub has reason to doubt itself: after a pause in which it could not sweep (it could not hear
either), after Redis was emptied, and while protection is on.
"""

import datetime as dt
import logging
from dataclasses import dataclass, replace
from typing import cast

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from apps.registry import changes, leases, rows
from apps.registry.changes import Move
from apps.registry.documents import Row
from apps.registry.lifecycle import Cause
from apps.registry.models import HistoryEntry
from apps.registry.protection import LeaseSweep
from apps.registry.services import leadership, protecting
from apps.registry.services.operations import deregister_rows
from xerpium_sdk.wire.registry import Status

logger = logging.getLogger(__name__)

# A hub that did not sweep for so long was down or cut off, and so was everyone who wanted to renew a lease.
BLIND_AFTER = dt.timedelta(seconds=8)
BATCH = 2000
ACTOR = "hub"
LIVE = "i.status NOT IN ('stale', 'deregistered')"


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    stale: int = 0
    deregistered: int = 0
    returned: int = 0
    restored: int = 0
    held: int = 0


def sweep(*, now: dt.datetime) -> Swept | None:
    """Do one sweep, unless another process is the sweeper (None then).

    Raises:
        redis.RedisError, django.db.OperationalError: an engine is away; nothing was changed and the next sweep knows.
    """
    # Ask Redis first: a sweep that cannot reach it must not count as one, or the blind time would not be noticed.
    held_leases = leases.count()
    term = leadership.lead(leadership.SWEEP, now=now)
    if term is None:
        return None
    try:
        return _sweep(held_leases, term, now)
    except leadership.Overtaken as error:
        logger.warning("%s", error)
        return None


def _sweep(held_leases: int, term: leadership.Term, now: dt.datetime) -> Swept:
    restored = _restore(held_leases, term, now)
    if restored:
        return Swept(restored=restored)
    expired = leases.expired(now)
    protected = protecting.judge(LeaseSweep(lost=len(expired), total=held_leases), now=now)
    returned = _bring_back(now)
    if protected:
        return Swept(returned=returned, held=len(expired))
    stale = sum(_make_stale(expired[start : start + BATCH], term, now) for start in range(0, len(expired), BATCH))
    # Whoever took over meanwhile has to find what we could not write: an exception above leaves the leases there.
    leases.drop_expired(now)
    return Swept(stale=stale, deregistered=_deregister_overdue(term, now), returned=returned)


def _restore(held_leases: int, term: leadership.Term, now: dt.datetime) -> int:
    """Give everyone a whole lease after a blind time or a loss of Redis; return how many got one."""
    blind = term.done_before is not None and now - term.done_before > BLIND_AFTER
    if held_leases and not blind:
        return 0
    live = live_leases()
    if not live:
        return 0
    leases.extend(live, now)
    why = "the hub could not hear anyone" if blind else "Redis had no lease"
    logger.warning("Restored %d leases: %s.", len(live), why)
    return len(live)


def live_leases() -> list[tuple[int, int]]:
    """Return ``(instance key, lease in seconds)`` of every instance that is neither stale nor deregistered."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i.id, i.lease_seconds FROM registry_instance i WHERE {LIVE}")
        return cast(list[tuple[int, int]], cursor.fetchall())


def _make_stale(expired: list[int], term: leadership.Term, now: dt.datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        leadership.require(cursor, term)
        found = rows.select_rows(cursor, f"i.id = ANY(%s) AND {LIVE}", [expired], lock=True)
        renewed = set(leases.alive([row["id"] for row in found], now))
        moves = [_stale(row, now) for row in found if row["id"] not in renewed]
        changes.write_moves(cursor, moves, now=now)
    return len(moves)


def _stale(row: Row, now: dt.datetime) -> Move:
    old = Status(row["status"])
    over = replace(rows.vitals_of(row), lease_over=True)
    silent = (now - row["last_seen_at"]).total_seconds()
    cause = rows.judge(row, over, Cause.LEASE_OVER, now=now, silent=silent, lease=row["lease_seconds"])
    return Move(row, HistoryEntry.STATUS, old, cause, ACTOR)


def _bring_back(now: dt.datetime) -> int:
    """Revive stale instances that hold a running lease: one was renewed in the moment in which it was found expired."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM registry_instance WHERE status = 'stale' ORDER BY id LIMIT %s", [BATCH])
        back = leases.alive([pk for (pk,) in cursor.fetchall()], now)
    return instances_return(instance_pks=back, now=now) if back else 0


def instances_return(*, instance_pks: list[int], now: dt.datetime) -> int:
    """Give stale instances the status of their reports and polls again and return how many there were."""
    with transaction.atomic(), connection.cursor() as cursor:
        found = rows.select_rows(cursor, "i.id = ANY(%s) AND i.status = 'stale'", [instance_pks], lock=True)
        moves = []
        for row in found:
            heard = replace(rows.vitals_of(row), lease_over=False)
            cause = rows.judge(row, heard, Cause.POLL_ANSWERED, now=now, word="it is back")
            moves.append(Move(row, HistoryEntry.STATUS, Status.STALE, cause, ACTOR))
        changes.write_moves(cursor, moves, now=now)
    return len(moves)


def _deregister_overdue(term: leadership.Term, now: dt.datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        leadership.require(cursor, term)
        found = _overdue(cursor, now)
        if found:
            deregister_rows(cursor, found, Cause.EXPIRED, actor=ACTOR, now=now)
    return len(found)


def _overdue(cursor: CursorWrapper, now: dt.datetime) -> list[Row]:
    overdue = "i.status = 'stale' AND i.status_since + make_interval(secs => i.deregister_after_seconds) <= %s"
    cursor.execute(f"SELECT i.id FROM registry_instance i WHERE {overdue} ORDER BY i.id LIMIT %s", [now, BATCH])
    pks = [pk for (pk,) in cursor.fetchall()]
    return rows.select_rows(cursor, f"i.id = ANY(%s) AND {overdue}", [pks, now], lock=True) if pks else []


def last_seen_flush(*, now: dt.datetime, within: dt.timedelta) -> int:
    """Copy the last signs of life from Redis to PostgreSQL in one statement, and give a lease to whoever has none.

    An instance may lack one when the hub was killed between storing a registration and renewing its lease.

    Returns:
        How many rows were brought up to date. Rows that somebody has locked wait for the next flush.
    """
    leases.grant_missing(live_leases(), now)
    seen = leases.seen_since(leases.unix_ms(now - within))
    if not seen:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH seen AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS x(id, ms)),
                 free AS (SELECT v.instance_id FROM registry_vitals v JOIN seen ON seen.id = v.instance_id
                          ORDER BY v.instance_id FOR UPDATE OF v SKIP LOCKED)
            UPDATE registry_vitals v SET last_seen_at = GREATEST(v.last_seen_at, to_timestamp(seen.ms / 1000.0))
            FROM seen JOIN free ON free.instance_id = seen.id WHERE v.instance_id = seen.id
            """,
            [list(seen), list(seen.values())],
        )
        return int(cursor.rowcount)
