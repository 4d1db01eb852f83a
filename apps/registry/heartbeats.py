"""Heartbeats on the event loop: leases are renewed in groups, and each answer waits until Redis has its own.

While one group is on its way to Redis the next one gathers. Under load a group holds many heartbeats and costs one
round trip; an idle hub sends each at once. Nothing is acknowledged from memory.
"""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from apps.core.redis import async_client
from apps.registry.catalog import InstanceRow
from apps.registry.leases import unix_ms
from xerpium_sdk.wire import keys


class Heartbeats:
    """Renews leases in Redis in groups."""

    def __init__(self) -> None:
        self._leases: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._details: dict[str, tuple[bytes, int]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._sending: asyncio.Task[None] | None = None
        self._redis = async_client()

    async def renew(self, rows: Iterable[InstanceRow], details: Mapping[str, Any] | None, now: dt.datetime) -> None:
        """Give instances a whole lease from ``now``; returns once Redis has it.

        Raises:
            redis.RedisError: Redis did not take it.
        """
        ms = unix_ms(now)
        for row in rows:
            pk, lease = str(row.pk), row.document["lease_seconds"]
            self._leases[pk] = ms + lease * 1000
            self._seen[pk] = ms
            if details:
                self._details[keys.registry_report(row.pk)] = (orjson.dumps(details), 2 * lease)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append(done)
        if self._sending is None or self._sending.done():
            self._sending = loop.create_task(self._send_groups())
        await done

    async def _send_groups(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            leases, seen, details = self._leases, self._seen, self._details
            self._leases, self._seen, self._details = {}, {}, {}
            try:
                await self._send(leases, seen, details)
            except Exception as error:  # each waiter raises it
                for one in waiting:
                    if not one.done():
                        one.set_exception(error)
            else:
                for one in waiting:
                    if not one.done():
                        one.set_result(None)

    async def _send(self, leases: dict[str, int], seen: dict[str, int], details: dict[str, tuple[bytes, int]]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            # Never back: a Redis that hung may do this long after the sweep gave everybody a new lease.
            pipe.zadd(keys.REGISTRY_LEASES, leases, gt=True)
            pipe.zadd(keys.REGISTRY_SEEN, seen, gt=True)
            for key, (text, seconds) in details.items():
                pipe.set(key, text, ex=seconds)
            await pipe.execute()

    async def close(self) -> None:
        """Finish the group on its way and close the connections."""
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=2)
        await self._redis.aclose()
