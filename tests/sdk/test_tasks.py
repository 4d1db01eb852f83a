"""What only the asyncio side has to get right: cancellation, and calls from other threads."""

import asyncio
from threading import Thread

import pytest

from tests.sdk._tasks import wait_until
from tests.sdk.hub import Hub
from xerpium_sdk.registry import AsyncCatalog, AsyncMember, Registration

pytestmark = pytest.mark.anyio
PRODUCTS = Registration(name="product-service", version="1.4.2", host="127.0.0.1", port=8101)


async def test_a_start_that_is_cancelled_leaves_nothing_behind(hub: Hub) -> None:
    before = asyncio.all_tasks()
    hub.opening = [b": hello\n\n"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), AsyncCatalog(hub.url, ready_timeout=10):
            pytest.fail("there is no snapshot to be ready with")
    await wait_until(lambda: hub.streams == 0, description="the connection is closed")
    assert asyncio.all_tasks() == before


async def test_a_block_that_is_cancelled_still_says_goodbye(hub: Hub) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), AsyncMember(hub.url, PRODUCTS, wait=True):
            await asyncio.Event().wait()
    assert hub.known == {}
    assert asyncio.all_tasks() == before


async def test_another_thread_may_ask_for_a_report(hub: Hub) -> None:
    async with AsyncMember(hub.url, PRODUCTS) as member:
        await wait_until(lambda: hub.requests("POST", "services/health"), description="the first report")
        Thread(target=member.report_now).start()
        await wait_until(lambda: len(hub.requests("POST", "services/health")) == 2, description="the second report")
