"""What code that works from threads and from event loops has to ask about them."""

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["call_on", "is_async", "refuse_on_a_loop", "waiter_on"]


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling ``function`` makes a coroutine; it may be an object whose ``__call__`` does."""
    called = getattr(function, "__call__", None)  # noqa: B004 - its kind matters here, not whether it is there
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def refuse_on_a_loop(instead: str) -> None:
    """Refuse to make an event loop wait.

    Raises:
        RuntimeError: an event loop runs in this thread; ``instead`` is what to await there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(f"An event loop runs in this thread and would stand still: await {instead} instead.")


def waiter_on(loop: asyncio.AbstractEventLoop) -> "tuple[asyncio.Future[Any], Callable[[Any], object]]":
    """Return a future of ``loop``, and a function that gives it its result: from any thread, and more than once."""
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any) -> None:
        if not future.done():
            future.set_result(result)

    return future, lambda result: call_on(loop, partial(settle, result))


def call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> bool:
    """Have ``function`` called on ``loop``; return False when that is closed."""
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        return False
    return True
