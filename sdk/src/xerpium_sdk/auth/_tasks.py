"""Waiting in tasks for what threads do. Its twin is `_threads`; the two are the only pair written by hand."""

import asyncio
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["waited"]

T = TypeVar("T")


async def waited(future: "Future[T]") -> T:
    """Return what ``future`` brings. Whoever is cancelled meanwhile stops waiting; the work goes on for the others."""
    return await asyncio.wrap_future(future)
