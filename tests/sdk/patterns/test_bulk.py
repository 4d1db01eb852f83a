"""Items in bulk: by size, by time and on request; what fails is found, and nothing vanishes."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wait import wait_until, wait_until_async
from xerpium_sdk.events import BatchFailed, BulkProcessingPattern

pytestmark = pytest.mark.anyio

LONG = 60.0
AT_ONCE = (0.0, 0.0)


class Store:
    """A processor that takes a batch as a whole or not at all, as a transaction does."""

    def __init__(self, bad: set[int] | None = None) -> None:
        self.bad = bad or set()
        self.batches: list[list[int]] = []
        self.calls: list[list[int]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: list[int]) -> None:
        self.calls.append(items)
        self.threads.add(threading.current_thread().name)
        self.gate.wait(30)
        if wrong := self.bad & set(items):
            raise LookupError(f"no room for {min(wrong)}")
        self.batches.append(items)

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


def as_coroutine(store: Store) -> Callable[[list[int]], Any]:
    async def process(items: list[int]) -> None:
        await asyncio.sleep(0)
        store(items)

    return process


def make(
    store: Callable[..., Any], size: int = 10, seconds: float = LONG, **options: Any
) -> BulkProcessingPattern[int]:
    return BulkProcessingPattern(size, seconds, store, **{"retry_seconds": AT_ONCE, **options})


def add_all(bulk: BulkProcessingPattern[int], number: int) -> None:
    for item in range(number):
        bulk.add(item)


# --- when a batch is handed over


async def test_a_full_batch_is_handed_over_at_once() -> None:
    store = Store()
    bulk = make(store, 3)
    for number in range(7):
        await bulk.add_to_batch(number)
    await wait_until_async(is_done(store, 6), description="two full batches")
    assert store.batches == [[0, 1, 2], [3, 4, 5]]
    await bulk.aclose()
    assert store.batches[2:] == [[6]]
    assert store.threads == {"xerpium-bulk"}


def is_done(store: Store, number: int) -> Callable[[], Any]:
    async def look() -> bool:
        return len(store.items) >= number

    return look


async def test_no_item_waits_longer_than_the_timeout_when_nothing_follows() -> None:
    store = Store()
    bulk = make(store, 100, 0.05)
    began = time.monotonic()
    await bulk.add_to_batch(1)
    await bulk.add_to_batch(2)
    await wait_until_async(is_done(store, 2), description="the timer")
    assert time.monotonic() - began >= 0.05
    assert store.batches == [[1, 2]]
    await bulk.aclose()


async def test_process_batch_hands_over_what_there_is() -> None:
    store = Store()
    bulk = make(store)
    await bulk.process_batch()
    await bulk.add_to_batch(1)
    await bulk.process_batch()
    assert store.batches == [[1]]


async def test_closing_processes_the_rest_and_refuses_more() -> None:
    store = Store()
    async with make(store, 2) as bulk:
        for number in range(5):
            await bulk.add_to_batch(number)
    assert store.items == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="closed"):
        await bulk.add_to_batch(6)


async def test_a_coroutine_runs_on_the_loop_it_was_used_on() -> None:
    loops = []

    async def process(items: list[int]) -> None:
        loops.append(asyncio.get_running_loop())

    async with make(process) as bulk:
        await bulk.add_to_batch(1)
    assert loops == [asyncio.get_running_loop()]


async def test_batches_come_one_at_a_time_and_in_order() -> None:
    running, most, seen = 0, 0, []

    async def process(items: list[int]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        seen.extend(items)
        running -= 1

    async with make(process, 3, max_pending=1000) as bulk:
        await asyncio.gather(*(bulk.add_to_batch(number) for number in range(50)))
    assert (seen, most) == (list(range(50)), 1)


@pytest.mark.parametrize("wrap", [lambda store: store, as_coroutine])
def test_it_works_in_several_loops_one_after_another(wrap: Callable[[Store], Any]) -> None:
    store = Store()
    bulk = make(wrap(store), 3)

    async def add(first: int) -> None:
        for number in range(first, first + 4):
            await bulk.add_to_batch(number)

    for first in (0, 4, 8):
        asyncio.run(add(first))
    bulk.close()
    assert sorted(store.items) == list(range(12))


def test_a_coroutine_needs_no_loop_of_the_caller() -> None:
    store = Store()
    with make(as_coroutine(store)) as bulk:
        bulk.add(1)
    assert store.items == [1]


def test_threads_add_and_flush() -> None:
    store = Store()
    bulk = make(store, 7, max_pending=14)
    threads = [threading.Thread(target=add_all, args=(bulk, 50)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bulk.flush()
    assert sorted(store.items) == sorted([*range(50)] * 4)
    bulk.close()
    assert bulk.metrics.snapshot().processed == 200


def test_nothing_is_lost_when_the_process_ends_without_closing() -> None:
    script = """
