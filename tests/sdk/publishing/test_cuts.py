"""Batches over a connection that breaks all the time: none is lost, and none is there by half."""

import asyncio
import random
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from tests.support.tampering import LOSE_ANSWER, LOSE_PART, LOSE_REQUEST, TamperingProxy
from xerpium_sdk.events import AsyncEventPublisher, Envelope, EventPublisher
from xerpium_sdk.wire.keys import STREAM_EVENTS

BATCHES, SIZE = 80, 10


def batch(number: int) -> list[Envelope]:
    data = {"text": "x" * 100}
    return [Envelope.create("order_created", "Order", number, data=data, service_name="orders") for _ in range(SIZE)]


def publish_all(url: str, batches: list[list[Envelope]]) -> None:
    with EventPublisher("orders", redis_url=url, attempts=50, deadline=30) as publisher:
        for one in batches:
            publisher.publish_many(one)


def publish_all_async(url: str, batches: list[list[Envelope]]) -> None:
    async def run() -> None:
        async with AsyncEventPublisher("orders", redis_url=url, attempts=50, deadline=30) as publisher:
            for one in batches:
                await publisher.publish_many(one)

    asyncio.run(run())


@pytest.mark.parametrize("publish", [publish_all, publish_all_async])
@pytest.mark.parametrize("seed", range(2))
def test_every_batch_arrives_whole_and_in_order(
    publish: Callable[[str, list[list[Envelope]]], None], seed: int, redis_server: Redis
) -> None:
    rng = random.Random(seed)
    deeds = [*[None] * 6, LOSE_REQUEST, LOSE_PART, LOSE_ANSWER]
    batches = [batch(number) for number in range(BATCHES)]
    with TamperingProxy(settings.REDIS_URL) as proxy:
        proxy.plan.extend(rng.choices(deeds, k=BATCHES * 2))
        lost_answers = proxy.plan.count(LOSE_ANSWER)
        publish(proxy.url, batches)
        lost_answers -= proxy.plan.count(LOSE_ANSWER)
    entries: Any = redis_server.xrange(STREAM_EVENTS)
    arrived = [(fields["entity_id"], fields["event_id"]) for _, fields in entries]
    copies = 0
    for (number, found), sent in zip(groupby(arrived, key=lambda one: one[0]), batches, strict=True):
        ids = [event_id for _, event_id in found]
        assert number == str(sent[0].entity_id)
        assert ids == [one.event_id for one in sent] * (len(ids) // SIZE)
        copies += len(ids) // SIZE - 1
    assert copies == lost_answers
