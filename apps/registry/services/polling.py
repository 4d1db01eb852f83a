"""Polling: due checks are picked from `Vitals`, fetched concurrently, and written in batches as the answers come."""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

import uvloop
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from apps.core.redis import RedisError
from apps.registry import changes, leases, lifecycle, rows, schedule
from apps.registry.changes import Move
from apps.registry.documents import Row
from apps.registry.lifecycle import Cause
from apps.registry.models import HistoryEntry
from apps.registry.prober import Prober, ProbeResult, Target
from apps.registry.selectors import protection_is_active
from apps.registry.services import leadership
from apps.registry.services.expiry import instances_return
from xerpium_sdk.wire.registry import Status

logger = logging.getLogger(__name__)

BATCH = 5000
FLUSH_SECONDS = 0.2
# A claimed check that was never answered for (its worker was killed) is due again after this.
CLAIM = dt.timedelta(seconds=8)
ACTOR = "hub"
Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True)
class Due:
    """A check to do now, with what is needed to judge its answer."""

    target: Target
    interval: int
    lease_seconds: int
    stale: bool
    state: lifecycle.PollState


@dataclass(frozen=True, slots=True)
class Answer:
    """A check, its answer, and the poll state that follows."""

    due: Due
    result: ProbeResult
    state: lifecycle.PollState


@dataclass(slots=True)
class Polled:
    """What one round of polls did."""

    polls: int = 0
    failures: int = 0
    moves: int = 0


def poll_due(*, prober: Prober, clock: Clock) -> Polled | None:
    """Do all polls that are due, unless another process is the poller (None then).

    Args:
        prober: fetches and judges addresses.
        clock: tells the present moment, aware; a round lasts as long as its slowest peer may take.
    """
    term = leadership.lead(leadership.POLL, now=clock())
    if term is None:
        return None
    due = {check.target.instance_pk: check for check in claim_due(now=clock())}
    if not due:
        return Polled()
    answers: SimpleQueue[ProbeResult | None] = SimpleQueue()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="poll-writer") as thread:
        writing = thread.submit(copy_context().run, _write_as_they_come, due, answers, term, clock)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_probe(prober, [check.target for check in due.values()], answers))
        finally:
            answers.put(None)
        return writing.result()


async def _probe(prober: Prober, targets: Sequence[Target], answers: "SimpleQueue[ProbeResult | None]") -> None:
    async with prober:
        await prober.probe_all(targets, answers.put)


def claim_due(*, now: dt.datetime) -> list[Due]:
    """Pick the checks that are due and push them into the future, so that no other round picks them too."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (SELECT v.instance_id FROM registry_vitals v WHERE v.next_due_at <= %s
                         ORDER BY v.next_due_at LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE registry_vitals v SET next_due_at = %s
            FROM due, registry_instance i
            WHERE v.instance_id = due.instance_id AND i.id = due.instance_id
            RETURNING i.id, i.health_check_url, i.poll_interval_seconds, i.lease_seconds, i.status = 'stale' AS stale,
                      i.polled_status, v.failures, v.successes
            """,
            [now, BATCH, now + CLAIM],
        )
        return [_due(row) for row in rows.fetch_rows(cursor)]


def _due(row: Row) -> Due:
    polled = Status(row["polled_status"]) if row["polled_status"] else None
    return Due(
        target=Target(instance_pk=row["id"], url=row["health_check_url"], suspect=row["failures"] > 0),
        interval=row["poll_interval_seconds"],
        lease_seconds=row["lease_seconds"],
        stale=row["stale"],
        state=lifecycle.PollState(polled=polled, failures=row["failures"], successes=row["successes"]),
    )


def _write_as_they_come(
    due: Mapping[int, Due], answers: "SimpleQueue[ProbeResult | None]", term: leadership.Term, clock: Clock
) -> Polled:
    """Write what arrives every `FLUSH_SECONDS`, until None: a slow peer must not hold back the others' results."""
    total, going = Polled(), True
    try:
        while going:
            batch, going = _batch(answers)
            if batch:
                polls_record(due=due, results=batch, term=term, now=clock(), total=total)
    finally:
        connection.close()
    return total


def _batch(answers: "SimpleQueue[ProbeResult | None]") -> tuple[list[ProbeResult], bool]:
    batch: list[ProbeResult] = []
    item = answers.get()
    deadline = time.monotonic() + FLUSH_SECONDS
    while item is not None:
        batch.append(item)
        try:
            item = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            return batch, True
    return batch, False


def polls_record(
    *,
    due: Mapping[int, Due],
    results: Sequence[ProbeResult],
    term: leadership.Term,
    now: dt.datetime,
    total: Polled,
) -> None:
    """Write a batch of answers: vitals, raw results, the statuses that change by them, the leases that they renew.

    A poller that was overtaken while it waited (its token is old) writes nothing. ``total`` is added to.
    """
    hold = protection_is_active()
    judged = [_judged(due[result.instance_pk], result, hold) for result in results]
    with transaction.atomic(), connection.cursor() as cursor:
        if not leadership.still_leads(cursor, term):
            logger.warning("Another poller took over: %d answers dropped.", len(results))
            return
        answers = _still_meant(cursor, judged)
        moves = _moves(cursor, [answer for answer in answers if answer.state.polled != answer.due.state.polled], now)
        changes.write_moves(cursor, moves, now=now)
        _write_vitals(cursor, answers, now)
        _write_results(cursor, answers, now)
    _renew([answer for answer in answers if answer.result.ok], now)
    total.polls += len(answers)
    total.failures += sum(not answer.result.ok for answer in answers)
    total.moves += len(moves)