from xerpium_sdk.events import BulkProcessingPattern
bulk = BulkProcessingPattern(10, 60, lambda items: print(items, flush=True))
bulk.add(1)
bulk.add(2)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20)
    assert (done.stdout, done.stderr) == ("[1, 2]\n", "")


# --- what fails


@given(
    bad=st.sets(st.integers(0, 29)),
    size=st.integers(1, 30),
    number=st.integers(0, 30),
    attempts=st.integers(1, 3),
    coroutine=st.booleans(),
)
def test_what_fails_is_found_and_the_rest_processed_once(
    bad: set[int], size: int, number: int, attempts: int, coroutine: bool
) -> None:
    store, failed = Store(bad), []
    processor = as_coroutine(store) if coroutine else store
    bulk = make(processor, size, attempts=attempts, on_failed=lambda item, error: failed.append((item, str(error))))
    for item in range(number):
        bulk.add(item)
    bulk.close()
    items = range(number)
    assert store.items == [item for item in items if item not in bad]
    assert failed == [(item, f"no room for {item}") for item in items if item in bad]
    assert all(store.calls.count([item]) >= attempts for item in bad if item < number)
    counts = bulk.metrics.snapshot()
    assert (counts.added, counts.processed, counts.failed) == (number, len(store.items), len(failed))
    assert (counts.pending, counts.retried) == (0, (attempts - 1) * len(failed))


async def test_failures_nobody_was_told_of_are_raised_with_their_items() -> None:
    store = Store({2, 5})
    bulk = make(store, 4)
    for number in range(8):
        await bulk.add_to_batch(number)
    with pytest.raises(BatchFailed) as caught:
        await bulk.process_batch()
    assert caught.value.items == [2, 5]
    assert [str(error) for _, error in caught.value.failures] == ["no room for 2", "no room for 5"]
    assert [type(error) for error in caught.value.exceptions] == [LookupError, LookupError]
    assert store.items == [0, 1, 3, 4, 6, 7]
    await bulk.aclose()  # told once


async def test_they_can_be_caught_by_kind() -> None:
    bulk = make(Store({1}))
    await bulk.add_to_batch(1)
    found = []
    try:
        await bulk.aclose()
    except* LookupError as group:
        found = list(group.exceptions)
    assert len(found) == 1


async def test_an_item_that_recovers_is_no_failure() -> None:
    store = Store({1})

    def process(items: list[int]) -> None:
        try:
            store(items)
        finally:
            store.bad.clear()

    async with make(process) as bulk:
        await bulk.add_to_batch(1)
    assert store.items == [1]
    assert bulk.metrics.snapshot().retried == 1


