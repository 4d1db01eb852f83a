"""The bus without Redis, and without waiting.

```python
broker = TestBroker(consumer)
broker.publish(event_type="product_created", entity_type="product", entity_id=7, data={"name": "Chair"})
broker.run()
assert broker.dead_letters == []
```

The consumer's handlers run in the real engine, one after the other in the caller's thread; only Redis and the clock are
stand-ins. Pauses before another attempt pass at once.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

import hiredis

from xerpium_sdk.events._async.publisher import AsyncEventPublisher
from xerpium_sdk.events._sync.publisher import EventPublisher
from xerpium_sdk.events.calls import arguments_of, sync_call
from xerpium_sdk.events.consumer import EventConsumer
from xerpium_sdk.events.coordinator import Coordinator
from xerpium_sdk.events.desk import Desk, Verdict
from xerpium_sdk.events.idempotency import ClaimingStore, WrappingStore
from xerpium_sdk.events.lanes import Delivery, Run, Unit
from xerpium_sdk.events.memory import MemoryGroup, MemoryMembership, MemoryStore, MemoryStreams
from xerpium_sdk.events.options import Options
from xerpium_sdk.events.reader import Held, Reader
from xerpium_sdk.events.standing import Standing
from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.events.suspects import unclear_deaths
from xerpium_sdk.events.workers import Overdue
from xerpium_sdk.wire.envelope import Envelope, stream_of
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["DeadLetter", "TestBroker"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up."""

    fields: Mapping[str, str]
    """Everything that the entry among the dead letters holds."""

    @property
    def reason(self) -> str:
        """``max_attempts`` or ``undecodable``."""
        return self.fields["dead_reason"]

    @property
    def error(self) -> str:
        """The end of the last traceback."""
        return self.fields["dead_error"]

    @property
    def handler(self) -> str:
        """Whose attempts failed; empty when there was none."""
        return self.fields["dead_handler"]

    @property
    def attempts(self) -> int:
        """How many failed."""
        return int(self.fields["dead_attempts"])


