"""The publisher and the consumer that services have today, from the document that describes them.

It is read where it lies beside this checkout, or where SEED_DOCUMENT says. Elsewhere a pattern of our own takes its
place that does the same work: one XADD an event made from `asdict`, ten entries a read, an XACK each.
"""

import asyncio
import json
import logging
import os
import re
import sys
import threading
import time
import typing
import uuid
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from redis import Redis

from benchmarks.events.contestants.raw import SECONDS, paced
from benchmarks.events.payload import ENTITIES, TYPE, connected, data_of, fill
from benchmarks.events.player import Task
from benchmarks.stage import ROOT
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS

DOCUMENT = Path(os.environ.get("SEED_DOCUMENT") or ROOT.parent / "shared/seed/integration-patterns.md")
SERVICE = "benchmark"


def publish_one(task: Task) -> None:
    """Publish one by one."""
    publisher = _parts(task.url).publisher(SERVICE)
    data = [data_of(number) for number in range(task.count)]
    publisher.redis.ping()
    task.watch.start()
    for number in range(task.count):
        _publish(publisher, number, data[number])
    task.watch.stop()


def consume(task: Task) -> None:
    """Consume with a coroutine that does nothing."""

    async def handle(event: Any) -> None:
        step()

    _fill(task)
    parts = _parts(task.url)
    consumer = parts.consumer(SERVICE)
    step = _counting(task, consumer)
    consumer.register_handler(parts.type, handle)
    asyncio.run(consumer.start_consuming())
    _finish(task)


def wait_async(task: Task) -> None:
    """Consume with a coroutine that waits a millisecond."""

    async def handle(event: Any) -> None:
        await asyncio.sleep(SECONDS)
        step()

    _fill(task)
    parts = _parts(task.url)
    consumer = parts.consumer(SERVICE)
    step = _counting(task, consumer)
    consumer.register_handler(parts.type, handle)
    asyncio.run(consumer.start_consuming())
    _finish(task)


def send(task: Task) -> None:
    """Publish at the pace of the latency measurement."""
    publisher = _parts(task.url).publisher(SERVICE)
    task.watch.start()
    paced(task.count, lambda number, sent: _publish(publisher, number, data_of(number, sent)))
    task.watch.stop()


def receive(task: Task) -> list[float]:
    """Return how long each message took, in microseconds."""
    waits: list[float] = []

    def handle(event: Any) -> None:
        waits.append((time.monotonic_ns() - event.data["sent"]) / 1000)
        step()

    parts = _parts(task.url)
    consumer = parts.consumer(SERVICE)
    step = _counting(task, consumer)
    consumer.register_handler(parts.type, handle)
    asyncio.run(_run_and_say(task, consumer))
    task.watch.stop()
    return waits


async def _run_and_say(task: Task, consumer: Any) -> None:
    task.ready()
    await consumer.start_consuming()


def _publish(publisher: Any, number: int, data: dict[str, Any]) -> None:
    publisher.publish_event(
        publisher.benchmark_type,
        "order",
        number % ENTITIES + 1,
        company_id=1,
        user_id=7,
        data=data,
        correlation_id="0f8fad5b-d9cb-469f-a165-70867728950e",
    )


def _fill(task: Task) -> None:
    with connected(task.url) as client:
        fill(client, STREAM_EVENTS, task.count)


def _counting(task: Task, consumer: Any) -> Any:
    """Return what a handler calls: starts the watch, and stops the consumer after the last message."""
    seen = 0

    def step() -> None:
        nonlocal seen
        task.watch.start()
        seen += 1
        if seen == task.count:
            consumer.stop()
            # It is in the midst of a batch and reads no other; its loop ends when this one is acknowledged.

    return step


def _finish(task: Task) -> None:
    task.watch.stop()
    with connected(task.url) as client:
        if pending := client.xpending(STREAM_EVENTS, f"{SERVICE}-group")["pending"]:
            raise RuntimeError(f"{pending} messages were not acknowledged.")


# --- where the two classes come from


def is_here() -> bool:
    """Whether the document is there."""
    return DOCUMENT.is_file()


def _parts(url: str) -> SimpleNamespace:
    return _of_the_document(url) if is_here() else _of_our_own(url)


def _of_the_document(url: str) -> SimpleNamespace:
    """Return the document's classes, connected as its own configuration connects them."""
    logging.disable(logging.INFO)  # they log a line for each event, and whoever measures would switch that off
    core = ModuleType("app.core.config")
    core.settings = SimpleNamespace(REDIS_URL=url)  # type: ignore[attr-defined]
    sys.modules.update({"app": ModuleType("app"), "app.core": ModuleType("app.core"), "app.core.config": core})
    sys.modules["seed"] = ModuleType("seed")
    text = DOCUMENT.read_text(encoding="utf-8")
    _load(text, "messaging/config.py")
    publisher, consumer = _load(text, "messaging/publisher.py"), _load(text, "messaging/consumer.py")
    kind = publisher.EventType(TYPE.value)
    publisher.EventPublisher.benchmark_type = kind
    return SimpleNamespace(publisher=publisher.EventPublisher, consumer=consumer.EventConsumer, type=kind)


def _load(text: str, title: str) -> Any:
    found = re.search(rf"\*\*{re.escape(title)}\*\*\n```python\n(.*?)\n```", text, re.DOTALL)
    if found is None:
        raise RuntimeError(f"{title} is not in {DOCUMENT.name} any more.")
    module = ModuleType("seed." + Path(title).stem)
    module.__package__ = "seed"
    vars(module)["List"] = typing.List  # noqa: UP006  the name that its code uses without importing it
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(found[1], title, "exec"), vars(module))
    return module


def _of_our_own(url: str) -> SimpleNamespace:
    """Return the same pattern in our own words."""

    class Publisher:
        benchmark_type = TYPE

        def __init__(self, service: str) -> None:
            self.service = service
            self.redis: Any = Redis.from_url(url, decode_responses=True)

        def publish_event(self, kind: str, entity: str, number: int, **more: Any) -> None:
            made = Envelope(
                str(uuid.uuid4()),
                kind,
                self.service,
                entity,
                number,
                timestamp=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()),
                **more,
            )
            plain = {name: _flat(value) for name, value in asdict(made).items()}
            self.redis.xadd(STREAM_EVENTS, plain)

    class Consumer:
        def __init__(self, service: str) -> None:
            self.group = f"{service}-group"
            self.redis: Any = Redis.from_url(url, decode_responses=True)
            self.handlers: dict[str, Any] = {}
            self.running = threading.Event()

        def register_handler(self, kind: str, handler: Any) -> None:
            self.handlers[kind] = handler

        async def start_consuming(self) -> None:
            self.redis.xgroup_create(STREAM_EVENTS, self.group, id="0", mkstream=True)
            self.running.set()
            while self.running.is_set():
                for _, entries in self.redis.xreadgroup(self.group, "one", {STREAM_EVENTS: ">"}, count=10, block=1000):
                    for entry_id, fields in entries:
                        event = Envelope.decode(fields)
                        called = self.handlers[event.event_type](event)
                        if asyncio.iscoroutine(called):
                            await called
                        self.redis.xack(STREAM_EVENTS, self.group, entry_id)

        def stop(self) -> None:
            self.running.clear()

    return SimpleNamespace(publisher=Publisher, consumer=Consumer, type=TYPE)


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value)
    return "" if value is None else value
