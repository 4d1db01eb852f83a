"""`BulkProcessingPattern`: collect items and process them in batches, by size or time, whichever comes first.

One thread at a time works for a pattern: it begins with the first item and ends when there is nothing left. So a
pattern belongs to no event loop, needs no start, and a process that ends without `close` still processes what it has.
"""

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from functools import partial
from random import uniform
from threading import Condition, Lock, Thread, main_thread
from typing import Any, Generic, Self, TypeAlias, TypeVar

from xerpium_sdk.events.batches import halves
from xerpium_sdk.events.consumer import EventConsumer
from xerpium_sdk.events.patterns.batchcounts import BulkMetrics
from xerpium_sdk.events.patterns.loops import call_on, is_async, refuse_on_a_loop
from xerpium_sdk.events.subscriptions import name_of
from xerpium_sdk.wire.envelope import EventType

__all__ = ["BatchFailed", "BulkProcessingPattern"]

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Processor: TypeAlias = Callable[[list[Item]], object]
"""A function or coroutine function of a list of items."""
OnFailed: TypeAlias = Callable[[Item, Exception], object]
"""A function or coroutine function of an item and its last error."""

LOOK_SECONDS = 0.5
"""How often a wait looks whether the process is ending."""

_working_for: ContextVar[object] = ContextVar("xerpium_bulk_pattern", default=None)
"""Within a processor: the pattern that called it."""


class BatchFailed(ExceptionGroup[Exception]):
    """Raised when items could not be processed and nobody else was told: an exception group of their errors."""

    failures: tuple[tuple[Any, Exception], ...]
    """Each item with its last error."""

    def __new__(cls, failures: Sequence[tuple[Any, Exception]]) -> Self:
        """Make one of items and their errors."""
        what = "1 item" if len(failures) == 1 else f"{len(failures)} items"
        made = super().__new__(cls, f"{what} could not be processed", [error for _, error in failures])
        made.failures = tuple(failures)
        return made

    def derive(self, excs: Sequence[Any]) -> ExceptionGroup[Any]:
        """Return a group of some of the errors, as ``except*`` needs it."""
        return ExceptionGroup(self.message, excs)

    @property
    def items(self) -> list[Any]:
        """The items."""
        return [item for item, _ in self.failures]


