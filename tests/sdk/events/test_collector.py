"""The garbage collector while a program does nothing but consume."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sdk.events.conftest import publish
from xerpium_sdk.events import Envelope, EventConsumer
from xerpium_sdk.events.collector import THRESHOLD, rare_collections


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    """Begin with Python's thresholds, and leave them as they were."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_it_runs_more_seldom_within_the_block_and_as_before_after_it() -> None:
    with rare_collections():
        assert gc.get_threshold() == (THRESHOLD, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [(0, 10, 10), (THRESHOLD, 5, 5), (100_000, 50, 50)])
def test_what_a_program_has_chosen_stays(chosen: tuple[int, int, int]) -> None:
    gc.set_threshold(*chosen)
    with rare_collections():
        assert gc.get_threshold() == chosen
    assert gc.get_threshold() == chosen


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with rare_collections():
            assert gc.get_threshold() == (700, 10, 10)
            assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_consumer_that_has_the_program_for_itself_lets_it_run_seldom(
    bus: Any, make_consumer: Callable[..., EventConsumer]
) -> None:
    seen = []

    def handle(event: Envelope) -> None:
        seen.append(gc.get_threshold()[0])
        consumer.stop()

    consumer = make_consumer(handle)
    publish(bus, 1)
    consumer.run()
    assert seen == [THRESHOLD]
    assert gc.get_threshold() == (700, 10, 10)
