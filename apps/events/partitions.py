"""The partitions of the journal, one for each day.

Making and dropping one needs a lock that a long query on the journal holds up, and everybody who comes after would wait
behind it, the writer too. So each attempt gives up after a second and is made again later; a day without a partition
has its place in the default one meanwhile.

The hub's role may make and drop no table: functions that belong to the tables' owner do it, for days and nothing else.
"""

import datetime as dt
import re
from collections.abc import Sequence

from django.db import OperationalError, connection, transaction

from apps.events.recording import day_of

__all__ = ["days", "drop", "prepare"]

DAYS_AHEAD = 7
LOCK_MS = 1000
_NAME = re.compile(r"events_journalentry_(\d{8})")
_NAMES = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events_journalentry'::regclass"


def days() -> list[tuple[str, dt.date]]:
    """Return the partitions that stand for a day, and the day, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        found = [_NAME.fullmatch(name) for (name,) in cursor.fetchall()]
    return sorted((match[0], _date(match[1])) for match in found if match)


def prepare(*, now: dt.datetime) -> int:
    """Make the partitions of today and of a week ahead; return how many were made."""
    known = {day for _, day in days()}
    wanted = [day_of(now) + dt.timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    made = 0
    for day in wanted:
        if day not in known:
            if not _try("SELECT events_journal_partition(%s)", [day]):
                break
            made += 1
    return made


def drop(day: dt.date) -> bool:
    """Drop the partition of a day; return whether it could be had."""
    return _try("SELECT events_journal_drop(%s)", [day])


def _try(statement: str, values: Sequence[dt.date]) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
            cursor.execute(statement, values)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        return False
    return True


def _date(digits: str) -> dt.date:
    return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