def _judged(due: Due, result: ProbeResult, hold: bool) -> Answer:
    state = lifecycle.after_poll(due.state, result.ok, Status(result.word), hold=hold)
    return Answer(due=due, result=result, state=state)


def _still_meant(cursor: CursorWrapper, answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers of who is still registered at the address that was asked; the others tell nothing of today."""
    cursor.execute(
        """
        SELECT i.id FROM unnest(%s::bigint[], %s::text[]) AS x(id, url)
        JOIN registry_instance i ON i.id = x.id AND i.health_check_url = x.url AND i.status <> 'deregistered'
        """,
        [[answer.due.target.instance_pk for answer in answers], [answer.due.target.url for answer in answers]],
    )
    meant = {pk for (pk,) in cursor.fetchall()}
    return [answer for answer in answers if answer.result.instance_pk in meant]


def _moves(cursor: CursorWrapper, answers: Sequence[Answer], now: dt.datetime) -> list[Move]:
    if not answers:
        return []
    by_pk = {answer.result.instance_pk: answer for answer in answers}
    found = rows.select_rows(cursor, "i.id = ANY(%s) AND i.status <> 'deregistered'", [list(by_pk)], lock=True)
    return [_polled(row, by_pk[row["id"]], now) for row in found]


def _polled(row: Row, answer: Answer, now: dt.datetime) -> Move:
    old = Status(row["status"])
    vitals = replace(rows.vitals_of(row), polled=answer.state.polled)
    if answer.result.ok:
        row["last_seen_at"] = now
        cause = rows.judge(row, vitals, Cause.POLL_ANSWERED, now=now, word=answer.result.word)
    else:
        facts = {"failures": answer.state.failures, "error": answer.result.public_reason}
        cause = rows.judge(row, vitals, Cause.POLL_FAILED, now=now, **facts)
    return Move(row, HistoryEntry.STATUS, old, cause, ACTOR)


def _write_vitals(cursor: CursorWrapper, answers: Sequence[Answer], now: dt.datetime) -> None:
    ordered = sorted(answers, key=lambda answer: answer.result.instance_pk)
    cursor.execute(
        """
        UPDATE registry_vitals v
        SET next_due_at = CASE WHEN v.next_due_at IS NULL THEN NULL ELSE x.due END, failures = x.failures,
            successes = x.successes, checked_at = %s, ok = x.ok, latency_ms = x.latency, status_code = x.code,
            reason = x.reason, last_seen_at = CASE WHEN x.ok THEN %s ELSE v.last_seen_at END
        FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::int[], %s::boolean[], %s::float8[], %s::int[],
                    %s::text[])
             AS x(id, due, failures, successes, ok, latency, code, reason)
        WHERE v.instance_id = x.id
        """,
        [
            now,
            now,
            [answer.result.instance_pk for answer in ordered],
            [_next_due(answer, now) for answer in ordered],
            [answer.state.failures for answer in ordered],
            [answer.state.successes for answer in ordered],
            [answer.result.ok for answer in ordered],
            [answer.result.latency_ms for answer in ordered],
            [answer.result.status_code for answer in ordered],
            [answer.result.reason[:256] for answer in ordered],
        ],
    )


def _next_due(answer: Answer, now: dt.datetime) -> dt.datetime:
    pk, failures = answer.result.instance_pk, answer.state.failures
    return schedule.next_due(pk, now, answer.due.interval, stale=answer.due.stale, failures=failures)


def _write_results(cursor: CursorWrapper, answers: Sequence[Answer], now: dt.datetime) -> None:
    cursor.execute(
        """
        INSERT INTO registry_pollresult (instance_id, at, ok, latency_ms, status_code)
        SELECT x.id, %s, x.ok, x.latency, x.code
        FROM unnest(%s::bigint[], %s::boolean[], %s::float8[], %s::int[]) AS x(id, ok, latency, code)
        ON CONFLICT DO NOTHING
        """,
        [
            now,
            [answer.result.instance_pk for answer in answers],
            [answer.result.ok for answer in answers],
            [answer.result.latency_ms for answer in answers],
            [answer.result.status_code for answer in answers],
        ],
    )


def _renew(good: Sequence[Answer], now: dt.datetime) -> None:
    """A good poll renews the lease, and brings back who had gone stale."""
    try:
        leases.renew([(answer.result.instance_pk, answer.due.lease_seconds) for answer in good], now, only_later=True)
    except RedisError as error:
        logger.warning("Leases not renewed by good polls: %s", error)
    stale = [answer.result.instance_pk for answer in good if answer.due.stale]
    if stale:
        instances_return(instance_pks=stale, now=now)
