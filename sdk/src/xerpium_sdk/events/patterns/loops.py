"""What code that works from threads and from event loops has to ask about them."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["call_on", "is_async", "refuse_on_a_loop"]


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


def call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> bool:
    """Have ``function`` called on ``loop``; return False when that is closed."""
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        return False
    return True
