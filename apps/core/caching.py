"""The cache ``shared`` on the hub's own connections, so that it too reaches what Sentinel says is the master.

What is kept there is JSON and can be made again; when Redis is away, nothing is.
"""

from typing import Any

from apps.core import redis

__all__ = ["HubConnections"]


class HubConnections:
    """Where django-redis gets its connections: the setting ``CONNECTION_FACTORY``."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    def connect(self, url: str) -> "redis.Redis":
        """Return this process's client; ``url`` is where it is connected to already."""
        return redis.bytes_client()

    def disconnect(self, connection: "redis.Redis") -> None:
        """Leave the client to those who use it beside the cache."""
