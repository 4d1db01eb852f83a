"""The Redis client of the bus.

redis-py's own retry sends a command again whose answer was late: one XADD then leaves two entries, and one XREADGROUP
strands a batch that nobody ever saw. On a bus it is off, and the one who called decides.
"""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

__all__ = ["connect", "require_bus_client"]


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


def require_bus_client(client: Redis, block_ms: int) -> None:
    """Refuse a client that would lose or double messages without a word.

    Raises:
        ValueError: its retry is on, or its socket timeout is not above ``block_ms`` (None counts: a connection that
            the network dropped without a sign would be waited on for ever).
    """
    options = client.connection_pool.connection_kwargs
    retry, timeout = options.get("retry"), options.get("socket_timeout")
    if retry is None or retry.get_retries() != 0:
        raise ValueError("The client repeats commands by itself: pass retry=Retry(NoBackoff(), 0), or use connect().")
    if timeout is None or timeout * 1000 <= block_ms:
        raise ValueError(f"The client's socket_timeout must be above {block_ms / 1000} s, the longest blocking read.")
