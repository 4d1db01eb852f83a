"""The thread that owns all that is in hand: decodes, hands out, collects results, and tells Redis."""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xerpium_sdk.events.batches import Collector
from xerpium_sdk.events.calls import excerpt
from xerpium_sdk.events.decode import decode_entry
from xerpium_sdk.events.desk import Desk, Verdict
from xerpium_sdk.events.group import Group
from xerpium_sdk.events.idempotency import Claim, ClaimingStore
from xerpium_sdk.events.lanes import Delivery, Lanes, Run
from xerpium_sdk.events.metrics import HandlerCounts, Metrics
from xerpium_sdk.events.options import Options
from xerpium_sdk.events.reader import Held, Reader
from xerpium_sdk.events.settlement import Settlement
from xerpium_sdk.events.standing import Standing
from xerpium_sdk.events.subscriptions import Subscription, Subscriptions
from xerpium_sdk.events.trouble import Trouble
from xerpium_sdk.events.workers import Pool
from xerpium_sdk.wire.errors import DecodeError

__all__ = ["Coordinator", "Station"]

logger = logging.getLogger(__name__)

BACKLOG_SECONDS = 0.001
"""How soon to look again whether more workers are needed."""
SLOW_SECONDS = 0.0003
"""Handlers that take longer than this on average get a worker for each run at once."""
BUSY_SECONDS = 0.25
"""How soon to ask again for an event that another consumer has claimed in the idempotency store."""
LONGEST_WAIT = 0.25


@dataclass(slots=True, eq=False)
class Station:
    """One subscription at work."""

    subscription: Subscription
    pool: Pool
    counts: HandlerCounts
    collector: Collector | None = None
    mean_seconds: float = 0.0
    answered: int = 0
    stalled_since: float | None = None
    """Since when something is ready and nothing was answered; None when it is not so."""


