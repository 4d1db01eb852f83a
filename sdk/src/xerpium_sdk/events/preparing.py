"""What has to be known before an event may be begun: whether it is suspect, and what the store of handled ones says."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from xerpium_sdk.events.group import Group
from xerpium_sdk.events.idempotency import Claim, ClaimingStore, HandledKey
from xerpium_sdk.events.lanes import Delivery, Lanes, Run, Unit
from xerpium_sdk.events.settlement import Settlement
from xerpium_sdk.events.stations import Station
from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.events.suspects import Suspects

__all__ = ["Preparation"]

BUSY_SECONDS = 0.25
"""How soon to ask again for an event that another consumer has claimed in the store."""


class Preparation:
    """Marks and claims what lanes have handed out; what may not be begun yet waits here, or goes back to them."""

    def __init__(
        self,
        group_name: str,
        group: Group,
        lanes: Lanes,
        settlement: Settlement,
        stations: Mapping[Subscription, Station],
        store: ClaimingStore | None,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._group_name, self._group, self._lanes, self._settlement = group_name, group, lanes, settlement
        self._stations, self._store, self._chance = stations, store, chance
        self._suspects: dict[Subscription, Suspects] = {}

    def is_needed(self, units: Sequence[Unit]) -> bool:
        """Return whether Redis has to be asked or told before ``units`` are begun."""
        if self._store is not None or self._suspects:
            return True
        return any(unit.__class__ is Delivery and unit.suspect for unit in units)

    def prepare(self, units: Sequence[Unit], consumer: str, now: float) -> list[Unit]:
        """Return what may be begun.

        Raises what Redis and the store raise; everything has been given back to the lanes then.
        """
        begun: list[Unit] = []
        for unit in units:
            if isinstance(unit, Delivery) and unit.suspect:
                self._suspects.setdefault(unit.subscription, Suspects(unit.subscription)).add(unit)
            else:
                begun.append(unit)
        chosen = [one for of in self._suspects.values() for one in of.choose(all_told=not len(self._settlement))]
        begun += chosen
        try:
            if chosen:
                self._group.count_attempts(consumer, [(one.stream, one.entry_id, one.attempts + 1) for one in chosen])
            return self._claim(begun, now) if self._store is not None else begun
        except BaseException:
            for unit in begun:
                self._lanes.give_back(list(unit.items) if isinstance(unit, Run) else [unit])
            raise

    def clear(self) -> list[Delivery]:
        """Take back what waits here."""
        return [one for of in self._suspects.values() for one in of.clear()]

    @property
    def waiting(self) -> int:
        """How many wait here for their turn."""
        return sum(map(len, self._suspects.values()))

    def _claim(self, units: Sequence[Unit], now: float) -> list[Unit]:
        keyed = [(one, key) for one in _deliveries(units) if (key := self._key(one)) is not None]
        if self._store is None or not keyed:
            return list(units)
        found = dict(zip((id(one) for one, _ in keyed), self._claim_anew(self._store, keyed), strict=True))
        prepared: list[Unit] = []
        for unit in units:
            ours = self._sort_out(unit.items if isinstance(unit, Run) else [unit], found, now)
            if isinstance(unit, Run):
                unit.items.clear()
                unit.items.extend(ours)
            if ours:
                prepared.append(unit)
        return prepared

    def _claim_anew(self, store: ClaimingStore, keyed: Sequence[tuple[Delivery, HandledKey]]) -> Sequence[Claim]:
        """Claim them. What is claimed already came back unbegun; its claim would be taken for somebody else's."""
        if again := [key for one, key in keyed if one.claimed]:
            store.release(again)
        for one, _ in keyed:
            one.claimed = False
        try:
            return store.claim([key for _, key in keyed])
        except BaseException:
            # The answer may be all that was lost. Of an event that is in hand twice the other one may be at work.
            others = self._settlement.claimed()
            for one, key in keyed:
                one.claimed = key not in others
            raise

    def _key(self, delivery: Delivery) -> HandledKey | None:
        event = delivery.envelope
        return (self._group_name, delivery.subscription.name, event.event_id) if event else None

    def _sort_out(self, deliveries: Sequence[Delivery], found: Mapping[int, Claim], now: float) -> list[Delivery]:
        """Return those to handle now: up to the first of the lane that somebody else is at."""
        ours: list[Delivery] = []
        behind: list[Delivery] = []
        for one in list(deliveries):
            claim = found.get(id(one), Claim.OURS)
            if claim is Claim.BUSY or behind:
                if claim is Claim.OURS:
                    self._settlement.released(one, now)
                behind.append(one)
            elif claim is Claim.DONE:
                self._stations[one.subscription].counts.repeated += 1
                self._lanes.settle([one])
                one.is_out = False  # a suspect that is still out takes the place of another
                self._settlement.done(one, now)
            else:
                one.claimed = True
                ours.append(one)
        if behind:
            self._lanes.give_back(behind[1:])
            self._lanes.postpone(behind[0], now + BUSY_SECONDS * self._chance(0.5, 1))
        return ours


def _deliveries(units: Sequence[Unit]) -> Iterator[Delivery]:
    for unit in units:
        if isinstance(unit, Run):
            yield from unit.items
        else:
            yield unit
