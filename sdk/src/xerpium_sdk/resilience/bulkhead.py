"""A limit to how many calls run at once, so that one slow dependency does not take every thread and connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from xerpium_sdk.resilience.errors import BulkheadFullError

__all__ = ["Bulkhead"]


class Bulkhead:
    """So many places; who finds none is refused at once, since waiting would only fill something else.

    >>> with bulkhead.place():
    ...     ask()

    Args:
        limit: how many calls may run at once, in threads and tasks together.
        name: for errors.
    """

    def __init__(self, limit: int, *, name: str = "") -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}.")
        self.limit, self.name = limit, name
        self.refused = 0
        self._running = 0
        self._lock = Lock()

    @property
    def running(self) -> int:
        """How many calls run now."""
        return self._running

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the block runs.

        Raises:
            BulkheadFullError: there is none.
        """
        with self._lock:
            if self._running >= self.limit:
                self.refused += 1
                raise BulkheadFullError(self.name, self.limit)
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
