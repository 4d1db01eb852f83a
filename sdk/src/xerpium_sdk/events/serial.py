"""The serial engine of before, until its callers have moved to `EventConsumer`."""

import heapq
import logging
import random
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_DEAD
from xerpium_sdk.wire.times import format_time


def require_bus_client(client: Redis, block_ms: int) -> None:
    """Refuse a client that would lose or double messages without a word.

    Raises:
        ValueError: its retry is on, or its socket timeout is not above ``block_ms`` (None counts: a connection that
            the network dropped without a sign would be waited on for ever).
    """
    options = client.connection_pool.connection_kwargs
    retry, timeout = options.get("retry"), options.get("socket_timeout")
    if retry is None or retry.get_retries() != 0:
        raise ValueError("The client repeats commands by itself: pass retry=Retry(NoBackoff(), 0), or use connect().")
    if timeout is None or timeout * 1000 <= block_ms:
        raise ValueError(f"The client's socket_timeout must be above {block_ms / 1000} s, the longest blocking read.")


BEGINNING = "0-0"


class Entry(NamedTuple):
    """One stream entry as it came."""

    stream: str
    entry_id: str
    fields: Mapping[bytes, bytes]

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other entry."""
        return self.stream, self.entry_id


def id_key(entry_id: str) -> tuple[int, int]:
    """Return ``1700000000000-3`` as numbers that compare as Redis compares ids."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def id_before(entry_id: str) -> str:
    """Return the greatest id below ``entry_id``."""
    milliseconds, sequence = id_key(entry_id)
    if sequence:
        return f"{milliseconds}-{sequence - 1}"
    return f"{milliseconds - 1}-{2**64 - 1}" if milliseconds else BEGINNING


@dataclass(eq=False, slots=True)
class Delivery:
    """One entry in hand; ``envelope`` is None when it cannot be read, and ``fault`` says why."""

    entry: Entry
    attempts: int = 0
    """How many deliveries of it ended without an acknowledgement."""
    envelope: Envelope | None = None
    fault: str = ""
    lane: Hashable = field(init=False)

    def __post_init__(self) -> None:
        event = self.envelope
        ordered = event is not None and event.entity_id is not None
        self.lane = (event.company_id, event.entity_type, event.entity_id) if ordered and event else self.entry.key


