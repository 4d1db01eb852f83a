"""What operators and services decide about dead letters: send them again to the group that failed, or let them be.

Each decision is one statement that compares and swaps: of two that are made at once each letter counts for one.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from django.db import connection, transaction
from django.db.models import QuerySet

from apps.core import audit
from apps.events.models import DeadLetter
from apps.events.services.outbox import outbox_insert
from xerpium_sdk.wire.keys import stream_of_replays

__all__ = ["dead_letters_discard", "dead_letters_replay"]

BATCH = 500
Letters = Iterable[int] | QuerySet[DeadLetter]

_DECIDE = """
    UPDATE events_deadletter SET state = %s, decided_at = %s, decided_by = %s
    WHERE id = ANY(%s) AND state = 'waiting'
"""
_SEND = outbox_insert("""
    SELECT %s || "group", NULL, fields || jsonb_build_object('replay_of', id::text, 'replay_stream', stream)
    FROM decided ORDER BY id
""")
_TOLD = 'id, company_id, "group", event_type'
_REPLAY = f"""
WITH decided AS ({_DECIDE} AND is_text AND "group" <> '' RETURNING {_TOLD}, stream, fields), sent AS ({_SEND})
SELECT {_TOLD} FROM decided ORDER BY id
"""
_DISCARD = f"WITH decided AS ({_DECIDE} RETURNING {_TOLD}) SELECT {_TOLD} FROM decided ORDER BY id"


def dead_letters_replay(*, ids: Letters, actor: str, now: dt.datetime) -> int:
    """Send waiting dead letters again, each to the group that gave it up, in the order of their ids; return how many.

    ``ids`` are ids or a QuerySet. Passed over are those that were decided on already, those that were no text
    (``is_text``), since their bytes are not known any more, and those that name no group. Each few hundred are a
    transaction of their own; what was done stays done when a later one fails.
    """
    count = 0
    for some in _batches(ids):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_REPLAY, [DeadLetter.State.REPLAYED, now, actor, some, stream_of_replays("")])
            count += _noted("replayed", cursor.fetchall())
    return count


def dead_letters_discard(*, ids: Letters, actor: str, now: dt.datetime) -> int:
    """Let waiting dead letters be; return how many. Otherwise as `dead_letters_replay`."""
    count = 0
    for some in _batches(ids):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_DISCARD, [DeadLetter.State.DISCARDED, now, actor, some])
            count += _noted("discarded", cursor.fetchall())
    return count


def _noted(verb: str, letters: list[tuple[int, int | None, str, str]]) -> int:
    """Record what was decided, an entry for each company of these letters; return how many letters there are."""
    of_company: dict[int | None, list[tuple[int, int | None, str, str]]] = defaultdict(list)
    for letter in letters:
        of_company[letter[1]].append(letter)
    for company_id, some in of_company.items():
        counts = Counter(f"{event_type or 'no type'} of {group}" for _, _, group, event_type in some)
        which = str(some[0][0]) if len(some) == 1 else f"{some[0][0]} to {some[-1][0]}"
        after = {"count": len(some), "what": dict(counts), "ids": [letter[0] for letter in some]}
        audit.record(verb, "dead_letter", which, company_id=company_id, after=after)
    return len(letters)


def _batches(ids: Letters) -> Iterator[list[int]]:
    """Yield ids in batches, ascending. Of a QuerySet only those that were there at the start: what is replayed may fail
    again, and come back as a new letter that fits the same filter."""
    if not isinstance(ids, QuerySet):
        known = sorted(set(ids))
        yield from (known[start : start + BATCH] for start in range(0, len(known), BATCH))
        return
    waiting = DeadLetter.objects.filter(
        pk__in=ids.order_by().values_list("pk", flat=True), state=DeadLetter.State.WAITING
    )
    newest = waiting.order_by("-pk").values_list("pk", flat=True).first() or 0
    last = 0
    while some := list(waiting.filter(pk__gt=last, pk__lte=newest).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield some
        last = some[-1]