async def test_on_failed_may_be_a_coroutine_and_what_it_refuses_is_raised() -> None:
    told = []

    async def on_failed(item: int, error: Exception) -> None:
        told.append(item)
        if item == 2:
            raise OSError("no disk")

    bulk = make(Store({1, 2}), on_failed=on_failed)
    for number in range(4):
        await bulk.add_to_batch(number)
    with pytest.raises(BatchFailed) as caught:
        await bulk.aclose()
    assert (told, caught.value.items) == ([1, 2], [2])
    assert "no disk" in caught.value.exceptions[0].__notes__[0]


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_a_processor_that_would_end_the_thread_fails_like_others(error: BaseException) -> None:
    def process(items: list[int]) -> None:
        raise error

    bulk = make(process)
    await bulk.add_to_batch(1)
    with pytest.raises(BatchFailed, match="1 item could") as caught:
        await bulk.aclose()
    assert caught.value.exceptions[0].__cause__ is error


async def test_adding_stops_when_as_many_failed_as_may_wait() -> None:
    bulk = make(Store(set(range(100))), 2, max_pending=4)

    async def add_many() -> None:
        for number in range(100):
            await bulk.add_to_batch(number)

    with pytest.raises(BatchFailed) as caught:
        await add_many()
    assert 4 <= len(caught.value.items) <= 8
    with pytest.raises(BatchFailed):
        await bulk.aclose()


def test_a_loop_that_ends_meanwhile_loses_nothing() -> None:
    began, store = threading.Event(), Store()

    async def process(items: list[int]) -> None:
        if not began.is_set():
            began.set()
            await asyncio.sleep(30)
        store(items)

    bulk = make(process, 2)

    async def use() -> None:
        await bulk.add_to_batch(1)
        await bulk.add_to_batch(2)
        await asyncio.to_thread(began.wait, 5)

    asyncio.run(use())
    bulk.close()
    assert store.items == [1, 2]


# --- backpressure


async def test_adding_waits_while_the_processor_is_slow() -> None:
    store = Store()
    store.gate.clear()
    bulk = make(store, 2, max_pending=4)
    adding = [asyncio.create_task(bulk.add_to_batch(number)) for number in range(10)]
    await wait_until_async(lambda: on_loop(bool(store.calls)), description="the first batch to be begun")
    await asyncio.sleep(0)
    assert bulk.metrics.snapshot().added == 4
    adding[5].cancel()
    store.gate.set()
    await asyncio.gather(*adding, return_exceptions=True)
    await bulk.aclose()
    assert store.items == [0, 1, 2, 3, 4, 6, 7, 8, 9]


async def on_loop(value: bool) -> bool:
    return value


def test_adding_in_threads_waits_too() -> None:
    store = Store()
    store.gate.clear()
    bulk = make(store, 2, max_pending=4)
    thread = threading.Thread(target=add_all, args=(bulk, 10))
    thread.start()
    wait_until(lambda: bulk.metrics.snapshot().added == 4 and store.calls, description="the pattern to be full")
    assert thread.is_alive()
    store.gate.set()
    thread.join(5)
    bulk.close()
    assert store.items == list(range(10))


def test_a_processor_may_add_but_not_wait_for_itself() -> None:
    refused: list[str] = []

    def process(items: list[int]) -> None:
        if items == [1, 2]:
            for number in (3, 4, 5):
                bulk.add(number)
            try:
                bulk.flush()
            except RuntimeError as error:
                refused.append(str(error))
        seen.extend(items)

    seen: list[int] = []
    bulk = make(process, 2, max_pending=2)
    bulk.add(1)
    bulk.add(2)
    wait_until(lambda: 2 in seen, description="the first batch")
    bulk.close()
    assert seen == [1, 2, 3, 4, 5]
    assert refused == ["A processor cannot wait for its own batch."]


# --- mistakes


def test_a_missing_processor_is_named() -> None:
    with pytest.raises(ValueError, match="processor"):
        BulkProcessingPattern(10, 5)


@pytest.mark.parametrize("options", [{"size": 0}, {"seconds": -1}, {"attempts": 0}, {"max_pending": 3}])
def test_numbers_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        make(Store(), **options)


async def test_what_blocks_is_refused_on_a_loop() -> None:
    bulk = make(Store())
    calls: list[Callable[[], None]] = [lambda: bulk.add(1), bulk.flush, bulk.close]
    for call in calls:
        with pytest.raises(RuntimeError, match="await"):
            call()
