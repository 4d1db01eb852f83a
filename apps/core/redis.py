"""The hub's connections to Redis, or Valkey, or what Sentinel says is the master. Nothing else imports redis-py here.

redis-py's own retry is off: during a stall it executed one ``XADD`` twice and lost entries that one ``XREADGROUP``
had read. A caller that may repeat a command does so itself, knowing what it repeats.
"""

from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio
from django.conf import settings
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
    WatchError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel

__all__ = [
    "AWAY",
    "MAX_BLOCK_SECONDS",
    "Pipeline",
    "Redis",
    "RedisError",
    "ResponseError",
    "WatchError",
    "async_client",
    "blocking_client",
    "bytes_client",
    "client",
    "connect",
]

# What Redis raises when it is away, starting, failing over or full: the hub answers 503 then.
AWAY: tuple[type[RedisError], ...] = (
    ConnectionError,
    TimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
    OutOfMemoryError,
)

SOCKET_TIMEOUT_SECONDS = 2.0
MAX_BLOCK_SECONDS = 5.0
OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": 15,
    "client_name": "xerpium",
}


@lru_cache(maxsize=1)
def client() -> "redis.Redis":
    """Return this process's client for ordinary commands; safe to share between threads, answers are text."""
    return connect(settings.REDIS_URL, socket_timeout=SOCKET_TIMEOUT_SECONDS)


@lru_cache(maxsize=1)
def bytes_client() -> "redis.Redis":
    """Return this process's client for what others have put there: answers are bytes, which need not be text."""
    return connect(settings.REDIS_URL, socket_timeout=SOCKET_TIMEOUT_SECONDS, decode_responses=False)


@lru_cache(maxsize=1)
def blocking_client() -> "redis.Redis":
    """Return this process's client for commands that block up to ``MAX_BLOCK_SECONDS`` (``XREAD BLOCK``).

    A socket timeout below the blocking time would break off every quiet read.
    """
    return connect(settings.REDIS_URL, socket_timeout=MAX_BLOCK_SECONDS + SOCKET_TIMEOUT_SECONDS)


def async_client() -> "redis.asyncio.Redis":
    """Return a new client for the running event loop, to which it belongs; its owner closes it."""
    return cast(
        redis.asyncio.Redis,
        _connect(
            settings.REDIS_URL,
            {**OPTIONS, "retry": AsyncRetry(NoBackoff(), 0), "socket_timeout": SOCKET_TIMEOUT_SECONDS},
            redis.asyncio.Redis,
            AsyncSentinel,
        ),
    )


def connect(url: str, *, socket_timeout: float, decode_responses: bool = True) -> "redis.Redis":
    """Return a client with a pool of its own for ``url``; no connection is made before the first command.

    Besides redis-py's own schemes (``redis``, ``rediss``, ``unix``) this takes
    ``redis+sentinel://[user:password@]sentinel[:26379][,sentinel…]/master[/database]`` (``rediss+sentinel`` for TLS to
    the master and the sentinels); ``?sentinel_username=…&sentinel_password=…`` log in to the sentinels.
    """
    options = {
        **OPTIONS,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": socket_timeout,
        "decode_responses": decode_responses,
    }
    return cast(redis.Redis, _connect(url, options, redis.Redis, Sentinel))


def _connect(url: str, options: dict[str, Any], plain: type[Any], sentinel: type[Any]) -> Any:
    if "+sentinel:" not in url:
        return plain.from_url(url, **options)
    parts = urlsplit(url)
    master, _, database = parts.path.strip("/").partition("/")
    hosts = [_host_and_port(address) for address in parts.netloc.rpartition("@")[2].split(",")]
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    tls = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    sentinel_options = {
        "username": query.get("sentinel_username"),
        "password": query.get("sentinel_password"),
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
        "retry": options["retry"],
        **tls,
    }
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return sentinel(hosts, sentinel_kwargs=sentinel_options).master_for(
        master,
        db=int(database or 0),
        username=unquote(user) or None,
        password=unquote(password) or None,
        **options,
        **tls,
    )


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = address, "26379"
    return host.strip("[]"), int(port)
