"""The thread that owns all that is in hand: decodes, hands out, collects results, and tells Redis."""

import logging
import random
from collections.abc import Callable, Mapping

from xerpium_sdk.events.answers import Answers
from xerpium_sdk.events.batches import Collector
from xerpium_sdk.events.decode import decode_entry
from xerpium_sdk.events.desk import Desk
from xerpium_sdk.events.group import Group
from xerpium_sdk.events.idempotency import ClaimingStore
from xerpium_sdk.events.lanes import Delivery, Lanes, Run, Unit, rest_of
from xerpium_sdk.events.metrics import Metrics
from xerpium_sdk.events.options import Options
from xerpium_sdk.events.preparing import Preparation
from xerpium_sdk.events.reader import Held, Reader
from xerpium_sdk.events.settlement import Settlement
from xerpium_sdk.events.standing import Standing
from xerpium_sdk.events.stations import Station
from xerpium_sdk.events.subscriptions import Subscription, Subscriptions
from xerpium_sdk.events.trouble import Trouble
from xerpium_sdk.events.workers import Pool
from xerpium_sdk.wire.errors import DecodeError

__all__ = ["Coordinator"]

logger = logging.getLogger(__name__)

LONGEST_WAIT = 0.25


class Coordinator:
    """`turn` does all that is due and says how long there is nothing to do. Only its thread calls its methods."""

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
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._desk, self._standing, self._reader, self._held, self._metrics = desk, standing, reader, held, metrics
        self._find = subscriptions.finder()
        any_type = subscriptions.any_type
        self._takes_unreadable = any_type if any_type and any_type.batching and any_type.batching.raw else None
        self._texts = {stream: options.text_ids(stream) for stream in options.streams}
        store = options.idempotency if isinstance(options.idempotency, ClaimingStore) else None
        self._lanes = Lanes()
        self.settlement = Settlement(options, group, held, store, reader.room.set)
        self._stations: dict[Subscription, Station] = {}
        self._preparation = Preparation(
            *(options.group, group, self._lanes, self.settlement, self._stations, store, chance)
        )
        for subscription, pool in pools.items():
            collector = Collector(subscription) if subscription.batching else None
            self._stations[subscription] = Station(subscription, pool, metrics.of(subscription.name), collector)
        self._redis = Trouble("Redis", f"group {options.group} acknowledges nothing until it is back")
        outage = Trouble("What handlers stand on", f"group {options.group} waits for it", seconds=(0.2, 5.0))
        self._answers = Answers(
            *(desk, self._lanes, self.settlement, self._stations),
            standing=standing,
            held=held,
            outage=outage,
            chance=chance,
        )
        self._redis_after = 0.0
        self._again = False
        self._epoch = 0
        self.handed_back = 0
        """How many entries were given back without having been begun."""

    # --- one turn

    def turn(self) -> float:
        """Do what is due; return for how many seconds there will be nothing to do unless the bell rings."""
        desk = self._desk
        now = desk.clock()
        if now >= self._standing.next_due:
            self._on_redis(self._keep_standing, now)
        self._take_in(now)
        self._answers.collect(now)
        self._answers.watch(now)
        self._dispatch(now)
        if self.settlement.is_due(now):
            self._on_redis(self._flush, now)
        if now >= self.settlement.next_renewal:
            self._on_redis(self._renew, now)
        if now >= self.settlement.next_claims:
            self._on_redis(self.settlement.renew_claims, now)
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
        self._reader.turn_away()
        dropped: list[Delivery] = [one for batch in self._drain_inbox() for one in batch]
        for station in self._stations.values():
            self._take_back(station)
        self._lanes.give_back(self._preparation.clear())
        dropped += self._lanes.drop()
        for delivery in dropped:
            self._held[delivery.stream].pop(delivery.entry_id, None)
            if delivery.claimed:
                self.settlement.released(delivery, self._desk.clock())
        self._answers.forget_outage()
        self.handed_back += len(dropped)

    def finish(self, now: float) -> None:
        """Collect what workers have answered, and tell Redis. Raises what redis-py raises."""
        self._answers.collect(now)
        self.hand_back()
        self.settlement.flush(self._standing.name)

    def _pause(self, now: float) -> float:
        if self._desk.inbox or self._desk.outbox or self._again:
            self._again = False
            return 0.0
        moments = [now + LONGEST_WAIT, self._standing.next_due, self.settlement.next_claims]
        if self.settlement.due is not None:
            moments.append(self.settlement.due)
        if (due := self._lanes.next_due) is not None:
            moments.append(due)
        if self._desk.paused:
            moments.append(self._answers.paused_until)
        for station in self._stations.values():
            if station.pool.ready:
                moments.append(now + station.patience)
            if station.collector is not None and (due := station.collector.due) is not None:
                moments.append(due)
        if self._lanes.out:
            moments.append(self._answers.next_watch)
        soonest = min(moments)
        if now < self._redis_after and soonest < self._redis_after:
            # While Redis is away, what is due for it waits; what is due for workers rings the bell.
            soonest = min(self._redis_after, now + LONGEST_WAIT / 10)
        return max(soonest - now, 0.0)

    # --- Redis

    def _on_redis(self, action: Callable[[float], bool], now: float) -> None:
        """Do ``action``, which says whether it had to ask Redis; or leave it for later while Redis is away."""
        if now < self._redis_after:
            return
        try:
            asked = action(now)
        except Exception as error:  # also what a store of handled events raises
            self._redis_after = self._desk.clock() + self._redis.met(error)
            self._reader.look_again()
        else:
            if asked:
                self._redis.over()

    def _keep_standing(self, now: float) -> bool:
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
        return True

    def _flush(self, now: float) -> bool:
        self.settlement.flush(self._standing.name)
        self._again = self._preparation.waiting > 0
        return True

    def _renew(self, now: float) -> bool:
        return self.settlement.renew(self._standing.name, now)

    # --- what comes in

    def _take_in(self, now: float) -> None:
        if not self._desk.inbox:
            return
        find, add, texts = self._find, self._lanes.add, self._texts
        batches = self._drain_inbox()
        self._reader.room.set()
        for batch in batches:
            for delivery in batch:
                try:
                    event = decode_entry(delivery.fields, text_ids=texts[delivery.stream])
                except DecodeError as error:
                    self._take_unreadable(delivery, str(error), now)
                    continue
                delivery.envelope = event
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
        delivery.subscription = subscription
        self._stations[subscription].counts.dead += 1
        self.settlement.dead(delivery, subscription.name, "max_attempts", text, now)

    # --- what goes out

    def _dispatch(self, now: float) -> None:
        desk, outage = self._desk, self._answers.outage
        if desk.paused and now >= self._answers.paused_until:
            desk.paused = False
        if desk.paused or desk.stopping or now >= desk.begin_until:
            return
        # After an outage one event finds out whether it is over. What waits for its turn is out and asks nobody.
        waiting = self._preparation.waiting
        if (self._lanes.has_work(now) or waiting) and not (outage and self._lanes.out > waiting):
            self._hand_on(self._lanes.take(now, 1 if outage else None), now)
        self._answers.fail_what_cannot_begin(now)
        for station in self._stations.values():
            if station.collector is not None:
                while (
                    batch := station.collector.take(now, at_once=bool(outage) or self._reader.nothing_new)
                ) is not None:
                    station.pool.ready.append(batch)
            station.wake(now)

    def _hand_on(self, units: list[Unit], now: float) -> None:
        if self._preparation.is_needed(units):
            units = self._prepared(units, now)
        stations = self._stations
        for unit in units:
            station = stations[unit.subscription]
            if station.collector is None:
                station.pool.ready.append(unit)
            else:
                station.collector.add(unit, now)

    def _prepared(self, units: list[Unit], now: float) -> list[Unit]:
        prepared: list[list[Unit]] = []
        if now < self._redis_after:
            for unit in units:
                self._lanes.give_back(list(unit.items) if isinstance(unit, Run) else [unit])
            return []

        def prepare(now: float) -> bool:
            prepared.append(self._preparation.prepare(units, self._standing.name, now))
            return bool(prepared[0])

        self._on_redis(prepare, now)
        return prepared[0] if prepared else []

    def _take_back(self, station: Station) -> None:
        """Take back what no worker has begun."""
        ready, collector = station.pool.ready, station.collector
        while ready:
            try:
                unit = ready.popleft()
            except IndexError:
                break  # a worker was faster
            if collector is None:
                self._lanes.give_back(rest_of(unit) if isinstance(unit, Run) else [unit])
            else:
                batch = list(unit.items) if isinstance(unit, Run) else [unit]
                collector.answered(batch)
                collector.put_back(batch)
        if collector is not None:
            self._lanes.give_back(collector.clear())
