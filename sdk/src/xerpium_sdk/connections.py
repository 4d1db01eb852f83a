"""One Redis client for a process and an address, as the first services get theirs."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

__all__ = ["get_redis_async_connection", "get_redis_connection"]

CONNECT_SECONDS = 5.0
SOCKET_SECONDS = 5.0
CHECK_SECONDS = 30


def get_redis_connection(url: str | None = None) -> "Redis":
    """Return a client that has answered a PING: the same one each time, with a pool that threads share.

    Args:
        url: the address; default ``REDIS_URL`` of the environment, or this machine's.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    client = _client(_address(url), os.getpid())
    client.ping()
    return client


def get_redis_async_connection(url: str | None = None) -> "AsyncRedis":
    """Return a client for asyncio; nothing is sent yet. A new one each time, since it belongs to the loop that uses it.

    Close it with ``await client.aclose()``.
    """
    from redis.asyncio import Redis as AsyncRedis

    return AsyncRedis.from_url(_address(url), **_OPTIONS)


_OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_timeout": SOCKET_SECONDS,
    "health_check_interval": CHECK_SECONDS,
}


def _address(url: str | None) -> str:
    from xerpium_sdk.events.connection import default_url

    return url or default_url()


@lru_cache(maxsize=32)
def _client(url: str, process: int) -> "Redis":
    """Return the client of a process; a child that was forked has connections of its own."""
    from redis import Redis

    return Redis.from_url(url, **_OPTIONS)