class TestBroker:
    """Runs ``consumer`` on a bus in memory.

    A handler's timeout is not kept to, and an idempotency store in Redis is replaced by one in memory.
    """

    __test__ = False  # not a test case, whatever pytest makes of its name

    def __init__(self, consumer: EventConsumer) -> None:
        self._streams = MemoryStreams()
        self._now = 0.0
        self.published: list[Envelope] = []
        """Every event that was published here, in order."""
        options, subscriptions, metrics = consumer.parts
        self._options = _without_redis(options)
        self._group = MemoryGroup(self._streams, options.streams)
        self._held: Held = {stream: {} for stream in options.streams}
        self._desk = Desk(self._clock)
        membership, deaths = MemoryMembership(), unclear_deaths(subscriptions.all())
        self._standing = Standing(self._options, membership, self._desk, metrics)
        self._reader = Reader(
            *(self._options, self._group, membership, self._desk, self._held, metrics),
            unclear_deaths=deaths,
            drain=True,
        )
        self._coordinator = Coordinator(
            self._options,
            subscriptions,
            {one: _Pool(one, self._desk, self._options) for one in subscriptions.all()},
            desk=self._desk,
            group=self._group,
            standing=self._standing,
            reader=self._reader,
            held=self._held,
            metrics=metrics,
        )

    def publish(self, envelope: Envelope | None = None, **fields: Any) -> str:
        """Put an event on the bus and return its id: an envelope, or fields, of which only ``event_type`` is needed."""
        event = envelope or Envelope.create(**{"entity_type": "", "service_name": "test", **fields})
        self.published.append(event)
        self._streams.add(stream_of(event.event_type), event.encode())
        return event.event_id

    def publish_entry(self, fields: Mapping[str, str], stream: str = STREAM_EVENTS) -> str:
        """Put an entry on a stream as it is, say one that is no event; return its stream id."""
        return self._streams.add(stream, fields)

    def take_over(self, *publishers: EventPublisher | AsyncEventPublisher) -> None:
        """Let what ``publishers`` publish go on this bus instead of to Redis, from now on."""
        for publisher in publishers:
            line: Any = _AsyncLine(self) if isinstance(publisher, AsyncEventPublisher) else _Line(self)
            publisher._line = line

    def run(self) -> None:
        """Handle everything there is, what handlers publish and other attempts included."""
        self._reader.idle = False
        while not (self._reader.idle and self._coordinator.is_idle):
            if self._reader.go.is_set():
                self._reader.round(None)
            self._now += self._coordinator.turn()

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What was given up, in order."""
        return [DeadLetter(fields) for fields in self._streams.dead]

    @property
    def pending(self) -> int:
        """How many entries were not read yet, or are not acknowledged."""
        unread = sum(len(self._group.unread(stream)) for stream in self._options.streams)
        return unread + sum(map(len, self._group.held.values()))

    def _clock(self) -> float:
        return self._now


class _Line:
    """Takes the commands that a publisher would send to Redis."""

    def __init__(self, broker: TestBroker) -> None:
        self._broker = broker

    def send(self, commands: Sequence[bytes]) -> list[bytes]:
        return [self._append(_arguments(command)) for command in commands]

    def close(self) -> None:
        pass

    def _append(self, arguments: Sequence[str]) -> bytes:
        stream, (start, *_) = arguments[1], (place for place, one in enumerate(arguments) if one == "*")
        fields = dict(zip(arguments[start + 1 :: 2], arguments[start + 2 :: 2], strict=True))
        self._broker.published.append(Envelope.decode(fields, text_ids=True))
        return self._broker.publish_entry(fields, stream).encode()


class _AsyncLine:
    """The same for a publisher of coroutines."""

    def __init__(self, broker: TestBroker) -> None:
        self._line = _Line(broker)

    async def send(self, commands: Sequence[bytes]) -> list[bytes]:
        return self._line.send(commands)

    async def aclose(self) -> None:
        pass


class _Pool:
    """Calls a handler where it is woken."""

    def __init__(self, subscription: Subscription, desk: Desk, options: Options) -> None:
        self.ready: deque[Unit] = deque()
        self._subscription, self._desk, self._is_outage = subscription, desk, options.is_outage
        store = options.idempotency if isinstance(options.idempotency, WrappingStore) else None
        self._call = sync_call(subscription, store, options.group)

    def wake(self, *, everyone: bool) -> None:
        while self.ready:
            # What a handler leaves in its context must not be seen by the test.
            copy_context().run(self._work, self.ready.popleft())

    def _work(self, unit: Unit) -> None:
        if isinstance(unit, Run) and self._subscription.batching is not None:
            self._answer(unit, None, list(unit.items))
        elif isinstance(unit, Run):
            while unit.items and self._answer(unit, one := unit.items.popleft(), [one]):
                pass
        else:
            self._answer(unit, unit, [unit])

    def overdue(self, now: float) -> list[Overdue]:
        return []

    def give_up(self) -> bool:
        return True

    def crowded(self) -> bool:
        return False

    def stop(self) -> None:
        pass

    def _answer(self, unit: Unit, delivery: Delivery | None, deliveries: Sequence[Delivery]) -> bool:
        verdict, error, turn = Verdict.DONE, None, deliveries[0].turn
        try:
            if self._subscription.is_async:
                _complete(self._subscription.function(arguments_of(self._subscription, deliveries)))
            else:
                verdict = self._call(deliveries)
        except Exception as caught:
            error = caught
            verdict = Verdict.OUTAGE if self._is_outage(caught) else Verdict.FAILED
            self._desk.paused = self._desk.paused or verdict is Verdict.OUTAGE
        self._desk.put((verdict, unit, delivery, turn, error, 0.0))
        return error is None


def _without_redis(options: Options) -> Options:
    store = MemoryStore() if isinstance(options.idempotency, ClaimingStore) else options.idempotency
    return replace(options, idempotency=store)


def _arguments(packed: bytes) -> list[str]:
    """Return the parts of a command as it goes over the wire."""
    reader = hiredis.Reader()
    reader.feed(packed)
    return [part.decode() for part in reader.gets()]


def _complete(call: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine to its end, also from within a test that is one itself."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(call)
    else:
        with ThreadPoolExecutor(1) as other:
            other.submit(asyncio.run, call).result()