class Backlog:
    """Deliveries in the order in which they may be handled."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Delivery] = {}
        self._ready: deque[Delivery] = deque()
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._behind: dict[Hashable, deque[Delivery]] = {}
        self._ticket = count()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._held.values())

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    @property
    def next_due(self) -> float | None:
        """When the next attempt is due; None when nothing waits for one."""
        return self._waiting[0][0] if self._waiting else None

    def has_work(self, now: float) -> bool:
        """Return whether `take` would return something."""
        return bool(self._ready) or (bool(self._waiting) and self._waiting[0][0] <= now)

    def add(self, delivery: Delivery) -> None:
        """Take a delivery in; one that is in hand already is passed over (Redis delivered it again)."""
        if delivery.entry.key not in self._held:
            self._held[delivery.entry.key] = delivery
            self._behind.get(delivery.lane, self._ready).append(delivery)

    def take(self, now: float) -> Delivery | None:
        """Return what to handle next, or None. It stays in hand until `settle`, `postpone` or `put_back`."""
        if self._waiting and self._waiting[0][0] <= now:
            return heapq.heappop(self._waiting)[2]
        while self._ready:
            delivery = self._ready.popleft()
            if (queue := self._behind.get(delivery.lane)) is None:
                return delivery
            queue.append(delivery)
        return None

    def postpone(self, delivery: Delivery, due: float) -> None:
        """Let it wait until ``due``, and the later ones of its lane behind it."""
        self._behind.setdefault(delivery.lane, deque())
        heapq.heappush(self._waiting, (due, next(self._ticket), delivery))

    def put_back(self, delivery: Delivery, now: float) -> None:
        """Undo `take`: it is the next one again."""
        if delivery.lane in self._behind:
            self.postpone(delivery, now)
        else:
            self._ready.appendleft(delivery)

    def settle(self, delivery: Delivery) -> None:
        """It is done with; the next of its lane may go."""
        del self._held[delivery.entry.key]
        self._ready.extendleft(reversed(self._behind.pop(delivery.lane, ())))


logger = logging.getLogger(__name__)


class StreamGroup:
    """One consumer's view of a group over several streams. Methods raise what redis-py raises."""

    def __init__(self, client: Redis, *, group: str, consumer: str, streams: Sequence[str]) -> None:
        self.client, self.group, self.consumer, self.streams = client, group, consumer, tuple(streams)
        self._command: Callable[..., Any] = client.execute_command

    def create(self, stream: str, after: str = BEGINNING) -> bool:
        """Make the group, to be given everything after ``after``; return whether it was absent.

        A stream whose last id is below ``after`` is not the one that ``after`` was read from (Redis was emptied), and
        is read from its beginning. It never starts at ``$``, which would drop whatever came in the meantime.
        """
        if after != BEGINNING and id_key(self._last_id(stream)) < id_key(after):
            after = BEGINNING
        try:
            self.client.xgroup_create(stream, self.group, id=after, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
            return False
        logger.info("Group %s made on %s, reading after %s", self.group, stream, after)
        return True

    def read(self, count: int, block_ms: int | None) -> list[Entry]:
        """Return up to ``count`` new entries of each stream, waiting up to ``block_ms`` for the first (None: not)."""
        wait = () if block_ms is None else ("BLOCK", block_ms)
        return _entries(
            self._command(
                *("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count, *wait, "STREAMS"),
                *self.streams,
                *[">"] * len(self.streams),
                NEVER_DECODE=True,
            )
        )

    def pending(self, stream: str, *, after: str, count: int, own: bool, idle_ms: int = 0) -> dict[str, int]:
        """Return ids after ``after`` that were delivered and not acknowledged, with how often; the oldest first.

        ``own`` asks for this consumer's; otherwise for those that nobody has touched for ``idle_ms``.
        """
        found: list[Any] = self.client.xpending_range(
            stream,
            self.group,
            min=f"({after}",
            max="+",
            count=count,
            consumername=self.consumer if own else None,
            idle=idle_ms or None,
        )
        return {_text(row["message_id"]): row["times_delivered"] for row in found}

    def claim(self, stream: str, ids: Iterable[str], *, idle_ms: int) -> list[Entry]:
        """Take over those of ``ids`` still idle for ``idle_ms``, count one more delivery, and return them.

        Ids whose entry was trimmed away are acknowledged: nobody can handle them, and they would be claimed for ever.
        """
        wanted = list(ids)
        reply = self._command("XCLAIM", stream, self.group, self.consumer, idle_ms, *wanted, NEVER_DECODE=True)
        entries = [Entry(stream, _text(entry_id), fields) for entry_id, fields in reply if entry_id is not None]
        self._forget_trimmed(stream, set(wanted) - {entry.entry_id for entry in entries})
        return entries

    def renew(self, stream: str, ids: Sequence[str], *, idle_ms: int) -> None:
        """Say that ``ids`` are still being worked on.

        ``idle_ms`` is how long they must have lain untouched: what another consumer has just taken over stays there.
        """
        self._take_quietly(stream, idle_ms, *ids)

    def count_attempts(self, entry: Entry, attempts: int) -> None:
        """Store how often ``entry`` was tried, so that the count survives this process."""
        self._take_quietly(entry.stream, 0, entry.entry_id, "RETRYCOUNT", attempts)

    def acknowledge(self, ids: Mapping[str, Sequence[str]]) -> None:
        """Acknowledge ``ids`` of each stream in one round trip."""
        pipeline = self.client.pipeline(transaction=False)
        for stream, of_stream in ids.items():
            pipeline.xack(stream, self.group, *of_stream)
        pipeline.execute()

    def bury(self, entry: Entry, reason: Mapping[str, str]) -> None:
        """Copy ``entry`` with ``reason`` to the dead letters and acknowledge it: both or neither."""
        pipeline = self.client.pipeline(transaction=True)
        fields: dict[Any, Any] = {**entry.fields, **{name.encode(): value.encode() for name, value in reason.items()}}
        pipeline.xadd(STREAM_EVENTS_DEAD, fields)
        pipeline.xack(entry.stream, self.group, entry.entry_id)
        pipeline.execute()

    def _take_quietly(self, stream: str, idle_ms: int, *arguments: object) -> None:
        """Claim without bodies, which does not count as a delivery."""
        self._command("XCLAIM", stream, self.group, self.consumer, idle_ms, *arguments, "JUSTID", parse_justid=True)

    def _last_id(self, stream: str) -> str:
        if not self.client.exists(stream):
            return BEGINNING
        # The answer also holds the first and the last body: undecoded for the same reason as in `read`.
        return _text(self._command("XINFO STREAM", stream, NEVER_DECODE=True)["last-generated-id"])

    def _forget_trimmed(self, stream: str, missing: set[str]) -> None:
        """Acknowledge those of ``missing`` that are no longer in the stream; the others went to another consumer."""
        trimmed = [entry_id for entry_id in sorted(missing) if not self._exists(stream, entry_id)]
        if trimmed:
            self.client.xack(stream, self.group, *trimmed)
            logger.error("%d entries of %s were trimmed before group %s handled them", len(trimmed), stream, self.group)

    def _exists(self, stream: str, entry_id: str) -> bool:
        return bool(self._command("XRANGE", stream, entry_id, entry_id, NEVER_DECODE=True))


def _entries(reply: Any) -> list[Entry]:
    """Read an XREADGROUP reply; redis-py gives it one of three shapes, by protocol and by its settings."""
    found = []
    for stream, entries in reply.items() if isinstance(reply, dict) else reply or ():
        batch = entries[0] if len(entries) == 1 and isinstance(entries[0], list) else entries
        found += [Entry(_text(stream), _text(entry_id), fields) for entry_id, fields in batch]
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


logger = logging.getLogger(__name__)

Handler = Callable[[Envelope], object]

MAX_IN_HAND = 10_000
FLUSH_SECONDS = 0.2
RENEW_BATCH = 500
ERROR_LENGTH = 4000


@dataclass(slots=True)
class Tally:
    """What a consumer did since it started."""

    handled: int = 0
    ignored: int = 0
    failed: int = 0
    dead: int = 0
    recovered: int = 0


class StreamConsumer:
    """Consumes ``streams`` as one member of ``group``; call `step` in a loop and `close` at the end.

    Args:
        client: a client as `xerpium_sdk.events.connect` makes it.
        handlers: event type -> function of one `Envelope`. Other types are acknowledged unread. A handler may be
            called twice for one ``event_id`` after a fault, so it must be idempotent.
        consumer_name: stable over restarts and unique in the group; what an earlier process of this name left
            unfinished is taken up first.
        block_ms: how long one `step` waits for something new.
        batch: entries read at once, for each stream.
        max_attempts: failures after which an event goes to the dead letters. Deliveries that ended with the death of
            the process count, so a message that kills it cannot do so for ever.
        claim_idle_ms: after this long without a sign of life from its consumer an entry is taken over; must be above
            the longest run of one handler.
        retry_seconds: delay before the second attempt and the greatest delay; each attempt doubles it, with jitter.
        is_outage: says of a handler's exception that what all handlers stand on (the database) is away. It is then
            raised from `step` and counts as no attempt.
        should_stop: asked between events; `step` then returns early.
    """

    def __init__(
        self,
        client: Redis,
        *,
        group: str,
        streams: Sequence[str],
        handlers: Mapping[str, Handler],
        consumer_name: str,
        block_ms: int = 1000,
        batch: int = 100,
        max_attempts: int = 5,
        claim_idle_ms: int = 60_000,
        retry_seconds: tuple[float, float] = (0.5, 30.0),
        is_outage: Callable[[Exception], bool] = lambda error: False,
        should_stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        require_bus_client(client, block_ms)
        self.tally = Tally()
        self._group = StreamGroup(client, group=group, consumer=consumer_name, streams=streams)
        self._handlers, self._is_outage, self._should_stop, self._clock = handlers, is_outage, should_stop, clock
        self._block_ms, self._batch, self._max_attempts = block_ms, batch, max_attempts
        self._claim_idle_ms, self._retry_seconds = claim_idle_ms, retry_seconds
        self._backlog = Backlog()
        self._done: defaultdict[str, list[str]] = defaultdict(list)
        self._settled: dict[str, str] = {}
        self._has_group: set[str] = set()
        self._own_pending: dict[str, str] = {}
        self._next_claim = self._next_renewal = self._next_flush = clock()
        self._expect_unseen()

    def step(self, *, wait: bool = True) -> bool:
        """Read one batch and handle what is due; return whether anything was handled.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses; nothing is lost, call again.
            Exception: whatever ``is_outage`` says yes to.
        """
        try:
            self._ensure_groups()
            self._take_in(wait)
            return self._work()
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            logger.warning("Group %s is gone (was Redis emptied?); making it again", self._group.group)
            self._has_group.clear()
            return True
        except (ConnectionError, TimeoutError):
            # An answer that did not arrive may have held entries: Redis thinks that we have them.
            self._expect_unseen()
            raise

    def close(self) -> None:
        """Acknowledge what is done. What is still in hand stays pending under this name for its next process."""
        try:
            self._flush()
        except RedisError as error:
            count = sum(map(len, self._done.values()))
            logger.warning("%d events are done but not acknowledged, and will be handled again: %s", count, error)

    # --- what comes in

    def _expect_unseen(self) -> None:
        self._own_pending = dict.fromkeys(self._group.streams, BEGINNING)

    def _ensure_groups(self) -> None:
        for stream in self._group.streams:
            if stream not in self._has_group:
                self._group.create(stream, self._position(stream))
                self._has_group.add(stream)

    def _position(self, stream: str) -> str:
        """Return the id up to which everything of ``stream`` is done as far as this process knows."""
        in_hand = [held.entry.entry_id for held in self._backlog if held.entry.stream == stream]
        return id_before(min(in_hand, key=id_key)) if in_hand else self._settled.get(stream, BEGINNING)

    def _take_in(self, wait: bool) -> None:
        now = self._clock()
        if now >= self._next_claim:
            self._claim_abandoned(now)
        while self._own_pending and not self._backlog.has_work(now):
            self._recover_own()
        if not self._backlog.has_work(now):
            self._read(now, wait)

    def _read(self, now: float, wait: bool) -> None:
        due = self._backlog.next_due
        pause = self._block_ms if due is None else min(self._block_ms, int((due - now) * 1000) + 1)
        if (room := min(self._batch, MAX_IN_HAND - len(self._backlog))) > 0:
            self._receive(self._group.read(room, pause if wait else None))
        elif wait:
            time.sleep(pause / 1000)

    def _recover_own(self) -> None:
        """Take up a page of each stream of what was delivered under this name and is not in hand."""
        for stream, after in list(self._own_pending.items()):
            found = self._group.pending(stream, after=after, count=self._batch, own=True)
            self._claim(stream, found, idle_ms=0)
            if found:
                self._own_pending[stream] = max(found, key=id_key)
            else:
                del self._own_pending[stream]

    def _claim_abandoned(self, now: float) -> None:
        self._next_claim = now + self._claim_idle_ms / 2000 * random.uniform(0.8, 1.2)
        for stream in self._group.streams:
            found = self._group.pending(
                stream, after=BEGINNING, count=self._batch, own=False, idle_ms=self._claim_idle_ms
            )
            self._claim(stream, found, idle_ms=self._claim_idle_ms)
            if len(found) == self._batch:
                self._next_claim = now

    def _claim(self, stream: str, deliveries: Mapping[str, int], *, idle_ms: int) -> None:
        ids = [entry_id for entry_id in deliveries if not self._has(stream, entry_id)]
        if ids:
            entries = self._group.claim(stream, ids, idle_ms=idle_ms)
            self._receive(entries, deliveries)
            self.tally.recovered += len(entries)

    def _has(self, stream: str, entry_id: str) -> bool:
        return (stream, entry_id) in self._backlog or entry_id in self._done[stream]

    def _receive(self, entries: Iterable[Entry], attempts: Mapping[str, int] | None = None) -> None:
        for entry in entries:
            self._backlog.add(_delivery(entry, (attempts or {}).get(entry.entry_id, 0)))

    # --- what is done with it

    def _work(self) -> bool:
        handled = 0
        try:
            self._keep_up()
            while not self._should_stop() and (delivery := self._backlog.take(self._clock())):
                self._handle_or_put_back(delivery)
                handled += 1
                self._keep_up()
        finally:
            self._flush()
        return handled > 0

    def _handle_or_put_back(self, delivery: Delivery) -> None:
        try:
            self._handle(delivery)
        except Exception:
            self._backlog.put_back(delivery, self._clock())
            raise

    def _handle(self, delivery: Delivery) -> None:
        event = delivery.envelope
        if event is None:
            self._give_up(delivery, "undecodable", delivery.fault)
        elif (handler := self._handlers.get(event.event_type)) is None:
            self.tally.ignored += 1
            self._settle(delivery)
        elif delivery.attempts >= self._max_attempts:
            text = f"Delivered {delivery.attempts} times and never answered: a consumer stopped or died on it."
            self._give_up(delivery, "max_attempts", text, handler)
        else:
            self._call(handler, event, delivery)

    def _call(self, handler: Handler, event: Envelope, delivery: Delivery) -> None:
        try:
            handler(event)
        except Exception as error:
            if self._is_outage(error):
                raise
            self._fail(handler, delivery, error)
        else:
            self.tally.handled += 1
            self._settle(delivery)

    def _fail(self, handler: Handler, delivery: Delivery, error: Exception) -> None:
        self.tally.failed += 1
        delivery.attempts += 1
        if delivery.attempts >= self._max_attempts:
            self._give_up(delivery, "max_attempts", _excerpt(error), handler)
            return
        self._group.count_attempts(delivery.entry, delivery.attempts)
        delay = self._delay(delivery.attempts)
        self._backlog.postpone(delivery, self._clock() + delay)
        logger.warning(
            "%s failed on %s of %s, attempt %d of %d, next in %.1f s",
            *(_name(handler), delivery.entry.entry_id, delivery.entry.stream),
            *(delivery.attempts, self._max_attempts, delay),
            exc_info=error,
        )

    def _delay(self, attempts: int) -> float:
        """Return the seconds until the next attempt: doubled each time, half of it random."""
        first, greatest = self._retry_seconds
        return min(greatest, first * 2.0 ** (attempts - 1)) * random.uniform(0.5, 1)

    def _give_up(self, delivery: Delivery, reason: str, error: str, handler: Handler | None = None) -> None:
        entry = delivery.entry
        self._group.bury(
            entry,
            {
                "dead_group": self._group.group,
                "dead_handler": _name(handler) if handler else "",
                "dead_reason": reason,
                "dead_error": error[:ERROR_LENGTH],
                "dead_attempts": str(delivery.attempts),
                "dead_stream": entry.stream,
                "dead_stream_id": entry.entry_id,
                "dead_at": format_time(datetime.now(UTC)),
            },
        )
        logger.error("Gave up on %s of %s (%s): %s", entry.entry_id, entry.stream, reason, error.splitlines()[-1])
        self.tally.dead += 1
        self._settle(delivery, acknowledged=True)

    def _settle(self, delivery: Delivery, *, acknowledged: bool = False) -> None:
        stream, entry_id, _ = delivery.entry
        self._backlog.settle(delivery)
        if id_key(entry_id) > id_key(self._settled.get(stream, BEGINNING)):
            self._settled[stream] = entry_id
        if not acknowledged:
            self._done[stream].append(entry_id)

    # --- what Redis must hear of in time

    def _keep_up(self) -> None:
        """Acknowledge and renew in the midst of a batch of slow handlers."""
        now = self._clock()
        if now >= self._next_flush:
            self._flush()
        if now >= self._next_renewal:
            self._renew(now)

    def _flush(self) -> None:
        self._next_flush = self._clock() + FLUSH_SECONDS
        if done := {stream: ids for stream, ids in self._done.items() if ids}:
            self._group.acknowledge(done)
            self._done.clear()

    def _renew(self, now: float) -> None:
        """Keep other consumers from taking over what is in hand."""
        interval_ms = self._claim_idle_ms // 4
        self._next_renewal = now + interval_ms / 1000
        by_stream: defaultdict[str, list[str]] = defaultdict(list)
        for held in self._backlog:
            by_stream[held.entry.stream].append(held.entry.entry_id)
        for stream, ids in by_stream.items():
            for start in range(0, len(ids), RENEW_BATCH):
                self._group.renew(stream, ids[start : start + RENEW_BATCH], idle_ms=interval_ms // 2)


def _delivery(entry: Entry, attempts: int) -> Delivery:
    try:
        # Only types that services declare may have text for an id, and they have a stream of their own.
        envelope = Envelope.decode(entry.fields, text_ids=entry.stream != STREAM_EVENTS)
    except DecodeError as error:
        return Delivery(entry, attempts, fault=str(error))
    return Delivery(entry, attempts, envelope)


def _name(handler: Handler) -> str:
    return f"{handler.__module__}.{getattr(handler, '__qualname__', type(handler).__name__)}"


def _excerpt(error: Exception) -> str:
    """Return the end of the traceback: where it was raised, and the message last."""
    return "".join(traceback.format_exception(error))[-ERROR_LENGTH:].strip()
