"""How far a group is behind, read from Redis; counted when Redis cannot say (before 7.0, or after deletions)."""

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

__all__ = ["StreamLag", "read_lag"]

PAGE = 1000
MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class StreamLag:
    """One stream, as a group sees it."""

    lag: int
    """Entries that were not delivered to the group yet; at most `MOST_COUNTED` where they have to be counted."""
    pending: int
    """Entries that were delivered and not acknowledged yet."""


def read_lag(client: Redis, stream: str, group: str) -> StreamLag:
    """Return how far ``group`` is behind on ``stream``; a group that does not exist yet has everything before it.

    Raises:
        RedisError: Redis is away.
    """
    command: Any = client.execute_command
    try:
        # Undecoded, because other groups may have names that are no text.
        groups = command("XINFO GROUPS", stream, NEVER_DECODE=True)
    except ResponseError as error:
        if "no such key" in str(error).lower():
            return StreamLag(0, 0)
        raise
    for about in groups:
        if about["name"] == group.encode():
            lag = about.get("lag")
            return StreamLag(
                _count(client, stream, _text(about["last-delivered-id"])) if lag is None else lag, about["pending"]
            )
    return StreamLag(command("XLEN", stream), 0)


def _count(client: Redis, stream: str, after: str) -> int:
    counted = 0
    command: Any = client.execute_command
    while counted < MOST_COUNTED:
        page = command("XRANGE", stream, f"({after}", "+", "COUNT", PAGE, NEVER_DECODE=True)
        counted += len(page)
        if len(page) < PAGE:
            break
        after = _text(page[-1][0])
    return counted


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
