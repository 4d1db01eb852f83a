"""FastStream on Redis streams: the library that people would pick.

Its messages have its own format, which it reads best: of the fields of a stream's entry it decodes none. Handlers that
take a model get what handlers of the SDK get, a typed event.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from faststream.redis import RedisBroker, StreamSub
from pydantic import BaseModel

from benchmarks.events.contestants.raw import PACE_SECONDS, SECONDS
from benchmarks.events.payload import connected, data_of, envelope_of, fill
from benchmarks.events.player import Task
from xerpium_sdk.wire.envelope import EventType

STREAM, GROUP, CONSUMER = "faststream", "benchmark", "faststream"
PIPELINE = 100
BATCH = 500
Handler = Callable[[Any], Awaitable[None]]


class Event(BaseModel):
    """The envelope as one would declare it for FastStream."""

    event_id: str
    event_type: EventType
    service_name: str
    entity_type: str
    entity_id: int | None
    company_id: int | None
    user_id: int | None
    timestamp: str
    data: dict[str, Any]
    version: str = "1.0"
    correlation_id: str | None = None


def publish_one(task: Task) -> None:
    """Publish one by one."""

    async def run() -> None:
        async with _broker(task) as broker:
            messages = [_message(number) for number in range(task.count)]
            task.watch.start()
            for message in messages:
                await broker.publish(message, stream=STREAM)
            task.watch.stop()

    asyncio.run(run())


def publish_pipeline(task: Task) -> None:
    """A hundred in a round trip, by the pipeline that its `publish` takes."""

    async def run() -> None:
        async with _broker(task) as broker:
            messages = [_message(number) for number in range(task.count)]
            task.watch.start()
            await _publish_all(broker, messages)
            task.watch.stop()

    asyncio.run(run())


def consume(task: Task) -> None:
    """One call of a handler that does nothing for each event, given to it as a model of pydantic's."""

    async def handle(event: Event) -> None:
        step()

    asyncio.run(_fill_with_messages(task))
    step, done = _counting(task)
    asyncio.run(_consume(task, handle, done, batch=False))


def consume_batch(task: Task) -> None:
    """Handle up to 500 of these events with one call."""

    async def handle(events: list[Event]) -> None:
        step(len(events))

    asyncio.run(_fill_with_messages(task))
    step, done = _counting(task)
    asyncio.run(_consume(task, handle, done, batch=True))


def consume_dicts(task: Task) -> None:
    """One call for each message, which is a dict that nobody has looked at."""

    async def handle(message: dict[str, Any]) -> None:
        step()

    asyncio.run(_fill_with_messages(task))
    step, done = _counting(task)
    asyncio.run(_consume(task, handle, done, batch=False))


def consume_dicts_batch(task: Task) -> None:
    """Handle up to 500 of these dicts with one call."""

    async def handle(messages: list[dict[str, Any]]) -> None:
        step(len(messages))

    asyncio.run(_fill_with_messages(task))
    step, done = _counting(task)
    asyncio.run(_consume(task, handle, done, batch=True))


def consume_entries_batch(task: Task) -> None:
    """Handle up to 500 entries of the envelope with one call; FastStream leaves their fields bytes."""

    async def handle(entries: list[dict[str, Any]]) -> None:
        step(len(entries))

    with connected(task.url) as client:
        fill(client, STREAM, task.count)
    step, done = _counting(task)
    asyncio.run(_consume(task, handle, done, batch=True))


def wait_async(task: Task) -> None:
    """A handler that waits a millisecond, 500 at a time: no order is kept."""

    async def handle(message: dict[str, Any]) -> None:
        task.watch.start()
        await asyncio.sleep(SECONDS)
        step()

    asyncio.run(_fill_with_messages(task))
    step, done = _counting(task)
    asyncio.run(_consume(task, handle, done, batch=False, workers=500))


def send(task: Task) -> None:
    """Publish at the pace of the latency measurement."""

    async def run() -> None:
        async with _broker(task) as broker:
            task.watch.start()
            begun = time.monotonic()
            for number in range(task.count):
                if (pause := begun + number * PACE_SECONDS - time.monotonic()) > 0:
                    # Not asyncio's: its clock wakes up to a millisecond late, and nothing else runs here.
                    time.sleep(pause)  # noqa: ASYNC251
                sent = time.monotonic_ns()
                await broker.publish(_message(number, sent), stream=STREAM)
            task.watch.stop()

    asyncio.run(run())


def receive(task: Task) -> list[float]:
    """Return how long each message took, in microseconds."""
    waits: list[float] = []

    async def handle(message: dict[str, Any]) -> None:
        waits.append((time.monotonic_ns() - message["data"]["sent"]) / 1000)
        step()

    step, done = _counting(task)

    async def run() -> None:
        async with _broker(task) as broker:
            await _subscribe(broker, handle, batch=False)
            await broker.start()
            task.ready()
            await done()
            task.watch.stop()

    asyncio.run(run())
    return waits


def _broker(task: Task) -> RedisBroker:
    return RedisBroker(task.url, log_level=logging.DEBUG)


def _message(number: int, sent: int = 0) -> dict[str, Any]:
    """Return what one would hand to FastStream: the envelope as a document."""
    return {**envelope_of(number).encode(), "data": data_of(number, sent)}


async def _fill_with_messages(task: Task) -> None:
    async with _broker(task) as broker:
        await _publish_all(broker, [_message(number) for number in range(task.count)])


async def _publish_all(broker: RedisBroker, messages: list[dict[str, Any]]) -> None:
    client = await broker.connect()
    for start in range(0, len(messages), PIPELINE):
        async with client.pipeline(transaction=False) as pipeline:
            for message in messages[start : start + PIPELINE]:
                await broker.publish(message, stream=STREAM, pipeline=pipeline)
            await pipeline.execute()


async def _subscribe(broker: RedisBroker, handler: Handler, *, batch: bool, workers: int | None = None) -> None:
    client = await broker.connect()
    # It would make the group at the end of the stream, and what is there already would never come.
    await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    options: dict[str, Any] = {} if workers is None else {"max_workers": workers}
    stream = StreamSub(STREAM, group=GROUP, consumer=CONSUMER, batch=batch, max_records=BATCH)
    broker.subscriber(stream=stream, **options)(handler)


async def _consume(
    task: Task, handler: Handler, done: Callable[[], Awaitable[None]], *, batch: bool, workers: int | None = None
) -> None:
    async with _broker(task) as broker:
        await _subscribe(broker, handler, batch=batch, workers=workers)
        await broker.start()
        await done()
        client = await broker.connect()
        while (await client.xpending(STREAM, GROUP))["pending"]:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.001)
        task.watch.stop()


def _counting(task: Task) -> tuple[Callable[..., None], Callable[[], Awaitable[None]]]:
    """Return what a handler calls for its messages, and what waits for the last of them."""
    finished = asyncio.Event()
    seen = 0

    def step(count: int = 1) -> None:
        nonlocal seen
        task.watch.start()
        seen += count
        if seen >= task.count:
            finished.set()

    async def done() -> None:
        await finished.wait()

    return step, done
