"""What the SDK's sync tests wait with; `_tasks` is its twin."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.support.wait import wait_until

__all__ = ["gather", "wait_until"]

T = TypeVar("T")


def gather(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Return what ``calls`` return, up to sixteen at a time."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda call: call(), calls))
