"""What an event came from, and what a consumer says of itself."""

import asyncio
import random
from typing import Any

import pytest

from tests.sdk.events.conftest import publish, settle
from xerpium_sdk.events import Envelope
from xerpium_sdk.events.metrics import Durations
from xerpium_sdk.trace import TraceParent, correlated, current_correlation_id, current_event, current_traceparent

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_handlers_know_what_they_handle(bus: Any, make_consumer: Any, kind: str) -> None:
    seen: dict[int, tuple[str | None, str | None, str | None]] = {}

    def look(event: Envelope) -> None:
        assert current_event() is event
        seen[event.data["number"]] = (event.event_id, current_correlation_id(), current_traceparent())

    async def look_async(event: Envelope) -> None:
        await asyncio.sleep(0)
        look(event)

    consumer = make_consumer(look if kind == "sync" else look_async)
    publish(bus, 1, correlation_id="order-5")
    publish(bus, 2)
    publish(bus, 3, correlation_id=PARENT)
    settle(consumer, bus)
    assert seen[1][1:] == ("order-5", None)
    assert seen[2][1:] == (seen[2][0], None)
    _, correlation, parent = seen[3]
    assert correlation == parent
    continued = TraceParent.parse(correlation)
    assert continued is not None
    assert (continued.trace_id, continued.flags) == (PARENT[3:35], "01")
    assert continued.span_id not in (PARENT[36:52], "0" * 16)
    assert current_correlation_id() is None


def test_a_correlation_can_be_given() -> None:
    with correlated("mine"):
        assert current_correlation_id() == "mine"
        with correlated(None):
            assert current_correlation_id() is None
    assert current_correlation_id() is None


@pytest.mark.parametrize(
    "text", [None, "", "order-5", PARENT[:-1], PARENT.upper(), "ff" + PARENT[2:], f"00-{'0' * 32}-{PARENT[36:]}"]
)
def test_what_is_no_traceparent_continues_nothing(text: str | None) -> None:
    assert TraceParent.parse(text) is None


def test_a_trace_can_be_begun() -> None:
    begun = TraceParent.begin()
    assert TraceParent.parse(str(begun)) == begun
    assert begun.step("event") == begun.step("event") != begun.step("other")


def test_quantiles_are_right_within_a_fifth() -> None:
    chance = random.Random(5)
    times = [chance.lognormvariate(-5, 2) for _ in range(10_000)]
    durations = Durations()
    durations.add(times)
    for share in (0.5, 0.9, 0.99):
        exact = sorted(times)[int(share * len(times)) - 1]
        assert exact <= durations.quantile(share) <= exact * 1.2
    assert durations.total == pytest.approx(sum(times))
    assert Durations().quantile(0.5) == 0
