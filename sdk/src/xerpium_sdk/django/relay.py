"""The relay: brings committed outbox events to their streams, as the only writer, in the order of their ids.

A batch is one MULTI. Its rows are settled afterwards, so a crash in between sends them again: the same events with the
same ids, which consumers with an idempotency store handle once.
"""

import datetime as dt
import logging
import time
from collections.abc import Sequence
from typing import Any

from django.db import connections, router
from django.utils import timezone
from hiredis import pack_command

from xerpium_sdk.django.models import OutboxEvent
from xerpium_sdk.django.outbox import CHANNEL
from xerpium_sdk.django.retention import outbox_prune
from xerpium_sdk.django.seat import seat_for
from xerpium_sdk.events._sync.line import Line
from xerpium_sdk.events.patience import Patience
from xerpium_sdk.wire.envelope import FIELDS

__all__ = ["OutboxRelay"]

logger = logging.getLogger(__name__)

BATCH = 500
BATCH_BYTES = 8 * 1024 * 1024
PRUNE_SECONDS = 60.0
ONCE = Patience(attempts=1, deadline=4.0, timeout=4.0)
"""The loop tries again; meanwhile the transaction that holds the lock has to end."""


class OutboxRelay:
    """Call `step` in a loop, and `close` at the end.

    Args:
        redis_url: default ``REDIS_URL`` of the environment.
        using: alias of the database; default: where Django's routers put the outbox.
        max_length: the hard cap of a stream, about.
        keep: how long sent events are kept, to be looked at and sent again.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        using: str | None = None,
        max_length: int = 5_000_000,
        keep: dt.timedelta = dt.timedelta(days=1),
    ) -> None:
        self.sent = self.parked = 0
        self.using = using or router.db_for_write(OutboxEvent)
        self._line = Line(None, redis_url, ONCE, connections=1)
        self._seat = seat_for(self.using)
        self._max_length, self._keep = max_length, keep
        self._next_prune = 0.0
        self._listening = False

    def step(self) -> bool:
        """Send one batch; return whether there may be more at once.

        Raises:
            django.db.Error, Undelivered: the database or Redis is away. Nothing is lost; call again.
        """
        if time.monotonic() >= self._next_prune:
            self._next_prune = time.monotonic() + PRUNE_SECONDS
            outbox_prune(sent_before=timezone.now() - self._keep, using=self.using)
        with self._seat.taken() as mine:
            rows = self._pending() if mine else []
            return self._send(rows) if rows else False

    def wait(self, seconds: float) -> None:
        """Return when something was committed to the outbox, at the latest after ``seconds``.

        Where it only begins to be told of commits, it returns at once: one of a moment ago it was not told of.
        """
        was_listening = self._listening
        if not self._listen():
            self.rest(seconds)
            return
        if not was_listening:
            return
        connection = connections[self.using]
        with connection.wrap_database_errors:  # this call goes past Django, and its errors would be the driver's
            for _ in connection.connection.notifies(timeout=seconds, stop_after=1):
                pass

    def rest(self, seconds: float) -> None:
        """Do nothing for ``seconds``."""
        time.sleep(seconds)

    def forget_connections(self) -> None:
        """Start over with new connections to the database, after one was lost."""
        self._listening = False
        connections[self.using].close()

    def close(self) -> None:
        """Let a standby take over, and close all connections."""
        try:
            self._seat.leave()
            if self._listening:
                with connections[self.using].cursor() as cursor:
                    cursor.execute("UNLISTEN *")
        finally:
            self._listening = False
            self._line.close()

    def _listen(self) -> bool:
        """Have PostgreSQL tell of commits; return whether it does (with psycopg 3, and no pooler of transactions)."""
        connection = connections[self.using]
        if connection.vendor != "postgresql":
            return False
        connection.ensure_connection()
        if not callable(connection.connection.notifies):
            return False  # psycopg2 has a list of this name
        if not self._listening:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._listening = True
        return True

    def _pending(self) -> list[OutboxEvent]:
        pending = OutboxEvent._default_manager.using(self.using).filter(sent_at=None, parked_at=None)
        return list(pending.order_by("id")[:BATCH])

    def _send(self, rows: Sequence[OutboxEvent]) -> bool:
        commands: list[bytes] = []
        size = 0
        for row in rows:
            try:
                command = self._command(row)
            except (TypeError, ValueError) as error:
                if not commands:
                    self._park(row, error)
                    return True
                break  # first those before it
            if commands and size + len(command) > BATCH_BYTES:
                break
            size += len(command)
            commands.append(command)
        if self._seat.may_send():
            self._settle(rows[: len(commands)], self._line.send(commands))
        return True

    def _settle(self, rows: Sequence[OutboxEvent], answers: Sequence[Any]) -> None:
        sent = []
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, Exception):
                self._park(row, answer)
            else:
                sent.append(row.pk)
        OutboxEvent._default_manager.using(self.using).filter(pk__in=sent).update(sent_at=timezone.now(), error="")
        self.sent += len(sent)

    def _park(self, row: OutboxEvent, error: Exception) -> None:
        """Set a row aside that Redis cannot take."""
        logger.error("Outbox event %s (%s) cannot be sent and is parked: %r", row.pk, row, error)
        row.parked_at, row.error = timezone.now(), f"{type(error).__name__}: {error}"
        row.save(using=self.using, update_fields=["parked_at", "error"])
        self.parked += 1

    def _command(self, row: OutboxEvent) -> bytes:
        fields = row.fields
        if not isinstance(fields, dict) or not fields or not all(isinstance(one, str) for one in fields.values()):
            raise ValueError("The fields must be an object of texts.")
        # jsonb has an order of its own; readers are fastest when an envelope's fields come in theirs.
        names = FIELDS if fields.keys() == set(FIELDS) else tuple(fields)
        flat = [part for name in names for part in (name, fields[name])]
        command: bytes = pack_command((b"XADD", row.stream, b"MAXLEN", b"~", self._max_length, b"*", *flat))
        return command