class Coordinator:
    """`turn` does everything that is due and says how long there is nothing to do; only its thread calls its methods."""

    def __init__(
        self,
        options: Options,
        subscriptions: Subscriptions,
        pools: Mapping[Subscription, Pool],
        *,
        desk: Desk,
        group: Group,
        standing: Standing,
        reader: Reader,
        held: Held,
        metrics: Metrics,
        unclear_deaths: int,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._options, self._desk, self._group, self._standing, self._reader = options, desk, group, standing, reader
        self._held, self._metrics, self._unclear_deaths, self._chance = held, metrics, unclear_deaths, chance
        self._find = subscriptions.finder()
        any_type = subscriptions.any_type
        self._takes_unreadable = any_type if any_type and any_type.batching and any_type.batching.raw else None
        self._stations = {one: self._station(one, pool) for one, pool in pools.items()}
        self._texts = {stream: options.text_ids(stream) for stream in options.streams}
        store = options.idempotency
        self._store = store if isinstance(store, ClaimingStore) else None
        self._lanes = Lanes()
        self.settlement = Settlement(options, group, held, self._store, reader.room.set)
        self._epoch = 0
        self.handed_back = 0
        """How many entries were given back without having been begun."""
        self._redis = Trouble("Redis", f"group {options.group} acknowledges nothing until it is back")
        self._outage = Trouble("What handlers stand on", f"group {options.group} waits for it", first_seconds=0.2)
        self._redis_after = self._paused_until = self._next_watch = self._next_claims = 0.0
        shortest = min((one.timeout for one in pools), default=1.0)
        self._watch_seconds = min(max(shortest / 4, 0.01), 0.25)

    def _station(self, subscription: Subscription, pool: Pool) -> Station:
        collector = Collector(subscription, self._is_suspect) if subscription.batching else None
        return Station(subscription, pool, self._metrics.of(subscription.name), collector)

    # --- one turn

    def turn(self) -> float:
        """Do what is due; return for how many seconds there will be nothing to do unless the bell rings."""
        desk = self._desk
        now = desk.clock()
        if now >= self._standing.next_due:
            self._on_redis(self._keep_standing, now)
        self._take_in(now)
        self._collect(now)
        self._watch(now)
        self._dispatch(now)
        if self.settlement.is_due(now):
            self._on_redis(self._flush, now)
        if now >= self.settlement.next_renewal:
            self._on_redis(self._renew, now)
        self._metrics.in_hand = sum(map(len, self._held.values()))
        return self._pause(desk.clock())

    @property
    def in_progress(self) -> int:
        """How many deliveries workers are at, or have not answered for."""
        return self._lanes.out

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in hand."""
        return not any(self._held.values()) and not self._desk.inbox and not self._desk.outbox

    def hand_back(self) -> None:
        """Take back what nobody has begun: it stays pending in Redis for others."""
        dropped: list[Delivery] = [one for batch in self._drain_inbox() for one in batch]
        for station in self._stations.values():
            self._take_back(station)
        dropped += self._lanes.drop()
        for delivery in dropped:
            self._held[delivery.stream].pop(delivery.entry_id, None)
        self.handed_back += len(dropped)

    def finish(self, now: float) -> None:
        """Collect what workers have answered, and tell Redis. Raises what redis-py raises."""
        self._collect(now)
        self.hand_back()
        self.settlement.flush(self._standing.name)

    def _pause(self, now: float) -> float:
        if self._desk.inbox or self._desk.outbox:
            return 0.0
        moments = [now + LONGEST_WAIT, self._standing.next_due]
        if self.settlement.due is not None:
            moments.append(self.settlement.due)
        if (due := self._lanes.next_due) is not None:
            moments.append(due)
        if self._desk.paused:
            moments.append(self._paused_until)
        for station in self._stations.values():
            if station.pool.ready:
                moments.append(now + BACKLOG_SECONDS)
            if station.collector is not None and (due := station.collector.due) is not None:
                moments.append(due)
        if self._lanes.out:
            moments.append(self._next_watch)
        soonest = min(moments)
        if now < self._redis_after and soonest < self._redis_after:
            # While Redis is away, what is due for it waits; what is due for workers rings the bell.
            soonest = min(self._redis_after, now + LONGEST_WAIT / 10)
        return max(soonest - now, 0.0)

    # --- Redis

    def _on_redis(self, action: Callable[[float], None], now: float) -> None:
        """Do ``action``, or remember that Redis is away and leave it for later."""
        if now < self._redis_after:
            return
        try:
            action(now)
        except Exception as error:  # also what a store of handled events raises
            self._redis_after = self._desk.clock() + self._redis.met(error)
            self._reader.look_again()
        else:
            self._redis.over()

    def _keep_standing(self, now: float) -> None:
        standing = self._standing
        try:
            standing.keep(now)
        finally:
            if not standing.active and self._epoch:
                self._reader.go.clear()
                self.hand_back()
                self._epoch = 0
        if standing.active and standing.epoch != self._epoch:
            if self._epoch:
                self.hand_back()
            self._epoch = standing.epoch
            self._reader.activate(standing.name)

    def _flush(self, now: float) -> None:
        self.settlement.flush(self._standing.name)

    def _renew(self, now: float) -> None:
        self.settlement.renew(self._standing.name, now)

    # --- what comes in

    def _take_in(self, now: float) -> None:
        if not self._desk.inbox:
            return
        find, add, texts = self._find, self._lanes.add, self._texts
        for batch in self._drain_inbox():
            for delivery in batch:
                try:
                    event = decode_entry(delivery.fields, text_ids=texts[delivery.stream])
                except DecodeError as error:
                    self._take_unreadable(delivery, str(error), now)
                    continue
                delivery.envelope, delivery.fault = event, ""
                subscription = find(event.event_type)
                if subscription is None:
                    self._metrics.ignored += 1
                    self.settlement.done(delivery, now)
                elif delivery.attempts >= subscription.max_attempts:
                    self._never_answered(delivery, subscription, now)
                else:
                    delivery.subscription = subscription
                    add(delivery)

    def _drain_inbox(self) -> list[list[Delivery]]:
        inbox, batches = self._desk.inbox, []
        while inbox:
            batches.append(inbox.popleft())
        return batches

    def _take_unreadable(self, delivery: Delivery, fault: str, now: float) -> None:
        delivery.envelope, delivery.fault = None, fault
        if self._takes_unreadable is None:
            self._metrics.undecodable += 1
            self.settlement.dead(delivery, "", "undecodable", fault, now)
        else:
            delivery.subscription = self._takes_unreadable
            self._lanes.add(delivery)

    def _never_answered(self, delivery: Delivery, subscription: Subscription, now: float) -> None:
        text = f"Delivered {delivery.attempts} times and never answered: a consumer stopped or died on it."
        self._stations[subscription].counts.dead += 1
        self.settlement.dead(delivery, subscription.name, "max_attempts", text, now)

    # --- what goes out

    def _dispatch(self, now: float) -> None:
        desk = self._desk
        if desk.paused and self._outage and now >= self._paused_until:
            desk.paused = False
        if desk.paused or desk.stopping or now >= desk.begin_until:
            return
        probing = bool(self._outage)
        if self._lanes.has_work(now) and not (probing and self._lanes.out):
            runs = self._lanes.take(now, 1 if probing else None)
            if self._store is not None or any(self._is_suspect(run.items[0]) for run in runs):
                runs = self._prepared(runs, now)
            for run in runs:
                station = self._stations[run.subscription]
                if station.collector is not None:
                    station.collector.add(run, now)
                else:
                    station.pool.ready.append(run)
        for station in self._stations.values():
            if station.collector is not None:
                while (batch := station.collector.take(now, at_once=self._at_once)) is not None:
                    station.pool.ready.append(batch)
            if station.pool.ready:
                self._wake(station, now)
            else:
                station.stalled_since = None

    @property
    def _at_once(self) -> bool:
        """Whether batches are handed over without waiting for more: when everything there is has been read."""
        return bool(self._outage)

    def _wake(self, station: Station, now: float) -> None:
        """Let workers begin: one for handlers that return at once; more while that one gets nowhere."""
        pool = station.pool
        if pool.crowded():
            self._fail_crowded(station, now)
            return
        if station.answered or station.stalled_since is None:
            station.stalled_since = now
        station.answered = 0
        stalled = now - station.stalled_since >= BACKLOG_SECONDS
        pool.wake(everyone=stalled or station.mean_seconds > SLOW_SECONDS)

    def _is_suspect(self, delivery: Delivery) -> bool:
        """Return whether consumers may have died of it: it is marked before it is begun, and alone in its batch."""
        return delivery.alone or delivery.attempts >= self._unclear_deaths

    def _prepared(self, runs: list[Run], now: float) -> list[Run]:
        """Mark suspects and claim events in the store; return what may be begun now."""
        suspects = [one for run in runs for one in run.items if self._is_suspect(one)]
        prepared: list[Run] = []

        def prepare(now: float) -> None:
            if suspects:
                marks = ((one.stream, one.entry_id, one.attempts + 1) for one in suspects)
                self._group.count_attempts(self._standing.name, marks)
            prepared.extend(self._claimed(runs, now) if self._store is not None else runs)

        self._on_redis(prepare, now)
        if not prepared:
            for run in runs:
                if run.items:
                    self._lanes.give_back(list(run.items))
        return prepared

    def _claimed(self, runs: list[Run], now: float) -> list[Run]:
        store = self._store
        if store is None:
            return runs
        wanted = [(run, one) for run in runs for one in run.items if one.envelope is not None]
        group = self._options.group
        keys = [(group, run.subscription.name, one.envelope.event_id) for run, one in wanted if one.envelope]
        found = dict(zip((id(one) for _, one in wanted), store.claim(keys), strict=True))
        prepared = []
        for run in runs:
            busy: list[Delivery] = []
            ours: list[Delivery] = []
            for one in run.items:
                claim = found.get(id(one), Claim.OURS)
                if busy:
                    busy.append(one)
                    if claim is Claim.OURS:
                        self.settlement.released(one, run.subscription.name, now)
                elif claim is Claim.BUSY:
                    busy.append(one)
                elif claim is Claim.DONE:
                    self._stations[run.subscription].counts.repeated += 1
                    self._lanes.settle(one)
                    self.settlement.done(one, now)
                else:
                    ours.append(one)
            run.items.clear()
            run.items.extend(ours)
            if busy:
                self._lanes.give_back(busy[1:])
                self._lanes.postpone(busy[0], now + BUSY_SECONDS * self._chance(0.5, 1))
            if ours:
                prepared.append(run)
        return prepared

    # --- what comes back

    def _collect(self, now: float) -> None:
        outbox, stations = self._desk.outbox, self._stations
        lanes, settlement = self._lanes, self.settlement
        while outbox:
            verdict, run, delivery, turn, error, seconds = outbox.popleft()
            station = stations[run.subscription]
            station.answered += 1
            if delivery is None:
                if station.collector is None:
                    lanes.give_back(_rest(run))
                else:
                    self._batch_answered(station, run, verdict, turn, error, seconds, now)
                continue
            if delivery.turn != turn:
                self._too_late(verdict, error, now)
                continue
            delivery.turn += 1
            station.counts.durations.add(seconds)
            station.mean_seconds += (seconds - station.mean_seconds) * 0.1
            if verdict is Verdict.DONE:
                station.counts.handled += 1
                lanes.settle(delivery)
                settlement.handled(delivery, run.subscription.name, now)
            else:
                self._went_wrong(station, run, delivery, verdict, error, now)
                continue
            if self._outage:
                self._outage.over()

    def _went_wrong(
        self, station: Station, run: Run, delivery: Delivery, verdict: Verdict, error: BaseException | None, now: float
    ) -> None:
        if verdict is Verdict.REPEATED:
            station.counts.repeated += 1
            self._lanes.settle(delivery)
            self.settlement.done(delivery, now)
            return
        self._lanes.give_back(_rest(run))
        if verdict is Verdict.OUTAGE:
            self._lanes.give_back([delivery])
            self._wait_for_outage(error, now)
        else:
            self._failed(station, delivery, error, now)

    def _batch_answered(
        self,
        station: Station,
        run: Run,
        verdict: Verdict,
        turn: int,
        error: BaseException | None,
        seconds: float,
        now: float,
    ) -> None:
        collector, batch = station.collector, list(run.items)
        if collector is None or (verdict is not Verdict.RETURNED and batch[0].turn != turn):
            self._too_late(verdict, error, now)
            return
        batch[0].turn += 1
        collector.answered()
        if verdict in (Verdict.RETURNED, Verdict.OUTAGE):
            collector.put_back(batch)
            if verdict is Verdict.OUTAGE:
                self._wait_for_outage(error, now)
            return
        station.counts.durations.add(seconds)
        station.mean_seconds += (seconds - station.mean_seconds) * 0.1
        if verdict is not Verdict.FAILED:
            for delivery in batch:
                self._lanes.settle(delivery)
                self.settlement.handled(delivery, run.subscription.name, now)
            if verdict is Verdict.DONE:
                station.counts.handled += len(batch)
            else:
                station.counts.repeated += len(batch)
        elif len(batch) > 1:
            collector.split(batch)
        else:
            (delivery,) = batch
            delivery.alone = True
            self._lanes.give_back(collector.withdraw(delivery.lane))
            self._failed(station, delivery, error, now)
        if self._outage:
            self._outage.over()

    def _failed(self, station: Station, delivery: Delivery, error: BaseException | None, now: float) -> None:
        subscription, counts = station.subscription, station.counts
        counts.failed += 1
        delivery.attempts += 1
        failure = error or RuntimeError("failed without an error")
        if not self._standing.active:
            # It belongs to whoever reads now.
            self._lanes.settle(delivery)
            self._held[delivery.stream].pop(delivery.entry_id, None)
        elif delivery.attempts >= subscription.max_attempts:
            counts.dead += 1
            self._lanes.settle(delivery)
            self.settlement.dead(delivery, subscription.name, "max_attempts", excerpt(failure), now)
        else:
            counts.retried += 1
            first, greatest = subscription.retry_seconds
            delay = min(greatest, first * 2.0 ** (delivery.attempts - 1)) * self._chance(0.5, 1)
            self._lanes.postpone(delivery, now + delay)
            self.settlement.tried(delivery, now)
            self.settlement.released(delivery, subscription.name, now)
            logger.warning(
                "%s failed on %s of %s, attempt %d of %d, next in %.1f s",
                *(subscription.name, delivery.entry_id.decode(), delivery.stream),
                *(delivery.attempts, subscription.max_attempts, delay),
                exc_info=failure,
            )

    def _too_late(self, verdict: Verdict, error: BaseException | None, now: float) -> None:
        """Nobody waits for this answer any more; that something is away is news all the same."""
        if verdict is Verdict.OUTAGE:
            self._wait_for_outage(error, now)

    def _wait_for_outage(self, error: BaseException | None, now: float) -> None:
        """Begin nothing for a while; several may say so at once."""
        if now >= self._paused_until or not self._outage:
            self._paused_until = now + self._outage.met(error or RuntimeError("away"))
        self._desk.paused = True

    # --- what takes too long

    def _watch(self, now: float) -> None:
        if not self._lanes.out or now < self._next_watch:
            return
        self._next_watch = now + self._watch_seconds
        for station in self._stations.values():
            overdue = station.pool.overdue(now)
            if overdue:
                self._collect(now)  # what was answered at the last moment counts
            for run, delivery, turn in overdue:
                self._give_up_waiting(station, run, delivery, turn, now)

    def _give_up_waiting(self, station: Station, run: Run, delivery: Delivery | None, turn: int, now: float) -> None:
        seconds = station.subscription.timeout
        first = delivery or next(iter(run.items), None)
        if first is not None and first.turn == turn:
            error = TimeoutError(f"The handler took longer than {seconds:g} s and could not be stopped.")
            self._desk.outbox.append((Verdict.FAILED, run, delivery, turn, error, seconds))
            self._collect(now)

    def _fail_crowded(self, station: Station, now: float) -> None:
        """So many calls hang that nothing more can be begun: say so instead of waiting for them."""
        error = TimeoutError(f"All {station.subscription.concurrency} calls of this handler hang.")
        ready = station.pool.ready
        while ready:
            run = ready.popleft()
            delivery = run.items[0] if station.collector else run.items.popleft()
            of = None if station.collector else delivery
            self._desk.outbox.append((Verdict.FAILED, run, of, delivery.turn, error, 0.0))
        self._collect(now)

    def _take_back(self, station: Station) -> None:
        ready = station.pool.ready
        while ready:
            try:
                run = ready.popleft()
            except IndexError:
                break
            if station.collector is None:
                self._lanes.give_back(_rest(run))
            else:
                station.collector.answered()
                station.collector.put_back(list(run.items))
        if station.collector is not None:
            for delivery in reversed(station.collector.clear()):
                self._lanes.give_back([delivery])


def _rest(run: Run) -> list[Delivery]:
    """Take what is left of a run away from whoever works on it."""
    rest = []
    while run.items:
        try:
            rest.append(run.items.popleft())
        except IndexError:
            break
    return rest
