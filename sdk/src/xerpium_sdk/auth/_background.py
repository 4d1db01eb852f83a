"""Work in a thread of its own, for everybody who waits for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["begin"]

T = TypeVar("T")


def begin(name: str, work: Callable[[], T], done: Callable[[], None]) -> "Future[T]":
    """Run ``work`` in a daemon thread and return its future; ``done`` is called before the future has its result.

    Who waits cannot cancel it: others wait too.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # it is raised where somebody waits
            done()
            future.set_exception(error)
        else:
            done()
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
