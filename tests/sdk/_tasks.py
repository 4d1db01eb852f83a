"""What the SDK's async tests wait with; `_threads` is its twin."""

from collections.abc import Callable
from typing import TypeVar

from tests.support.wait import wait_until_async

__all__ = ["wait_until"]

T = TypeVar("T")


async def wait_until(predicate: Callable[[], T], *, description: str) -> T:
    """Return the first true value of ``predicate``."""

    async def value() -> T:
        return predicate()

    return await wait_until_async(value, description=description)
