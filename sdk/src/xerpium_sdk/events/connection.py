"""The Redis clients of the bus.

redis-py's own retry sends a command again whose answer was late: one XADD then leaves two entries, and one XREADGROUP
strands a batch that nobody ever saw. On a bus it is off, and the one who called decides.
"""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError
from redis.retry import Retry

__all__ = [
    "address_of",
    "cannot_heal",
    "connect",
    "dedicated",
    "default_url",
    "hang_up",
    "own_options",
    "source_of",
    "url_or_default",
]

READ_SIZE = 1 << 20
"""Bytes taken from the socket at once. Each time the reader has to wait for threads that compute, so: seldom."""

_MANAGED = ("himport_registry", "maint_notifications_pool_handler", "maint_notifications_config")
"""What a redis-py pool puts among its options for itself; a pool made of these options makes its own."""
_OF_POOLS = ("max_connections", "timeout", "queue_class", "retry")
"""What an address may say to a pool, and a connection does not know; and what is of another class for asyncio."""


def default_url() -> str:
    """Return the address of Redis when none is given: ``REDIS_URL``, or this host's."""
    return os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"


def connect(url: str, *, block_ms: int = 1000) -> Redis:
    """Return a client for the bus: no hidden retry, a socket timeout above every blocking read.

    ``block_ms`` is the longest blocking read, in milliseconds, that will be asked of it. Nothing is sent yet.
    """
    return Redis.from_url(
        url,
        socket_timeout=block_ms / 1000 + 5,
        socket_connect_timeout=3,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )


def dedicated(client: Redis, *, timeout: float) -> Redis:
    """Return a client of the same server as ``client`` with connections of its own, without hidden retry, in bytes.

    ``timeout`` is how long it waits for an answer, in seconds.
    """
    pool = client.connection_pool
    options = own_options(pool.connection_kwargs, timeout=timeout) | {
        "retry": Retry(NoBackoff(), 0),
        "socket_read_size": READ_SIZE,
    }
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **options))


def hang_up(client: Redis) -> None:
    """End whatever waits on the connections of ``client`` in other threads, and close nothing: they do that.

    redis-py has no such thing: its ``disconnect`` pulls the parser away from under a thread that reads.
    """
    for connection in tuple(client.connection_pool._in_use_connections):
        opened: socket.socket | None = getattr(connection, "_sock", None)
        if opened is not None:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)


def own_options(options: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
    """Return the options of connections of one's own to the server of a client with ``options``, answering in bytes."""
    left_out = (*_MANAGED, *_OF_POOLS)
    kept = {name: value for name, value in options.items() if name not in left_out and not name.startswith("orig_")}
    return kept | {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(3.0, timeout),
        "retry_on_error": [],
        "retry_on_timeout": False,
        "decode_responses": False,
        "protocol": 2,
        "health_check_interval": 0,
    }


def url_or_default(url: str | None, parse: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``url``, or else ``REDIS_URL``, says by redis-py's own ``parse``.

    Raises:
        ValueError: it is no address of a Redis; the message says which of the two it is.
    """
    try:
        return dict(parse(url or default_url()))
    except ValueError as error:
        raise ValueError(f"{'redis_url' if url else 'REDIS_URL'} is no address of a Redis: {error}") from error


def source_of(url: str | None) -> str:
    """Return what to say beside the address of a Redis that does not answer: that nobody has given one, if so."""
    return "" if url or os.environ.get("REDIS_URL") else " (REDIS_URL is not set)"


def address_of(options: Mapping[str, Any]) -> str:
    """Return where a client with ``options`` connects to, without its password."""
    if path := options.get("path"):
        return str(path)
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def cannot_heal(error: RedisError) -> bool:
    """Return whether waiting is in vain: a wrong password, a missing permission, a key of another type."""
    if isinstance(error, AuthenticationError | AuthorizationError):
        return True
    return isinstance(error, ResponseError) and str(error).startswith(("WRONGTYPE", "NOPERM", "NOAUTH", "WRONGPASS"))
