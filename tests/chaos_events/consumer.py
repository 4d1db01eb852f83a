"""`python -m tests.chaos_events.consumer`: one process of one of the groups, which writes down what it handled.

Handlers fail now and then, and always for events that are poisoned. The line in the ledger is their effect: it is
written when nothing can fail any more.
"""

import argparse
import asyncio
import faulthandler
import logging
import random
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos_events.events import told
from tests.chaos_events.ledger import POISON, Ledger, name_of_process, now
from xerpium_sdk.events import EventConsumer, RedisIdempotencyStore, connect
from xerpium_sdk.events.connection import default_url
from xerpium_sdk.wire.envelope import Envelope

FAILING_SHARE = 0.01
RETRY_SECONDS = (0.05, 1.0)


class Poisoned(Exception):
    """Raised for an event that no handler can bear."""


class BadLuck(Exception):
    """Raised now and then."""


class Writer:
    """Does what a handler is for: note an event, or fail."""

    def __init__(self, directory: Path, group: str) -> None:
        self._ledger = Ledger(directory / f"handled-{group}-{name_of_process()}")
        self._rng = random.Random()

    def handle(self, events: Sequence[Envelope]) -> None:
        """Note ``events``, all or none.

        Raises:
            Poisoned: one of them is.
            BadLuck: now and then.
        """
        at = now()
        rows = [told(event) for event in events]
        for event_id, entity, sequence, kind in rows:
            if kind == POISON:
                raise Poisoned(f"{event_id} ({entity} #{sequence}) is poisoned")
        if self._rng.random() < FAILING_SHARE:
            raise BadLuck("better luck next time")
        self._ledger.write((at, event_id, entity, sequence) for event_id, entity, sequence, _ in rows)


def ordered(group: str, writer: Writer) -> EventConsumer:
    """A group of which one process reads at a time, with plain functions."""
    consumer = EventConsumer("chaos", group, retry_seconds=RETRY_SECONDS)

    @consumer.on("*")
    def note(event: Envelope) -> None:
        writer.handle([event])

    return consumer


def shared(group: str, writer: Writer) -> EventConsumer:
    """A group of which all processes read, with coroutine functions."""
    consumer = EventConsumer("chaos", group, ordered=False, retry_seconds=RETRY_SECONDS, concurrency=32)

    @consumer.on("*")
    async def note(event: Envelope) -> None:
        await asyncio.sleep(0)
        writer.handle([event])

    return consumer


def marked(group: str, writer: Writer) -> EventConsumer:
    """A group of which all processes read, which marks in Redis what it handled."""
    store = RedisIdempotencyStore(connect(default_url()), ttl_seconds=3600, claim_seconds=5.0)
    consumer = EventConsumer("chaos", group, ordered=False, retry_seconds=RETRY_SECONDS, idempotency=store)

    @consumer.on("*")
    def note(event: Envelope) -> None:
        writer.handle([event])

    return consumer


def bulk(group: str, writer: Writer) -> EventConsumer:
    """A group that takes events in batches."""
    consumer = EventConsumer("chaos", group, retry_seconds=RETRY_SECONDS)

    @consumer.on_batch("*", size=100, seconds=0.1)
    def note(events: Sequence[Envelope]) -> None:
        writer.handle(events)

    return consumer


def effects(group: str, writer: Writer) -> EventConsumer:
    """A group whose effects are rows in PostgreSQL, each written once."""
    import django

    django.setup()
    from tests.chaos_events.service.effects import consumer_of_effects

    return consumer_of_effects(group, writer.handle, RETRY_SECONDS)


KINDS: dict[str, Callable[[str, Writer], EventConsumer]] = {
    "ordered": ordered,
    "shared": shared,
    "marked": marked,
    "bulk": bulk,
    "effects": effects,
}


def main() -> None:
    """Consume until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos_events.consumer", description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--directory", type=Path, required=True, help="where the ledger is")
    options = parser.parse_args()
    faulthandler.register(signal.SIGUSR1)  # tells where its threads are, for who looks for the cause of a finding
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    consumer: Any = KINDS[options.kind](options.kind, Writer(options.directory, options.kind))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
    logging.info("%s is now running", options.kind)
    logging.info("%s", consumer.run())


if __name__ == "__main__":
    main()
