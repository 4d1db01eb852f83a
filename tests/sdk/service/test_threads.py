"""A service without an event loop of its own: started and stopped by a program of threads."""

import threading
from time import monotonic

import pytest

from tests.sdk.hub import service, snapshot
from tests.sdk.service.conftest import Maker, Remains
from tests.sdk.ui.hub import UIHub
from tests.support.freezing import FreezingProxy
from tests.support.wait import wait_until
from xerpium_sdk.service import XerpiumService
from xerpium_sdk.wire.envelope import EventPayload, EventType


def test_everything_runs_and_nothing_is_left_as_often_as_it_is_started(hub: UIHub, make: Maker) -> None:
    made, heard = make(), list[str]()

    @made.on(EventType.PRODUCT_CREATED)
    def hear(event: EventPayload) -> None:
        heard.append(threading.current_thread().name)

    @made.on(EventType.PRODUCT_DELETED)
    async def hear_on_its_loop(event: EventPayload) -> None:
        heard.append(threading.current_thread().name)

    made.menu("Sales", "/sales")
    hub.opening = [snapshot(1, service("stock"))]
    for _ in range(2):
        remains = Remains()
        made.start()
        assert made.services_sync.get_service("stock") is not None
        made.publisher_sync.publish_event(EventType.PRODUCT_CREATED, "Product", 1)
        made.publisher_sync.publish_event(EventType.PRODUCT_DELETED, "Product", 2)
        wait_until(lambda: len(heard) == 2, description="both events")
        wait_until(lambda: made.state.manifest == "applied", description="the manifest")
        assert made.health.check_health_sync()["checks"]["hub"]["status"] == "healthy"
        assert sum(name == "xerpium shop" for name in heard) == 1
        assert made.stop() is True
        wait_until(lambda: remains() == [], description="the last thread")  # noqa: B023
        assert hub.known == {}
        heard.clear()
    assert made.stop() is True


def test_a_start_that_is_refused_leaves_nothing(make: Maker) -> None:
    made, remains = make(hub_url="nowhere"), Remains()
    with pytest.raises(ValueError, match="not the address of a hub"):
        made.start()
    wait_until(lambda: remains() == [], description="the last thread")
    assert made.running is False


def test_it_is_not_started_twice_and_not_stopped_by_itself(make: Maker) -> None:
    made, refused = make(join=False, follow=False), list[str]()

    @made.on(EventType.PRODUCT_CREATED)
    async def stop(event: EventPayload) -> None:
        try:
            made.stop()
        except RuntimeError as error:
            refused.append(str(error))

    made.start()
    with pytest.raises(RuntimeError, match="runs already"):
        made.start()
    made.publisher_sync.publish_event(EventType.PRODUCT_CREATED, "Product", 1)
    wait_until(lambda: refused, description="the refusal")
    assert made.running is True
    assert made.stop() is True


@pytest.mark.parametrize("hangs", ["at the start", "at the end"])
def test_its_end_comes_in_time_whoever_hangs(
    hangs: str, make: Maker, hub_way: FreezingProxy, redis_way: FreezingProxy
) -> None:
    made = make(hub_url=hub_way.url, redis_url=redis_way.url)
    made.on(EventType.PRODUCT_CREATED)(lambda event: None)
    remains = Remains()
    if hangs == "at the start":
        hub_way.freeze()
        redis_way.freeze()
    made.start()
    if hangs == "at the end":
        wait_until(lambda: made.state.joined and made.state.consuming, description="all to work")
        hub_way.freeze()
        redis_way.freeze()
    began = monotonic()
    assert made.stop(timeout=2) is True
    assert monotonic() - began < 2.1
    wait_until(lambda: remains() == [], description="the last thread")


def test_a_handler_that_hangs_in_its_thread_does_not_keep_it_from_ending(make: Maker) -> None:
    made, began, gate = make(join=False, follow=False), threading.Event(), threading.Event()

    @made.on(EventType.PRODUCT_CREATED)
    def hang(event: EventPayload) -> None:
        began.set()
        gate.wait(30)

    remains = Remains()
    made.start()
    made.publisher_sync.publish_event(EventType.PRODUCT_CREATED, "Product", 1)
    assert began.wait(10)
    started = monotonic()
    assert made.stop(timeout=1.5) is True
    assert monotonic() - started < 1.6
    assert len(remains()) == 1
    gate.set()
    wait_until(lambda: remains() == [], description="the handler to return")


def test_two_services_live_in_one_process(hub: UIHub, make: Maker) -> None:
    pair: list[XerpiumService] = [make("shop"), make("bank", port=8102)]
    for made in pair:
        made.start()
    wait_until(lambda: len(hub.known) == 2, description="both to join")
    assert pair[0].stop() is True
    assert {name for name, _ in hub.known} == {"bank"}
    assert pair[1].stop() is True
