"""Python's garbage collector in a program that only consumes.

An event in hand is about nine objects that the collector counts. With its defaults it looks at a stream of them again
and again before they die by themselves, which is a quarter of what an event costs (measured, `benchmarks.events`).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["THRESHOLD", "rare_collections"]

THRESHOLD = 10_000
"""New objects between two collections; above what two batches in hand are made of, and a few megabytes at most."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect no more often than every `THRESHOLD` objects in this block, all threads included.

    A program that has switched the collector off, or chosen a higher threshold, keeps what it chose.
    """
    before = gc.get_threshold()
    if not gc.isenabled() or before[0] == 0 or before[0] >= THRESHOLD:
        yield
        return
    gc.set_threshold(THRESHOLD, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
