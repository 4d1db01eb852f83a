"""Celery on Redis as a queue of tasks that do nothing: what one uses who has Celery anyway."""

import logging
from typing import Any

from celery import Celery
from celery.worker import state

from benchmarks.events.payload import data_of, envelope_of
from benchmarks.events.player import Task

application = Celery("benchmarks")
application.conf.update(
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=100,
)
application.set_default()


def publish_one(task: Task) -> None:
    """Publish one by one, each a call of `delay`."""
    _connect(task)
    messages = [_message(number) for number in range(task.count)]
    noop.delay(messages[0])
    task.watch.start()
    for message in messages:
        noop.delay(message)
    task.watch.stop()


def consume(task: Task) -> None:
    """Work tasks off in one thread, which is the fastest of its pools for tasks like these."""
    _connect(task)
    for number in range(task.count):
        noop.delay(_message(number))
    seen = 0

    def step() -> None:
        nonlocal seen
        task.watch.start()
        seen += 1
        if seen == task.count:
            task.watch.stop()
            state.should_stop = 0  # type: ignore[assignment]  # typed by its first value

    _steps.append(step)
    logging.disable(logging.WARNING)
    worker = application.Worker(
        pool="threads",
        concurrency=1,
        loglevel="ERROR",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()


@application.task(name="benchmarks.noop")
def noop(message: dict[str, Any]) -> None:
    """Do nothing but count."""
    _steps[-1]()


_steps: list[Any] = [lambda: None]


def _connect(task: Task) -> None:
    application.conf.update(broker_url=task.url)


def _message(number: int) -> dict[str, Any]:
    return {**envelope_of(number).encode(), "data": data_of(number)}
