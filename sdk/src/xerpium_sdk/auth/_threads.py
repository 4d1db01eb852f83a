"""Waiting in threads for what other threads do. Its twin is `_tasks`; the two are the only pair written by hand."""

from concurrent.futures import Future
from typing import TypeVar

__all__ = ["waited"]

T = TypeVar("T")


def waited(future: "Future[T]") -> T:
    """Return what ``future`` brings."""
    return future.result()
