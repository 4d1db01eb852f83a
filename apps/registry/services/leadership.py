"""One poller and one sweeper at a time, with a token that an overtaken one cannot use any more."""

import datetime as dt
import os
import secrets
import socket
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

POLL, SWEEP = "poll", "sweep"
TERM = dt.timedelta(seconds=10)
HOLDER = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Term:
    """A term of office: the fencing token, and when the duty was last done before (None: never)."""

    duty: str
    token: int
    done_before: dt.datetime | None


class Overtaken(Exception):
    """Raised when somebody else does the duty since; the transaction in which it is noticed must not be committed."""

    def __init__(self, term: Term) -> None:
        super().__init__(f"Another process took over to {term.duty} while this one stood still.")


def lead(duty: str, *, now: dt.datetime, holder: str = HOLDER) -> Term | None:
    """Become or stay the one who does ``duty``, for `TERM` from ``now``.

    Returns:
        The term, or None while somebody else's runs.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO registry_leadership (duty, holder, token, renewed_at, expires_at)"
            " VALUES (%s, '', 0, '-infinity', '-infinity') ON CONFLICT DO NOTHING",
            [duty],
        )
        cursor.execute(
            "SELECT holder, token, CASE WHEN isfinite(renewed_at) THEN renewed_at END, expires_at < %s"
            " FROM registry_leadership WHERE duty = %s FOR UPDATE",
            [now, duty],
        )
        held_by, token, done_before, over = cursor.fetchone()
        if held_by != holder and not over:
            return None
        token += held_by != holder
        cursor.execute(
            "UPDATE registry_leadership SET holder = %s, token = %s, renewed_at = %s, expires_at = %s WHERE duty = %s",
            [holder, token, now, now + TERM, duty],
        )
    return Term(duty, token, done_before)


def still_leads(cursor: CursorWrapper, term: Term) -> bool:
    """Whether nobody took over since; holds until the caller's transaction ends, for a taker must wait for our lock."""
    cursor.execute(
        "SELECT 1 FROM registry_leadership WHERE duty = %s AND token = %s FOR SHARE", [term.duty, term.token]
    )
    return cursor.fetchone() is not None


def require(cursor: CursorWrapper, term: Term) -> None:
    """Return when `still_leads` holds.

    Raises:
        Overtaken: it does not.
    """
    if not still_leads(cursor, term):
        raise Overtaken(term)
