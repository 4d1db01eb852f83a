"""What the SDK's async tests wait with; `_threads` is its twin."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tests.support.wait import wait_until_async

__all__ = ["gather", "wait_until"]

T = TypeVar("T")


async def wait_until(predicate: Callable[[], T], *, description: str) -> T:
    """Return the first true value of ``predicate``."""

    async def value() -> T:
        return predicate()

    return await wait_until_async(value, description=description)


async def gather(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Return what ``calls`` return, all begun at once."""
    return list(await asyncio.gather(*(call() for call in calls)))
