"""The events that are published: a few entities of each producer, some of them cursed, and what is no event at all."""

import random
from typing import Any
from uuid import UUID

from tests.chaos_events.ledger import JUNK, PLAIN, POISON, Attempt, now
from xerpium_sdk.wire.envelope import Envelope, EventType

SERVICE = "chaos"
CUSTOM = "chaos_happened"
TYPES = {
    "Order": (EventType.ORDER_CREATED, EventType.ORDER_CONFIRMED, EventType.ORDER_SHIPPED),
    "Product": (EventType.PRODUCT_CREATED, EventType.PRODUCT_UPDATED, EventType.PRODUCT_PRICE_CHANGED),
    "Partner": (EventType.PARTNER_CREATED, EventType.PARTNER_UPDATED),
    "Happening": (CUSTOM,),
}
"""Entity types, each on one stream: order holds in a stream."""
SHARES = ("Order",) * 4 + ("Product",) * 4 + ("Happening",) * 3 + ("Partner",)
KNOWN = tuple(name for name in SHARES if CUSTOM not in TYPES[name])
ENTITIES = 24
POISONED_SHARE = 0.003
IDS_OF_A_PROCESS = 1000
ENTRY = "junk-entity"


class Source:
    """Makes the events of one producer. No other process has these entities, so their order is this process's."""

    def __init__(self, process: int, rng: random.Random) -> None:
        self._rng, self._base = rng, process * IDS_OF_A_PROCESS
        self._sequences: dict[str, int] = {}

    def next(self, *, only_known: bool = False) -> tuple[Attempt, Envelope]:
        """Return an event, and what is written down of it; ``only_known``: of a type that needs no declaration."""
        poisoned = self._rng.random() < POISONED_SHARE
        # Some of the poisoned have the others for company: what is behind them in their lane has to wait, and no more.
        number = self._rng.randrange(ENTITIES // 2, 3 * ENTITIES) if poisoned else self._rng.randrange(ENTITIES)
        names = KNOWN if only_known else SHARES
        return self._event(names[number % len(names)], self._base + number, POISON if poisoned else PLAIN)

    def _event(self, entity_type: str, entity_id: int, kind: str) -> tuple[Attempt, Envelope]:
        entity = f"{entity_type}:{entity_id}"
        sequence = self._sequences[entity] = self._sequences.get(entity, 0) + 1
        event_id = new_id(self._rng)
        data = {"entity": entity, "sequence": sequence, "kind": kind, "text": "ü" * self._rng.randrange(60)}
        envelope = Envelope(
            event_id=event_id,
            event_type=self._rng.choice(TYPES[entity_type]),
            service_name=SERVICE,
            entity_type=entity_type,
            entity_id=entity_id,
            company_id=entity_id % 3 or None,
            user_id=None,
            timestamp="2026-01-01T00:00:00Z",
            data=data,
        )
        return Attempt(now(), event_id, entity, sequence, kind), envelope


def junk(rng: random.Random) -> tuple[Attempt, dict[str, str | bytes]]:
    """Return the fields of an entry that nobody can decode."""
    event_id = new_id(rng)
    fields: dict[str, str | bytes] = {
        "event_id": event_id,
        "event_type": str(EventType.STOCK_LOW),
        "service_name": SERVICE,
        "entity_type": ENTRY,
        "entity_id": "1",
        "company_id": "",
        "user_id": "",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": "{}",
        "version": "1.0",
        "correlation_id": "",
    }
    name, value = rng.choice(SPOILT)
    fields[name] = value
    return Attempt(now(), event_id, ENTRY, 0, JUNK), fields


SPOILT: tuple[tuple[str, str | bytes], ...] = (
    ("entity_id", "a-word"),
    ("company_id", "1.5"),
    ("user_id", "99999999999999999999"),
    ("timestamp", "yesterday"),
    ("timestamp", ""),
    ("data", "{"),
    ("data", "[]"),
    ("data", "{}}" * 300),
    ("data", b'{"name": "\xff\xfe"}'),
    ("service_name", ""),
    ("event_type", ""),
)
"""A field, and a value that it cannot have."""


def new_id(rng: random.Random) -> str:
    """Return a UUID that the seed decides."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def told(event: Any) -> tuple[str, str, int, str]:
    """Return event id, entity, sequence and kind of a received `Envelope`."""
    data = event.data
    return event.event_id, data["entity"], data["sequence"], data["kind"]
