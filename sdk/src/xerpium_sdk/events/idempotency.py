"""Effects once per event: what a store of handled events has to offer, and the one in Redis.

Delivery is at least once, so a handler may see one ``event_id`` again: after a crash, or because it was published
twice. A store remembers per group and handler which events are done. There are two ways to do that, and a consumer
takes either:

- `ClaimingStore` marks before and after, from outside: the engine claims all events of a batch in one round trip, calls
  the handlers, and puts the marks into the same MULTI as the acknowledgement. A process that dies between a handler's
  effect and that MULTI leaves an event that is handled again.
- `WrappingStore` puts the mark into the transaction in which the handler's effects are written: both or neither, so the
  effect happens once whatever dies when. Only for handlers that are functions: it surrounds the call in its thread.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable
from uuid import uuid4

from xerpium_sdk.wire.keys import events_handled

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Claim", "ClaimingStore", "HandledKey", "IdempotencyStore", "RedisIdempotencyStore", "WrappingStore"]

HandledKey: TypeAlias = tuple[str, str, str]
"""Group, handler, event id."""

DONE = b"done"
PAGE = 500
# One command for all keys of a page: a command for each costs the client seven times as much (measured).
_CLAIM = """
local found = {}
for index, key in ipairs(KEYS) do
    found[index] = redis.call('SET', key, ARGV[1], 'PX', ARGV[2], 'NX') and 1 or redis.call('GET', key)
end
return found
"""
_MARK = "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end"


class Claim(Enum):
    """What a claim found."""

    OURS = "ours"
    """Not handled yet, and nobody else is at it: handle it."""
    DONE = "done"
    """Handled already: acknowledge it."""
    BUSY = "busy"
    """Someone else is at it (or was, and died; its claim ends by itself): ask again later."""


@runtime_checkable
class ClaimingStore(Protocol):
    """Claims before the handler and marks with the acknowledgement. All methods are called in one thread.

    What they raise is treated as an outage: the events wait, and it is asked again.
    """

    claim_seconds: float
    """How long a claim holds without `renew`; the engine renews at a third of it."""

    def claim(self, keys: Sequence[HandledKey]) -> Sequence[Claim]:
        """Claim ``keys`` and say for each what was found, in order; in one round trip."""

    def renew(self, keys: Sequence[HandledKey]) -> None:
        """Hold the claims on ``keys`` for `claim_seconds` from now."""

    def release(self, keys: Sequence[HandledKey]) -> None:
        """Give up the claims on ``keys``: they were not handled."""

    def mark(self, pipeline: Any, keys: Sequence[HandledKey]) -> None:
        """Add to ``pipeline``, a redis-py MULTI that also acknowledges the events, what marks ``keys`` as done."""


@runtime_checkable
class WrappingStore(Protocol):
    """Surrounds the call of a handler with the transaction in which its effects and the marks are written."""

    def once(self, group: str, handler: str, event_ids: Sequence[str]) -> AbstractContextManager[Collection[str]]:
        """Enter a transaction, mark ``event_ids``, and give back those that were not marked before.

        The handler is called inside with only these, or not at all when there are none. Left without an exception it
        commits; with one it rolls back, and the exception goes on. Called in the handler's thread.
        """


IdempotencyStore: TypeAlias = ClaimingStore | WrappingStore


class RedisIdempotencyStore:
    """A `ClaimingStore` in Redis: one key with a TTL per group, handler and event.

    Args:
        client: any redis-py client of the server that holds the streams.
        ttl_seconds: how long an event is remembered as handled; above the longest time after which it might come again.
        claim_seconds: how long a claim outlives a process that died with it.
    """

    def __init__(self, client: "Redis", ttl_seconds: float = 7 * 86400, *, claim_seconds: float = 30.0) -> None:
        self.client, self.claim_seconds = client, claim_seconds
        self._ttl_ms, self._claim_ms = int(ttl_seconds * 1000), int(claim_seconds * 1000)
        self._token = f"at:{uuid4()}".encode()

    def claim(self, keys: Sequence[HandledKey]) -> list[Claim]:
        """Claim ``keys``; what this store itself holds (of one event published twice, in hand twice) is busy too."""
        pipeline = self.client.pipeline(transaction=False)
        for page in _pages(keys):
            pipeline.eval(_CLAIM, len(page), *page, self._token, self._claim_ms)
        return [_found(value) for reply in pipeline.execute() for value in reply]

    def renew(self, keys: Sequence[HandledKey]) -> None:
        """Hold the claims that are still this store's."""
        self._on_ours("redis.call('PEXPIRE', key, ARGV[2])", keys, self._claim_ms)

    def release(self, keys: Sequence[HandledKey]) -> None:
        """Drop the claims that are still this store's."""
        self._on_ours("redis.call('DEL', key)", keys, 0)

    def mark(self, pipeline: Any, keys: Sequence[HandledKey]) -> None:
        """Write the marks with the acknowledgement."""
        for page in _pages(keys):
            pipeline.eval(_MARK, len(page), *page, DONE, self._ttl_ms)

    def _on_ours(self, action: str, keys: Sequence[HandledKey], argument: int) -> None:
        script = f"for _, key in ipairs(KEYS) do if redis.call('GET', key) == ARGV[1] then {action} end end"
        pipeline = self.client.pipeline(transaction=False)
        for page in _pages(keys):
            pipeline.eval(script, len(page), *page, self._token, argument)
        pipeline.execute()


def _pages(keys: Sequence[HandledKey]) -> Iterator[list[str]]:
    """Yield the names of ``keys`` in portions that keep Redis from others for half a millisecond or so."""
    for start in range(0, len(keys), PAGE):
        yield [events_handled(*key) for key in keys[start : start + PAGE]]


def _found(value: Any) -> Claim:
    if value == 1:
        return Claim.OURS
    return Claim.DONE if value in (DONE, DONE.decode()) else Claim.BUSY
