"""The SDK's publisher, used as a service would use it."""

from typing import Any

from benchmarks.events.contestants.raw import paced
from benchmarks.events.payload import ENTITIES, TYPE, data_of, envelope_of
from benchmarks.events.player import Task
from xerpium_sdk.events import EventPublisher

SERVICE = "benchmark"
MANY = 100


def publish_one(task: Task) -> None:
    """Publish one by one, as the seed's publisher is called."""
    with EventPublisher(SERVICE, redis_url=task.url) as publisher:
        data = [data_of(number) for number in range(task.count)]
        _publish(publisher, 0, data[0])
        task.watch.start()
        for number in range(task.count):
            _publish(publisher, number, data[number])
        task.watch.stop()


def publish_many(task: Task) -> None:
    """A hundred envelopes in a round trip."""
    with EventPublisher(SERVICE, redis_url=task.url) as publisher:
        envelopes = [envelope_of(number) for number in range(task.count)]
        _publish(publisher, 0, data_of(0))
        task.watch.start()
        for start in range(0, task.count, MANY):
            publisher.publish_many(envelopes[start : start + MANY])
        task.watch.stop()


def send(task: Task) -> None:
    """Publish at the pace of the latency measurement."""
    with EventPublisher(SERVICE, redis_url=task.url) as publisher:
        task.watch.start()
        paced(task.count, lambda number, sent: _publish(publisher, number, data_of(number, sent)))
        task.watch.stop()


def _publish(publisher: EventPublisher, number: int, data: dict[str, Any]) -> None:
    publisher.publish_event(
        TYPE,
        "order",
        number % ENTITIES + 1,
        company_id=1,
        user_id=7,
        data=data,
        correlation_id="0f8fad5b-d9cb-469f-a165-70867728950e",
    )
