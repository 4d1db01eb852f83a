"""The REST API with everything behind it: published, journalled, given up, found, sent again to one group."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from apps.core import redis
from apps.events.consuming import make_consumer
from apps.events.discovery import discover_subscriptions
from apps.events.relay import Relay
from tests.events.conftest import running
from tests.support.api import Api
from tests.support.wait import wait_until
from xerpium_sdk.events import EventConsumer
from xerpium_sdk.wire.envelope import Envelope

PRODUCT = {
    "event_type": "product_updated",
    "service_name": "product-service",
    "entity_type": "Product",
    "entity_id": 42,
    "data": {"name": "Tisch"},
}


class Handled:
    """What a service's group has handled; it fails as long as it is ``broken``."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.ids: list[str] = []

    def __call__(self, event: Envelope) -> None:
        if self.broken:
            raise ValueError("no shelf")
        self.ids.append(event.event_id)


@pytest.fixture
def bus(api: Api, make_relay: Callable[[], Relay]) -> Iterator[Callable[[str, Handled], None]]:
    """The hub's journal, its dead letters and its relay at work; a function that starts a group of a service."""
    with ExitStack() as stack:
        stack.enter_context(running(make_relay()))

        def start(consumer: EventConsumer) -> None:
            consumer.start()
            stack.callback(consumer.close)
            stack.callback(consumer.stop)

        for group in ("hub-journal", "hub-dead"):
            start(make_consumer(discover_subscriptions()[group], redis.blocking_client(), workers=1))

        def join(service: str, handler: Handled) -> None:
            consumer = EventConsumer(
                service, client=redis.blocking_client(), max_attempts=2, retry_seconds=(0.01, 0.02)
            )
            consumer.register_handler("product_updated", handler)
            start(consumer)

        yield join


def journalled(event_id: str) -> Any:
    return Api().get(f"/events?event_id={event_id}").json()["results"]


def waiting() -> Any:
    return Api().get("/events/dead-letters?state=waiting").json()["results"]


def test_what_is_published_is_in_the_journal_within_two_seconds(bus: Any, api: Api) -> None:
    first = api.post("/events", PRODUCT).json()["event_id"]
    wait_until(lambda: journalled(first), timeout=10, description="the journal to be at work")
    published = api.post("/events", [PRODUCT | {"company_id": 7}, PRODUCT]).json()["results"]
    for one in published:
        [shown] = wait_until(partial(journalled, one["event_id"]), timeout=2, description="the journal")
        assert (shown["stream_id"], shown["entity_id"], shown["data"]) == (one["stream_id"], 42, {"name": "Tisch"})
        assert shown["verdict"] == "unverified"


def test_a_replay_reaches_only_the_group_that_gave_up(bus: Any, api: Api) -> None:
    stock, mail = Handled(broken=True), Handled()
    bus("stock", stock)
    bus("mail", mail)
    event_id = api.post("/events", PRODUCT).json()["event_id"]
    [letter] = wait_until(waiting, timeout=10, description="the dead letter")
    assert (letter["group"], letter["event_id"], letter["attempts"]) == ("stock-group", event_id, 2)
    assert "no shelf" in letter["error"]
    wait_until(lambda: mail.ids == [event_id], description="the other group")

    again = api.post(f"/events/dead-letters/{letter['id']}/replay").json()
    assert again["state"] == "replayed"
    [second] = wait_until(waiting, timeout=10, description="the replay to fail")
    assert (second["replay_of"], second["event_id"], second["stream"]) == (letter["id"], event_id, letter["stream"])
    replays = api.get(f"/events/dead-letters/{letter['id']}").json()["replays"]
    assert [(one["id"], one["state"]) for one in replays] == [(second["id"], "waiting")]

    stock.broken = False
    assert api.post("/events/dead-letters/replay", {"group": "stock-group"}).json()["replayed"] == 1
    wait_until(lambda: stock.ids == [event_id], description="the replay to be handled")
    assert api.post("/events", PRODUCT | {"entity_id": 43}).status_code == 201
    wait_until(lambda: len(stock.ids) == len(mail.ids) == 2, description="what comes next")
    assert waiting() == []
    assert len(journalled(event_id)) == 1


def test_groups_and_streams_are_told_live(bus: Any, api: Api) -> None:
    handled = Handled()
    bus("stock", handled)
    api.post("/events", PRODUCT)
    wait_until(lambda: handled.ids, description="the event to be handled")

    def quiet() -> Any:
        found = api.get("/events/groups?stream=xerpium:events&group=stock-group").json()["results"]
        return found if found and found[0]["pending"] == 0 and found[0]["consumers"][0]["handled"] else None

    [group] = wait_until(quiet, description="the group to have told of itself")
    assert (group["lag"], group["own"], group["live"]) == (0, False, True)
    [consumer] = group["consumers"]
    assert (consumer["alive"], consumer["active"], consumer["handled"]) == (True, True, 1)
    groups = {one["group"] for one in api.get("/events/groups").json()["results"]}
    assert {"hub-journal", "stock-group"} <= groups
    answer = api.get("/events/streams")
    assert "ETag" not in answer.headers
    [stream] = [one for one in answer.json()["results"] if one["stream"] == "xerpium:events"]
    assert (stream["length"], stream["live"]) == (1, True)
