"""Waiting for something to become true, instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.01


def wait_until(predicate: Callable[[], T], timeout: float = 5.0, description: str = "") -> T:
    """Call ``predicate`` until it returns something true, and return that.

    Raises:
        AssertionError: ``timeout`` seconds went by; the message says what was waited for and the last value.
    """
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(description or repr(predicate), timeout, value))
        time.sleep(PAUSE_SECONDS)
    return value


async def wait_until_async(predicate: Callable[[], Awaitable[T]], timeout: float = 5.0, description: str = "") -> T:  # noqa: ASYNC109 - the twin of wait_until
    """Await ``predicate`` until it returns something true, and return that.

    Raises:
        AssertionError: ``timeout`` seconds went by; the message says what was waited for and the last value.
    """
    deadline = time.monotonic() + timeout
    while not (value := await predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(description or repr(predicate), timeout, value))
        await asyncio.sleep(PAUSE_SECONDS)
    return value


def _complaint(description: str, timeout: float, value: object) -> str:
    return f"waited {timeout:g} s in vain for: {description} (last value: {value!r})"
