"""The relay's side of the outbox: its own PostgreSQL session, which holds the lock that makes it the one writer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import psycopg

from apps.events.services.outbox import CHANNEL

__all__ = ["Outbox", "Row"]

RELAY_LOCK = 0x5845525049554D01  # "XERPIUM" and a number: which of the project's advisory locks this is

# A relay on a machine that vanished must give the lock up within seconds, and one whose server vanished must notice.
# It sends what all companies have to tell, and what row-level security shows only to who acts for all.
# What it commits need not be on disk at once: a row whose settling a crash undid is sent again, as after any crash.
_SESSION = """
SET application_name = 'xerpium relay'; SET statement_timeout = '10s'; SET idle_session_timeout = 0;
SET synchronous_commit = off; SET xerpium.scope = 'everything';
SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3
"""
_PENDING = """
SELECT id, stream, entry_id, fields FROM events_outboxentry
WHERE relayed_as IS NULL AND parked_at IS NULL ORDER BY id LIMIT %s
"""
_SETTLE = """
WITH gone AS (DELETE FROM events_outboxentry WHERE id = ANY(%s))
UPDATE events_outboxentry o SET relayed_as = kept.entry_id, relayed_at = now(), error = ''
FROM unnest(%s::bigint[], %s::text[]) AS kept(id, entry_id) WHERE o.id = kept.id
"""
_PARK = "UPDATE events_outboxentry SET parked_at = now(), error = %s WHERE id = %s"
_KEPT_STREAMS = "SELECT DISTINCT stream FROM events_outboxentry WHERE relayed_as IS NOT NULL"
_SEND_AGAIN = """
UPDATE events_outboxentry SET relayed_as = NULL
WHERE stream = %s AND relayed_as IS NOT NULL
  AND (split_part(relayed_as, '-', 1)::bigint, split_part(relayed_as, '-', 2)::bigint) > (%s, %s)
"""


class Row(NamedTuple):
    """A pending outbox entry; ``fields`` is whatever JSON was stored."""

    id: int
    stream: str
    entry_id: str | None
    fields: Any


class Outbox:
    """An own session of PostgreSQL, outside Django's pool. Methods raise psycopg's errors; the session is then over."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    @classmethod
    def open(cls, dsn: str) -> Self:
        """Connect to ``dsn``, a URL of the server itself or of a pooler in session mode."""
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            connect_timeout=3,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
        )
        connection.execute(_SESSION)
        return cls(connection)

    def close(self) -> None:
        """End the session, and with it the lock."""
        self._connection.close()

    def lock(self) -> bool:
        """Try to become the one writer; return whether this session is. It stays so until the session ends."""
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [RELAY_LOCK]).fetchone()
        if not row or not row[0]:
            return False
        self._connection.execute(f"LISTEN {CHANNEL}")
        return True

    def wait(self, seconds: float) -> None:
        """Return when something was committed to the outbox, at the latest after ``seconds``."""
        for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            pass

    def pending(self, limit: int) -> list[Row]:
        """Return what waits to be sent, the oldest first."""
        return [Row(*row) for row in self._connection.execute(_PENDING, [limit], prepare=True)]

    def settle(self, *, gone: Sequence[int], kept: Mapping[int, str]) -> None:
        """Delete the rows ``gone``; note under which id Redis took the rows ``kept``."""
        self._connection.execute(_SETTLE, [list(gone), list(kept), list(kept.values())], prepare=True)

    def park(self, row_id: int, error: str) -> None:
        """Set a row aside that cannot be sent."""
        self._connection.execute(_PARK, [error, row_id])

    def kept_streams(self) -> list[str]:
        """Return the streams of which relayed rows are kept."""
        return [stream for (stream,) in self._connection.execute(_KEPT_STREAMS)]

    def send_again(self, stream: str, *, after: tuple[int, int]) -> int:
        """Make the kept rows of ``stream`` pending that Redis took under ids above ``after``; return how many."""
        return self._connection.execute(_SEND_AGAIN, [stream, *after]).rowcount
