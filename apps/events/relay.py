"""The relay: moves committed outbox rows to their streams, as the only writer.

Each batch is one MULTI: the appends, and what they change in the projections. The rows are settled afterwards, so a
crash in between sends them again: an entry with an id of its own is then refused by Redis, any other is appended twice
with the same ``event_id``.

Two things make it the only writer. A session lock of PostgreSQL, held by the connection that also reads the rows: a
session that was lost cannot fetch a batch. And a fence for a relay that was stopped between reading and writing: every
MULTI runs under a WATCH on ``RELAY_ALIVE``, which a successor writes before anything else.
"""

import logging
import math
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from apps.core import redis
from apps.events.outbox import Outbox, Row
from apps.events.projections import registered
from xerpium_sdk.events.entry import BEGINNING, id_key
from xerpium_sdk.wire.envelope import FIELDS
from xerpium_sdk.wire.keys import REGISTRY_CHANGES, RELAY_ALIVE

__all__ = ["Relay"]

logger = logging.getLogger(__name__)

BATCH = 500
BEAT_SECONDS = 0.5
TIDY_SECONDS = 60.0
ALIVE_MS = 3000
# Readers of the catalogue's changes start over from the projection; all other streams are cut by who knows their groups
# (`services.keeping`), and here only kept from taking all memory.
MAX_LENGTH = {REGISTRY_CHANGES: 10_000}
ALREADY_THERE = "equal or smaller"
NEVER_CHECKED = (math.inf, math.inf)
_ENVELOPE = frozenset(FIELDS)
_ENTRY_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class Relay:
    """Call `step` in a loop; after an exception the next call starts over with new connections."""

    def __init__(self, dsn: str, client: redis.Redis) -> None:
        self.relayed = 0
        self._dsn, self._client = dsn, client
        self._outbox: Outbox | None = None
        self._leading = False
        self._pipeline: Any = client.pipeline(transaction=True)  # redis-py leaves half of its methods untyped
        self._appended: dict[str, tuple[float, float]] = {}
        self._next_beat = self._next_tidy = 0.0

    def step(self) -> bool:
        """Send what is pending, or wait for it up to half a second; return whether there may be more at once.

        Raises:
            psycopg.Error, RedisError: a side is away. Nothing is lost; the lock is given up.
        """
        try:
            outbox = self._outbox = self._outbox or Outbox.open(self._dsn)
            if not self._leading:
                return self._take_over(outbox)
            return self._run(outbox)
        except redis.WatchError as error:
            logger.info("The relay starts over: %s", error)
            self.close()
            return True
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Give up the lock and the connections."""
        self._leading = False
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
        self._pipeline.reset()

    def _take_over(self, outbox: Outbox) -> bool:
        if not outbox.lock():
            outbox.wait(BEAT_SECONDS)
            return False
        # From here on a predecessor that only stood still finds its transaction refused.
        self._client.set(RELAY_ALIVE, _now_ms(), px=ALIVE_MS)
        self._appended = dict.fromkeys(outbox.kept_streams(), NEVER_CHECKED)
        self._arm(outbox)
        self._mend_projections()
        self._leading = True
        logger.info("The relay is the one writer now")
        return True

    def _run(self, outbox: Outbox) -> bool:
        if rows := outbox.pending(BATCH):
            self._send(outbox, rows)
            self._arm(outbox)
        if time.monotonic() >= self._next_beat:
            self._beat(outbox)
        if len(rows) < BATCH:
            outbox.wait(self._next_beat - time.monotonic())
        return bool(rows)

    def _beat(self, outbox: Outbox) -> None:
        """Show that the relay is alive, and look whether Redis still has what it should."""
        self._next_beat = time.monotonic() + BEAT_SECONDS
        self._pipeline.multi()
        self._pipeline.set(RELAY_ALIVE, _now_ms(), px=ALIVE_MS)
        self._pipeline.execute()
        if time.monotonic() >= self._next_tidy:
            self._forget_streams(outbox)
        self._arm(outbox)
        self._mend_projections()

    def _forget_streams(self, outbox: Outbox) -> None:
        """Look no more after streams that could not be restored anyway: each costs a round trip a batch."""
        self._next_tidy = time.monotonic() + TIDY_SECONDS
        self._appended = {stream: self._appended.get(stream, NEVER_CHECKED) for stream in outbox.kept_streams()}

    def _arm(self, outbox: Outbox) -> None:
        """Set the fence for the next MULTI, and compare the streams with what was appended to them.

        Both on the connection that the MULTI will use, so that it cannot reach a server that was never checked.
        """
        self._pipeline.watch(RELAY_ALIVE)
        for stream, appended in self._appended.items():
            last = id_key(self._last_id(stream))
            if last < appended and (count := outbox.send_again(stream, after=last)):
                logger.error("Redis has lost the end of %s; %d entries are sent again", stream, count)
            self._appended[stream] = last

    def _last_id(self, stream: str) -> str:
        try:
            # Undecoded, because the answer also holds two bodies.
            answer = self._pipeline.execute_command("XINFO STREAM", stream, NEVER_DECODE=True)
        except redis.ResponseError:
            return BEGINNING
        return str(answer["last-generated-id"].decode())

    def _send(self, outbox: Outbox, rows: Sequence[Row]) -> None:
        try:
            self._pipeline.multi()
            _compose(self._pipeline, rows)
        except Exception:
            self._pipeline.reset()
            self._park(outbox, self._find_unfit(rows))
            return
        results = self._pipeline.execute(raise_on_error=False)
        self._settle(outbox, rows, results)
        if errors := [result for result in results[len(rows) :] if isinstance(result, Exception)]:
            logger.error("A projection could not be written: %s", errors[0])
            self._rebuild(registered())

    def _settle(self, outbox: Outbox, rows: Sequence[Row], results: Sequence[Any]) -> None:
        gone, kept, refused = [], {}, []
        for row, result in zip(rows, results, strict=False):
            failed = isinstance(result, Exception)
            if failed and ALREADY_THERE not in str(result):
                refused.append((row, result))
            elif failed or row.stream in registered():
                gone.append(row.id)
            else:
                kept[row.id] = result
                self._appended[row.stream] = id_key(result)
        outbox.settle(gone=gone, kept=kept)
        self.relayed += len(gone) + len(kept)
        self._park(outbox, refused)

    def _find_unfit(self, rows: Sequence[Row]) -> list[tuple[Row, Exception]]:
        """Return the rows of a batch that cannot be sent as they are; the others go with the next one."""
        unfit = []
        for row in rows:
            try:
                _compose(self._client.pipeline(transaction=True), [row])
            except Exception as error:
                unfit.append((row, error))
        if not unfit:
            raise RuntimeError("A batch cannot be sent, though each of its rows can.")
        return unfit

    def _park(self, outbox: Outbox, unfit: Sequence[tuple[Row, Exception]]) -> None:
        """Set rows aside; a projection that will miss them is built again, from what they tell of."""
        for row, error in unfit:
            outbox.park(row.id, f"{type(error).__name__}: {error}")
            logger.error("Outbox row %d for %s cannot be sent and is parked: %r", row.id, row.stream, error)
        self._rebuild({row.stream for row, _ in unfit})

    def _mend_projections(self) -> None:
        self._rebuild([stream for stream, projection in registered().items() if projection.is_missing(self._client)])

    def _rebuild(self, streams: Iterable[str]) -> None:
        for stream in streams:
            if projection := registered().get(stream):
                projection.rebuild(self._client)
                logger.warning("The projection of %s was built again from PostgreSQL", stream)


def _compose(pipeline: redis.Pipeline, rows: Sequence[Row]) -> None:
    """Add the appends of ``rows``, in their order, and then what they change in the projections.

    Raises:
        Exception: a row cannot be sent.
    """
    for row in rows:
        pipeline.xadd(
            row.stream,
            _wire_fields(row.fields),
            id=_wire_id(row.entry_id),
            maxlen=MAX_LENGTH.get(row.stream, settings.EVENTS_HARD_MAX_LENGTH),
            approximate=True,
        )
    for stream, projection in registered().items():
        if entries := [row.fields for row in rows if row.stream == stream]:
            projection.project(pipeline, entries)


def _wire_fields(fields: Any) -> dict[Any, Any]:
    if not isinstance(fields, dict) or not fields or not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("The fields must be an object of texts.")
    # jsonb has an order of its own; readers are fastest when an envelope's fields come in theirs.
    return {name: fields[name] for name in FIELDS} if fields.keys() == _ENVELOPE else fields


def _wire_id(entry_id: str | None) -> str:
    if entry_id is None:
        return "*"
    if not _ENTRY_ID.fullmatch(entry_id):
        raise ValueError(f"{entry_id!r} is no id of a stream entry.")
    return entry_id


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
