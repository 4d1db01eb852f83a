"""The SDK's consumer, used as a service would use it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import Any

from benchmarks.events.contestants.raw import SECONDS
from benchmarks.events.figures import disorder
from benchmarks.events.payload import TYPE, connected, fill
from benchmarks.events.player import Task
from xerpium_sdk.events import EventConsumer, RedisIdempotencyStore
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS

SERVICE = "benchmark"
WAITING = 500
"""Handlers that may wait at the same time."""
THREADS = 16
DEADLINE = 120


def consume(task: Task) -> None:
    """Consume with a function that does nothing."""

    def handle(event: Envelope) -> None:
        step()

    step, done = _counting(task)
    _consume(task, done, lambda consumer: consumer.register_handler(TYPE, handle))


def consume_async(task: Task) -> None:
    """Consume with a coroutine that does nothing."""

    async def handle(event: Envelope) -> None:
        step()

    step, done = _counting(task)
    _consume(task, done, lambda consumer: consumer.register_handler(TYPE, handle))


def consume_batch(task: Task) -> None:
    """Consume with a function that is given up to 500 events at once."""

    def handle(events: Sequence[Envelope]) -> None:
        step(len(events))

    step, done = _counting(task)
    _consume(task, done, lambda consumer: consumer.on_batch(TYPE, size=500, seconds=0.5)(handle))


def consume_once(task: Task) -> None:
    """Consume with a store of handled events in Redis, so that each has its effect once."""

    def handle(event: Envelope) -> None:
        step()

    with connected(task.url) as client:
        step, done = _counting(task)
        store = RedisIdempotencyStore(client)
        _consume(task, done, lambda consumer: consumer.register_handler(TYPE, handle), idempotency=store)


def wait_async(task: Task) -> dict[str, int]:
    """Consume with a coroutine that waits a millisecond; tells how many events came out of their entity's order."""
    seen: defaultdict[object, list[int]] = defaultdict(list)

    async def handle(event: Envelope) -> None:
        task.watch.start()
        await asyncio.sleep(SECONDS)
        seen[event.entity_id].append(event.data["number"])
        step()

    step, done = _counting(task)
    _consume(task, done, lambda consumer: consumer.on(TYPE, concurrency=WAITING)(handle))
    return {"out_of_order": disorder(seen), "entities": len(seen)}


def wait_sync(task: Task) -> dict[str, int]:
    """Consume with a function that blocks for a millisecond, in sixteen threads; tells the same."""
    seen: defaultdict[object, list[int]] = defaultdict(list)
    lock = Lock()

    def handle(event: Envelope) -> None:
        task.watch.start()
        time.sleep(SECONDS)
        with lock:
            seen[event.entity_id].append(event.data["number"])
            step()

    step, done = _counting(task)
    _consume(task, done, lambda consumer: consumer.on(TYPE, concurrency=THREADS)(handle))
    return {"out_of_order": disorder(seen), "entities": len(seen)}


def receive(task: Task) -> list[float]:
    """Return how long each event took to a function, in microseconds."""
    waits: list[float] = []

    def handle(event: Envelope) -> None:
        waits.append((time.monotonic_ns() - event.data["sent"]) / 1000)
        step()

    step, done = _counting(task)
    _receive(task, handle, done)
    return waits


def receive_async(task: Task) -> list[float]:
    """Return how long each event took to a coroutine, in microseconds."""
    waits: list[float] = []

    async def handle(event: Envelope) -> None:
        waits.append((time.monotonic_ns() - event.data["sent"]) / 1000)
        step()

    step, done = _counting(task)
    _receive(task, handle, done)
    return waits


def _receive(task: Task, handle: Callable[[Envelope], Any], done: Event) -> None:
    consumer = EventConsumer(SERVICE, redis_url=task.url)
    consumer.register_handler(TYPE, handle)
    with consumer, connected(task.url) as client:
        _until(lambda: bool(client.exists(STREAM_EVENTS)) and consumer.metrics.snapshot().active)
        task.ready()
        _wait(done)
        task.watch.stop()


def _consume(task: Task, done: Event, register: Callable[[EventConsumer], Any], **options: Any) -> None:
    with connected(task.url) as client:
        fill(client, STREAM_EVENTS, task.count)
        consumer = EventConsumer(SERVICE, redis_url=task.url, **options)
        register(consumer)
        watcher = Thread(target=_finish, args=(task, done, consumer, client))
        watcher.start()
        consumer.run()
        watcher.join()
        consumer.close()


def _finish(task: Task, done: Event, consumer: EventConsumer, client: Any) -> None:
    """Stop the watch when everything is acknowledged, and then the consumer."""
    try:
        _wait(done)
        _until(lambda: not client.xpending(STREAM_EVENTS, f"{SERVICE}-group")["pending"])
        task.watch.stop()
    finally:
        consumer.stop()


def _counting(task: Task) -> tuple[Callable[..., None], Event]:
    """Return what a handler calls, from one thread at a time, and what is set after the last event."""
    done = Event()
    seen = 0

    def step(count: int = 1) -> None:
        nonlocal seen
        task.watch.start()
        seen += count
        if seen >= task.count:
            done.set()

    return step, done


def _wait(done: Event) -> None:
    if not done.wait(DEADLINE):
        raise RuntimeError("The events did not all come.")


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("What was waited for did not come.")
        time.sleep(0.001)
