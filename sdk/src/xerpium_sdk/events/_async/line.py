"""The line to Redis: sends commands that are packed already, and again when a connection was lost, within bounds."""

import logging
import random
from collections.abc import Sequence
from time import monotonic
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, parse_url
from redis.exceptions import RedisError

from xerpium_sdk.events._tasks import Local, Slots, exchange, sleep
from xerpium_sdk.events.connection import address_of, own_options, source_of, url_or_default
from xerpium_sdk.events.patience import Endeavour, Patience

__all__ = ["AsyncLine"]

log = logging.getLogger("xerpium_sdk.events")

MULTI, EXEC = pack_command((b"MULTI",)), pack_command((b"EXEC",))


class AsyncLine:
    """Connections to one server, for as many callers at once as there are ``connections``; others wait for a free one.

    Args:
        client: a redis-py client of the server, whose settings are used; its own connections are not.
        redis_url: in place of ``client``; default ``REDIS_URL`` of the environment.
        patience: how long to try.
        connections: how many at most, opened as they are needed.

    Raises:
        ValueError: ``redis_url`` or ``REDIS_URL`` is no address of a Redis.
    """

    def __init__(
        self, client: Redis | None, redis_url: str | None, patience: Patience, *, connections: int = 32
    ) -> None:
        if client is not None:
            kind, options = client.connection_pool.connection_class, client.connection_pool.connection_kwargs
        else:
            options = url_or_default(redis_url, parse_url)
            kind = options.pop("connection_class", Connection)
        self.address = address_of(options) + ("" if client is not None else source_of(redis_url))
        self._patience = patience
        settings = own_options(options, timeout=patience.timeout)
        self._connections = Local(lambda: _Connections(kind, settings, connections))

    async def send(self, commands: Sequence[bytes]) -> list[Any]:
        """Send ``commands`` in one round trip and return their answers: several as one transaction, all or none.

        An error that only one of them met, in a transaction that was done, stands in the place of its answer.

        Raises:
            Undelivered: Redis did not confirm.
        """
        several = len(commands) > 1
        packed = b"".join((MULTI, *commands, EXEC)) if several else commands[0]
        endeavour = Endeavour(self._patience, self.address, monotonic())
        while True:
            try:
                return await self._try(packed, len(commands) + 2 if several else 1, endeavour)
            except (RedisError, OSError) as error:
                pause = endeavour.failed(error, monotonic(), random.uniform)
                if endeavour.is_first_failure:
                    name = type(error).__name__
                    log.warning("Redis at %s did not confirm, trying again: %s: %s", self.address, name, error)
            await sleep(pause)

    async def aclose(self) -> None:
        """Close all connections; what is sent after that opens new ones."""
        await self._connections.clear(_Connections.aclose)

    async def _try(self, packed: bytes, count: int, endeavour: Endeavour) -> list[Any]:
        connections = self._connections.get()
        connection = await connections.take(endeavour.seconds_left(monotonic()))
        try:
            endeavour.sent = True
            return _answers(await exchange(connection, packed, count, endeavour.seconds_left(monotonic())))
        except BaseException:
            # Answers may still come, and they would be taken for those of the next command.
            await connection.disconnect(nowait=True)
            raise
        finally:
            connections.give_back(connection)


class _Connections:
    """Open connections that nobody uses at the moment, and how many more there may be."""

    def __init__(self, kind: Any, options: dict[str, Any], count: int) -> None:
        self._kind, self._options = kind, options
        self._slots = Slots(count)
        self._idle: list[Any] = []
        self._closed = False

    async def take(self, seconds: float) -> Any:
        """Return a connection that is open as far as can be seen.

        Raises:
            RedisError, OSError: none can be had within ``seconds``.
        """
        await self._slots.acquire(seconds)
        connection = self._idle.pop() if self._idle else self._kind(**self._options)
        try:
            await _ready(connection)
        except BaseException:
            self.give_back(connection)
            raise
        return connection

    def give_back(self, connection: Any) -> None:
        """Take a connection back that was taken; a broken one opens anew when it is next taken."""
        self._idle.append(connection)
        self._slots.release()

    async def aclose(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self._idle.pop().disconnect()


async def _ready(connection: Any) -> None:
    """Open ``connection``, or open it again when the server has closed it or something unasked for lies in it."""
    if connection.is_connected:
        try:
            if not await connection.can_read():
                return
        except (RedisError, OSError):
            pass
        await connection.disconnect(nowait=True)
    await connection.connect()


def _answers(replies: list[Any]) -> list[Any]:
    """Return what the commands were answered; raise the first error that kept all of them from being done."""
    if len(replies) > 1 and isinstance(replies[0], Exception):
        # Without a transaction each command was done or refused by itself.
        raise RedisError(f"no transaction was begun: {replies[0]}")
    if isinstance(replies[-1], Exception):
        raise next(reply for reply in replies if isinstance(reply, Exception))
    if len(replies) == 1:
        return replies
    answers: list[Any] = replies[-1]
    return answers