class BulkProcessingPattern(Generic[Item]):
    """Collects items and hands them to ``processor`` in batches: one at a time, in order.

    ```python
    async def store(rows: list[dict]) -> None: ...

    async with BulkProcessingPattern(500, 2, store) as bulk:
        await bulk.add_to_batch({"id": 7})
    ```

    A batch that fails is split in halves until what fails is alone. Alone, an item has ``attempts`` tries; then
    ``on_failed`` gets it with its error, or, without one, `process_batch`, `close` or a later `add_to_batch` raises
    `BatchFailed`. Items added here are in memory only: what processes events is better attached to a consumer
    (`attach`), which acknowledges nothing before it is processed.

    Args:
        batch_size: items in a batch at most.
        batch_timeout: for how many seconds an item waits at most before it is handed over, also when nothing follows.
        processor: a function of a list of items, which is called in a thread, or a coroutine function, which runs on
            the event loop that was last used with this pattern (on one of its own while that does not run).
        on_failed: a function or coroutine function of (item, error), called likewise.
        max_pending: items collected or being processed at most; default ten batches. `add_to_batch` waits for room.
        attempts: tries of an item that fails alone; between them pauses from the first to the second of
            ``retry_seconds``, while which later items wait.

    Raises:
        ValueError: ``processor`` is missing, or a number is too small.
    """

    def __init__(
        self,
        batch_size: int = 10,
        batch_timeout: float = 5,
        processor: Processor[Item] | None = None,
        *,
        on_failed: OnFailed[Item] | None = None,
        max_pending: int | None = None,
        attempts: int = 3,
        retry_seconds: tuple[float, float] = (0.1, 5.0),
    ) -> None:
        if processor is None:
            raise ValueError("processor is missing: name the function that processes a batch.")
        if batch_size < 1 or attempts < 1 or batch_timeout < 0:
            raise ValueError("batch_size and attempts must be at least 1, batch_timeout at least 0.")
        self.batch_size, self.batch_timeout, self.processor = batch_size, batch_timeout, processor
        self.max_pending = 10 * batch_size if max_pending is None else max_pending
        if self.max_pending < batch_size:
            raise ValueError("max_pending must be at least batch_size.")
        self.metrics = BulkMetrics()
        self._on_failed, self._attempts, self._retry_seconds = on_failed, attempts, retry_seconds
        lock = Lock()
        self._work, self._room = Condition(lock), Condition(lock)
        self._items: deque[tuple[Item, float]] = deque()
        self._in_hand = 0
        self._added = self._taken = self._done = 0
        self._flushes: deque[tuple[int, Future[None]]] = deque()
        self._waiters: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._failures: list[tuple[Item, Exception]] = []
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    # --- from event loops

    async def add_to_batch(self, item: Item) -> None:
        """Add ``item``; wait while there is no room.

        Raises:
            BatchFailed: ``max_pending`` items have failed and nobody was told; ``item`` is not added.
            RuntimeError: the pattern is closed.
        """
        loop = asyncio.get_running_loop()
        while True:
            with self._work:
                self._loop = loop
                if self._has_room():
                    self._put(item)
                    return
                waiter = loop.create_future()
                self._waiters.append((loop, waiter))
            try:
                await waiter
            except asyncio.CancelledError:
                with self._work:
                    self._wake_waiters()  # whoever was woken for this one's room
                raise

    async def process_batch(self) -> None:
        """Hand over what has been added, and wait until it is processed.

        Raises:
            BatchFailed: items failed, now or earlier, and nobody was told.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.wrap_future(self._flush())
        self._raise_failures()

    async def aclose(self) -> None:
        """Process what is left and take nothing more. Raises as `process_batch` does."""
        self._closed = True
        await self.process_batch()

    async def __aenter__(self) -> Self:
        """Take items within an ``async with`` block."""
        self._closed = False
        return self

    async def __aexit__(self, *about: object) -> None:
        """Process what is left."""
        await self.aclose()

    # --- from threads

    def add(self, item: Item) -> None:
        """Do what `add_to_batch` does, in a thread without an event loop. Raises as it does."""
        refuse_on_a_loop("add_to_batch")
        with self._work:
            while not self._has_room():
                self._room.wait()
            self._put(item)

    def flush(self) -> None:
        """Do what `process_batch` does, in a thread without an event loop. Raises as it does."""
        refuse_on_a_loop("process_batch")
        self._flush().result()
        self._raise_failures()

    def close(self) -> None:
        """Do what `aclose` does, in a thread without an event loop. Raises as it does."""
        refuse_on_a_loop("aclose")
        self._closed = True
        self.flush()

    def __enter__(self) -> Self:
        """Take items within a ``with`` block."""
        self._closed = False
        return self

    def __exit__(self, *about: object) -> None:
        """Process what is left."""
        self.close()

    # --- on a consumer

    def attach(self, consumer: EventConsumer, *event_types: EventType | str, **options: Any) -> None:
        """Let the processor process events that ``consumer`` reads; nothing is acknowledged before it is processed.

        Size, time and tries are those of this pattern; what fails goes to the dead letters of the consumer's group.
        ``options`` as for `EventConsumer.on_batch`.
        """
        metrics = self.metrics
        processor: Callable[..., Any] = self.processor

        def process(events: list[Any]) -> None:
            with metrics.call(len(events)):
                processor(events)
            metrics.count(added=len(events))

        async def process_on_loop(events: list[Any]) -> None:
            with metrics.call(len(events)):
                await processor(events)
            metrics.count(added=len(events))

        settings = {
            "max_attempts": self._attempts,
            "retry_seconds": self._retry_seconds,
            "name": name_of(processor),
            **options,
        }
        register = consumer.on_batch(*event_types, size=self.batch_size, seconds=self.batch_timeout, **settings)
        register(process_on_loop if is_async(processor) else process)

    # --- with the lock

    def _has_room(self) -> bool:
        if self._closed:
            raise RuntimeError("The pattern is closed.")
        if len(self._failures) >= self.max_pending:
            self._raise_failures_locked()
        # A processor that adds would wait for itself.
        return len(self._items) + self._in_hand < self.max_pending or _working_for.get() is self

    def _put(self, item: Item) -> None:
        self._items.append((item, time.monotonic()))
        self._added += 1
        self.metrics.count(added=1)
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._live, name="xerpium-bulk")
            self._thread.start()
        elif len(self._items) == 1 or len(self._items) >= self.batch_size:
            self._work.notify()

    def _wake_waiters(self) -> None:
        """Wake as many of those that wait for room as there is room for."""
        room = max(self.max_pending - len(self._items) - self._in_hand, 0)
        self._room.notify(room)
        while self._waiters and room > 0:
            loop, waiter = self._waiters.popleft()
            if not waiter.done():
                room -= call_on(loop, partial(_let_go, waiter))

    def _flush(self) -> "Future[None]":
        if _working_for.get() is self:
            raise RuntimeError("A processor cannot wait for its own batch.")
        future: Future[None] = Future()
        with self._work:
            self._flushes.append((self._added, future))
            self._end_flushes()
            self._work.notify()
        return future

    def _end_flushes(self) -> None:
        while self._flushes and self._flushes[0][0] <= self._done:
            _, future = self._flushes.popleft()
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def _raise_failures(self) -> None:
        with self._work:
            self._raise_failures_locked()

    def _raise_failures_locked(self) -> None:
        if self._failures:
            failures, self._failures = self._failures, []
            raise BatchFailed(failures)

    # --- in the thread

    def _live(self) -> None:
        _working_for.set(self)
        while batch := self._next():
            try:
                self._process(batch)
            finally:
                with self._work:
                    self._in_hand = 0
                    self._done += len(batch)
                    self._end_flushes()
                    self._wake_waiters()

    def _next(self) -> list[Item]:
        """Return the next batch when it is due; an empty one when there is nothing, and then the thread is over."""
        with self._work:
            while self._items:
                left = self._items[0][1] + self.batch_timeout - time.monotonic()
                flushing = self._flushes and self._flushes[-1][0] > self._taken
                if left <= 0 or flushing or len(self._items) >= self.batch_size or not main_thread().is_alive():
                    batch = [self._items.popleft()[0] for _ in range(min(self.batch_size, len(self._items)))]
                    self._taken += len(batch)
                    self._in_hand = len(batch)
                    return batch
                self._work.wait(min(left, LOOK_SECONDS))
            self._thread = None
            return []

    def _process(self, batch: list[Item]) -> None:
        pieces = deque([batch])
        while pieces:
            piece = pieces.popleft()
            error = self._call(piece)
            if error is None:
                continue
            if len(piece) > 1:
                self.metrics.count(splits=1)
                logger.warning("A batch of %d items failed and is split: %s: %s", len(piece), *_said(error))
                pieces.extendleft(reversed(halves(piece)))
            else:
                self._try_again(piece, error)

    def _try_again(self, piece: list[Item], error: Exception) -> None:
        first, greatest = self._retry_seconds
        for attempt in range(1, self._attempts):
            time.sleep(min(greatest, first * 2.0 ** (attempt - 1)) * uniform(0.5, 1))
            self.metrics.count(retried=1)
            again = self._call(piece)
            if again is None:
                return
            error = again
        self._give_up(piece[0], error)

    def _give_up(self, item: Item, error: Exception) -> None:
        self.metrics.count(failed=1)
        logger.error("Gave up on an item after %d attempts", self._attempts, exc_info=error)
        if self._on_failed is not None:
            try:
                self._on_its_loop(self._on_failed, item, error)
            except BaseException as another:
                logger.exception("on_failed did not take the item")
                error.add_note(f"on_failed did not take the item: {another!r}")
            else:
                return
        with self._work:
            self._failures.append((item, error))

    def _call(self, piece: list[Item]) -> Exception | None:
        """Call the processor; return how it failed."""
        try:
            with self.metrics.call(len(piece)):
                self._on_its_loop(self.processor, list(piece))
        except Exception as error:
            return error
        except BaseException as error:
            # A cancelled coroutine, or a processor that would end its thread: the items are not to vanish with it.
            failure = RuntimeError(f"ended by {error!r}")
            failure.__cause__ = error
            return failure
        return None

    def _on_its_loop(self, function: Callable[..., Any], *arguments: Any) -> None:
        if not is_async(function):
            function(*arguments)
            return
        loop, coroutine = self._loop, function(*arguments)
        if loop is None or not loop.is_running():
            asyncio.run(coroutine)
            return
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # closed meanwhile
            asyncio.run(coroutine)
            return
        while not _is_over(future):
            if not loop.is_running() and not future.done():
                if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                    coroutine.close()
                raise RuntimeError("the event loop ended before the processor did")


def _is_over(future: "Future[Any]") -> bool:
    """Wait a moment; raise what the coroutine raised."""
    try:
        future.result(LOOK_SECONDS)
    except TimeoutError:
        if not future.done():
            return False
        raise
    return True


def _let_go(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _said(error: BaseException) -> tuple[str, BaseException]:
    return type(error).__name__, error
