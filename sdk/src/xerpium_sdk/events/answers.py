"""What came of the handlers' calls: done, to be tried again, given up, or waited for no longer."""

import logging
import random
from collections.abc import Callable, Mapping, Sequence

from xerpium_sdk.events.calls import excerpt
from xerpium_sdk.events.desk import Desk, Verdict
from xerpium_sdk.events.lanes import Delivery, Lanes, Run, Unit, rest_of
from xerpium_sdk.events.reader import Held
from xerpium_sdk.events.settlement import Settlement
from xerpium_sdk.events.standing import Standing
from xerpium_sdk.events.stations import Station
from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.events.trouble import Trouble

__all__ = ["Answers"]

logger = logging.getLogger(__name__)

LOG_SECONDS = 1.0


class Answers:
    """Takes what workers put on the desk and says what follows from it."""

    def __init__(
        self,
        desk: Desk,
        lanes: Lanes,
        settlement: Settlement,
        stations: Mapping[Subscription, Station],
        *,
        standing: Standing,
        held: Held,
        outage: Trouble,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._desk, self._lanes, self._settlement, self._stations = desk, lanes, settlement, stations
        self._standing, self._held, self.outage, self._chance = standing, held, outage, chance
        self._affected: set[Station] = set()
        self._logged: dict[Subscription, tuple[float, int]] = {}
        self.paused_until = 0.0
        """When to try again what an outage made fail."""
        self.next_watch = 0.0
        shortest = min((one.timeout for one in stations), default=1.0)
        self._watch_seconds = min(max(shortest / 4, 0.01), 0.25)

    def collect(self, now: float) -> None:
        """Take everything that workers have answered."""
        outbox, stations = self._desk.outbox, self._stations
        done: dict[Station, tuple[list[Delivery], list[float]]] = {}
        last: Station | None = None
        deliveries: list[Delivery] = []
        durations: list[float] = []
        while outbox:
            verdict, unit, delivery, turn, error, seconds = outbox.popleft()
            station = stations[unit.subscription]
            if delivery is None:
                self._without_delivery(station, unit, verdict, turn, error, seconds, now)
            elif delivery.turn != turn:
                self._too_late(station, verdict, error, now)
            elif verdict is Verdict.DONE:
                delivery.turn = turn + 1
                if station is not last:
                    deliveries, durations = done.setdefault(station, ([], []))
                    last = station
                deliveries.append(delivery)
                durations.append(seconds)
            else:
                # What was done before is settled before: whether an outage is over depends on what came last.
                self._settle(done, now)
                last = None
                delivery.turn = turn + 1
                self._not_done(station, unit, delivery, verdict, error, seconds, now)
        self._settle(done, now)

    def forget_outage(self) -> None:
        """What an outage made fail is no longer in hand."""
        self._affected.clear()
        self.outage.over()

    def _settle(self, done: dict[Station, tuple[list[Delivery], list[float]]], now: float) -> None:
        for station, (deliveries, durations) in done.items():
            station.counts.handled += len(deliveries)
            station.took(durations)
            self._lanes.settle(deliveries)
            self._settlement.handled(deliveries, now)
            self._stands(station)
        done.clear()

    def _stands(self, station: Station) -> None:
        """A call of ``station`` found what it stands on; only those that missed it can tell that it is back."""
        if station in self._affected:
            self.forget_outage()

    def watch(self, now: float) -> None:
        """Give up on calls that take too long; what was answered at the last moment counts."""
        if not self._lanes.out or now < self.next_watch:
            return
        self.next_watch = now + self._watch_seconds
        for station in self._stations.values():
            overdue = station.pool.overdue(now)
            if not overdue:
                continue
            self.collect(now)
            seconds = station.subscription.timeout
            error = TimeoutError(f"The handler took longer than {seconds:g} s and could not be stopped.")
            for unit, delivery, turn in overdue:
                self._desk.outbox.append((Verdict.FAILED, unit, delivery, turn, error, seconds))
            self.collect(now)

    def fail_what_cannot_begin(self, now: float) -> None:
        """Fail what is ready where so many calls hang that nothing more can be begun."""
        for station in self._stations.values():
            if not station.pool.ready or not station.pool.crowded():
                continue
            error = TimeoutError(f"All {station.subscription.concurrency} calls of this handler hang.")
            while station.pool.ready:
                unit = station.pool.ready.popleft()
                if station.collector is not None and isinstance(unit, Run):
                    failed, turn = None, unit.items[0].turn
                else:
                    failed = unit.items.popleft() if isinstance(unit, Run) else unit
                    turn = failed.turn
                self._desk.outbox.append((Verdict.FAILED, unit, failed, turn, error, 0.0))
            self.collect(now)

    def _without_delivery(
        self,
        station: Station,
        unit: Unit,
        verdict: Verdict,
        turn: int,
        error: BaseException | None,
        seconds: float,
        now: float,
    ) -> None:
        """A batch was answered, or the rest of a run was returned."""
        if station.collector is None:
            self._lanes.give_back(rest_of(unit) if isinstance(unit, Run) else [unit])
            return
        batch = list(unit.items) if isinstance(unit, Run) else [unit]
        if batch[0].turn != turn and verdict is not Verdict.RETURNED:
            self._too_late(station, verdict, error, now)
            return
        batch[0].turn += 1
        station.collector.answered(batch)
        if verdict is Verdict.RETURNED:
            station.collector.put_back(batch)
        else:
            self._batch_answered(station, batch, verdict, error, seconds, now)

    def _batch_answered(
        self,
        station: Station,
        batch: list[Delivery],
        verdict: Verdict,
        error: BaseException | None,
        seconds: float,
        now: float,
    ) -> None:
        collector = station.collector
        assert collector is not None  # noqa: S101 - only batch handlers come here
        if verdict is Verdict.OUTAGE:
            collector.put_back(batch)
            self._acquit(batch, now)
            self._wait_for_outage(station, error, now)
            return
        station.took([seconds])
        if verdict is not Verdict.FAILED:
            if verdict is Verdict.DONE:
                station.counts.handled += len(batch)
            else:
                station.counts.repeated += len(batch)
            self._lanes.settle(batch)
            self._settlement.handled(batch, now)
        elif len(batch) > 1:
            collector.split(batch)
        else:
            (delivery,) = batch
            delivery.alone = True
            self._lanes.give_back(collector.withdraw(delivery))
            self._failed(station, delivery, error, now)
        self._stands(station)

    def _not_done(
        self,
        station: Station,
        unit: Unit,
        delivery: Delivery,
        verdict: Verdict,
        error: BaseException | None,
        seconds: float,
        now: float,
    ) -> None:
        if verdict is Verdict.REPEATED:
            station.counts.repeated += 1
            self._lanes.settle([delivery])
            self._settlement.done(delivery, now)
            return
        self._lanes.give_back(rest_of(unit))
        if verdict is Verdict.OUTAGE:
            self._lanes.give_back([delivery])
            self._acquit([delivery], now)
            self._wait_for_outage(station, error, now)
            return
        station.took([seconds])
        self._failed(station, delivery, error, now)
        self._stands(station)

    def _failed(self, station: Station, delivery: Delivery, error: BaseException | None, now: float) -> None:
        subscription, counts = station.subscription, station.counts
        counts.failed += 1
        delivery.attempts += 1
        delivery.suspect = False  # it fails, but nobody dies of it
        failure = error or RuntimeError("failed without an error")
        if not self._standing.active:
            # It belongs to whoever reads now.
            self._lanes.settle([delivery])
            self._held[delivery.stream].pop(delivery.entry_id, None)
            self._settlement.released(delivery, now)
        elif delivery.attempts >= subscription.max_attempts:
            counts.dead += 1
            self._lanes.settle([delivery])
            self._settlement.dead(delivery, subscription.name, "max_attempts", excerpt(failure), now)
        else:
            counts.retried += 1
            self._try_again(subscription, delivery, failure, now)

    def _acquit(self, deliveries: Sequence[Delivery], now: float) -> None:
        """Take back the marks that suspects were begun: an outage is no attempt, and nobody died of them."""
        for delivery in deliveries:
            if delivery.suspect:
                self._settlement.tried(delivery, now)

    def _try_again(self, subscription: Subscription, delivery: Delivery, failure: BaseException, now: float) -> None:
        first, greatest = subscription.retry_seconds
        delay = min(greatest, first * 2.0 ** (delivery.attempts - 1)) * self._chance(0.5, 1)
        self._lanes.postpone(delivery, now + delay)
        self._settlement.tried(delivery, now)
        self._settlement.released(delivery, now)
        self._log(subscription, delivery, failure, delay, now)

    def _log(
        self, subscription: Subscription, delivery: Delivery, failure: BaseException, delay: float, now: float
    ) -> None:
        """Log a failure, one in a second for each handler: one that always fails must not keep us busy writing."""
        due, silent = self._logged.get(subscription, (now, 0))
        if now < due:
            self._logged[subscription] = (due, silent + 1)
            return
        self._logged[subscription] = (now + LOG_SECONDS, 0)
        logger.warning(
            "%s failed on %s of %s, attempt %d of %d, next in %.1f s%s",
            *(subscription.name, delivery.entry_id.decode(), delivery.stream),
            *(delivery.attempts, subscription.max_attempts, delay),
            f"; {silent} more failures since the last such line" if silent else "",
            exc_info=failure,
        )

    def _too_late(self, station: Station, verdict: Verdict, error: BaseException | None, now: float) -> None:
        """Nobody waits for this answer any more; that something is away is news all the same."""
        if verdict is Verdict.OUTAGE:
            self._wait_for_outage(station, error, now)

    def _wait_for_outage(self, station: Station, error: BaseException | None, now: float) -> None:
        """Begin nothing for a while; several may say so at once."""
        if now >= self.paused_until or not self.outage:
            self.paused_until = now + self.outage.met(error or RuntimeError("away"))
        self._affected.add(station)
        self._desk.paused = True
