"""redis-py with hiredis and nothing else: the limit of what a Python client can do without leaving that library."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis as AsyncRedis

from benchmarks.events.payload import connected, fields_of, fill
from benchmarks.events.player import Task
from xerpium_sdk.wire.keys import STREAM_EVENTS

GROUP, CONSUMER = "benchmark", "raw"
PIPELINE = 100
BATCH = 500
SECONDS = 0.001


def publish_one(task: Task) -> None:
    """XADD, wait for the answer, the next."""
    client, messages = connected(task.url), _messages(task.count)
    client.ping()
    task.watch.start()
    for message in messages:
        client.xadd(STREAM_EVENTS, message)
    task.watch.stop()
    client.close()


def publish_pipeline(task: Task) -> None:
    """A hundred XADD in a round trip."""
    client, messages = connected(task.url), _messages(task.count)
    client.ping()
    task.watch.start()
    for start in range(0, task.count, PIPELINE):
        pipeline = client.pipeline(transaction=False)
        for message in messages[start : start + PIPELINE]:
            pipeline.xadd(STREAM_EVENTS, message)
        pipeline.execute()
    task.watch.stop()
    client.close()


def consume(task: Task) -> None:
    """XREADGROUP COUNT 500 and one XACK, again and again; nothing is decoded and nothing called."""
    client = _filled(task)
    seen = 0
    while seen < task.count:
        seen += len(ids := [entry_id for entry_id, _ in _read(client)])
        task.watch.start()
        client.xack(STREAM_EVENTS, GROUP, *ids)
    task.watch.stop()
    client.close()


def consume_decoded(task: Task) -> None:
    """Do the same, with the fields made text and the data read by the standard library's JSON, as one would by hand."""
    client = _filled(task)
    seen = 0
    while seen < task.count:
        ids = []
        for entry_id, fields in _read(client):
            text = {name.decode(): value.decode() for name, value in fields.items()}
            json.loads(text["data"])
            ids.append(entry_id)
            seen += 1
        task.watch.start()
        client.xack(STREAM_EVENTS, GROUP, *ids)
    task.watch.stop()
    client.close()


def consume_acknowledging_each(task: Task) -> None:
    """XREADGROUP COUNT 500, and an XACK for each message."""
    client = _filled(task)
    seen = 0
    while seen < task.count:
        for entry_id, _ in _read(client):
            task.watch.start()
            client.xack(STREAM_EVENTS, GROUP, entry_id)
            seen += 1
    task.watch.stop()
    client.close()


def wait_async(task: Task) -> None:
    """One millisecond of `asyncio.sleep` for each message, one after the other."""

    async def run() -> None:
        client: Any = AsyncRedis.from_url(task.url)
        seen = 0
        while seen < task.count:
            answer = await client.xreadgroup(GROUP, CONSUMER, {STREAM_EVENTS: ">"}, count=BATCH)
            ids = []
            for entry_id, _ in answer[0][1]:
                task.watch.start()
                await asyncio.sleep(SECONDS)
                ids.append(entry_id)
                seen += 1
            await client.xack(STREAM_EVENTS, GROUP, *ids)
        task.watch.stop()
        await client.aclose()

    _filled(task).close()
    asyncio.run(run())


def wait_sync(task: Task) -> None:
    """One millisecond of `time.sleep` for each message, one after the other."""
    client = _filled(task)
    seen = 0
    while seen < task.count:
        ids = []
        for entry_id, _ in _read(client):
            task.watch.start()
            time.sleep(SECONDS)
            ids.append(entry_id)
            seen += 1
        client.xack(STREAM_EVENTS, GROUP, *ids)
    task.watch.stop()
    client.close()


def send(task: Task) -> None:
    """Publish at the pace of the latency measurement."""
    client = connected(task.url)

    def publish(number: int, sent: int) -> None:
        client.xadd(STREAM_EVENTS, fields_of(number, sent))

    task.watch.start()
    paced(task.count, publish)
    task.watch.stop()
    client.close()


def receive(task: Task) -> list[float]:
    """Return how long each message took from before its publication to here, in microseconds."""
    client = connected(task.url)
    client.xgroup_create(STREAM_EVENTS, GROUP, id="0", mkstream=True)
    task.ready()
    waits: list[float] = []
    while len(waits) < task.count:
        for _, entries in client.xreadgroup(GROUP, CONSUMER, {STREAM_EVENTS: ">"}, count=BATCH, block=5000):
            task.watch.start()
            for entry_id, fields in entries:
                now = time.monotonic_ns()
                waits.append((now - json.loads(fields[b"data"])["sent"]) / 1000)
                client.xack(STREAM_EVENTS, GROUP, entry_id)
    task.watch.stop()
    client.close()
    return waits


PACE_SECONDS = 1 / 500


def paced(count: int, publish: Callable[[int, int], object]) -> None:
    """Call ``publish(number, nanoseconds now)`` 500 times a second."""
    begun = time.monotonic()
    for number in range(count):
        if (pause := begun + number * PACE_SECONDS - time.monotonic()) > 0:
            time.sleep(pause)
        publish(number, time.monotonic_ns())


def _messages(count: int) -> list[dict[str, str]]:
    return [fields_of(number) for number in range(count)]


def _filled(task: Task) -> Any:
    client = connected(task.url)
    fill(client, STREAM_EVENTS, task.count)
    client.xgroup_create(STREAM_EVENTS, GROUP, id="0")
    return client


def _read(client: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    answer = client.xreadgroup(GROUP, CONSUMER, {STREAM_EVENTS: ">"}, count=BATCH)
    return list(answer[0][1])
