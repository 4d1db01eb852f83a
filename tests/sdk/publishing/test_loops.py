"""The async publisher and event loops: several of them, one that must not stand still, tasks that are cancelled."""

import asyncio
import threading
import time

import pytest
from django.conf import settings
from redis import Redis

from tests.support.tampering import STAY_SILENT, TamperingProxy
from tests.support.wait import wait_until_async
from xerpium_sdk.events import AsyncEventPublisher, EventPublisher
from xerpium_sdk.wire.keys import STREAM_EVENTS


def test_one_publisher_serves_loops_one_after_the_other(redis_server: Redis) -> None:
    publisher = AsyncEventPublisher("orders")

    async def publish() -> None:
        async with publisher:
            await publisher.publish_event("order_created", "Order", 1)

    for _ in range(3):
        asyncio.run(publish())
    assert redis_server.xlen(STREAM_EVENTS) == 3


def test_one_publisher_serves_loops_at_the_same_time(redis_server: Redis) -> None:
    publisher = AsyncEventPublisher("orders")
    met, done = threading.Barrier(3), threading.Event()

    async def publish(*, last: bool = False) -> None:
        for number in range(50):
            await publisher.publish_event("order_created", "Order", number)
        await asyncio.to_thread(met.wait, 20)
        if last:
            await publisher.aclose()  # closes the others' connections on their loops
            done.set()
        else:
            await asyncio.to_thread(done.wait, 20)

    others = [threading.Thread(target=lambda: asyncio.run(publish())) for _ in range(2)]
    for thread in others:
        thread.start()
    asyncio.run(publish(last=True))
    for thread in others:
        thread.join()
    assert redis_server.xlen(STREAM_EVENTS) == 150


def test_a_loop_goes_on_while_redis_is_silent() -> None:
    async def publish(url: str) -> int:
        async with AsyncEventPublisher("orders", redis_url=url, timeout=0.3) as publisher:
            publishing = asyncio.create_task(publisher.publish_event("order_created", "Order", 1))
            turns = 0
            while not publishing.done():
                await asyncio.sleep(0.005)
                turns += 1
            await publishing
        return turns

    with TamperingProxy(settings.REDIS_URL) as proxy:
        proxy.plan.append(STAY_SILENT)
        assert asyncio.run(publish(proxy.url)) > 20


def test_who_is_cancelled_leaves_no_answer_for_the_next(redis_server: Redis) -> None:
    async def publish(proxy: TamperingProxy) -> None:
        async with AsyncEventPublisher("orders", redis_url=proxy.url, connections=1) as publisher:
            proxy.plan.append(STAY_SILENT)
            hanging = asyncio.create_task(publisher.publish_event("order_created", "Order", 1))
            await wait_until_async(lambda: asyncio.sleep(0, proxy.publishes == 1), description="the first to be sent")
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
            await publisher.publish_event("order_created", "Order", 2)

    with TamperingProxy(settings.REDIS_URL) as proxy:
        asyncio.run(publish(proxy))
    assert redis_server.xlen(STREAM_EVENTS) == 1


def test_a_deadline_holds_over_all_attempts() -> None:
    with TamperingProxy(settings.REDIS_URL) as proxy:
        proxy.plan.extend([STAY_SILENT] * 50)
        with EventPublisher("orders", redis_url=proxy.url, timeout=0.2, deadline=0.5, attempts=50) as publisher:
            begun = time.monotonic()
            with pytest.raises(Exception, match="did not answer"):
                publisher.publish_event("order_created", "Order", 1)
            assert 0.3 < time.monotonic() - begun < 1.5


def test_a_client_lends_its_settings_and_keeps_its_connections(redis_server: Redis) -> None:
    with Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        with EventPublisher("orders", client=client) as publisher:
            publisher.publish_event("order_created", "Order", 1)
        assert client.ping()
    assert redis_server.xlen(STREAM_EVENTS) == 1
