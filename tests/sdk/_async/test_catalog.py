"""The live catalogue against a small hub's stream."""

import logging
from math import inf
from time import monotonic

import pytest

from tests.sdk._tasks import wait_until
from tests.sdk.hub import Hub, change, instance, service, snapshot
from xerpium_sdk.registry import (
    AsyncCatalog,
    AsyncHubClient,
    Backoff,
    NoInstance,
    ServiceRecord,
    Status,
    VersionRangeError,
)

pytestmark = pytest.mark.anyio
SOON = Backoff(base=0.01, cap=0.02)
LEFT = service("product-service", 3, [], status="deregistered")


async def test_a_catalogue_is_ready_when_its_block_begins_and_follows(hub: Hub) -> None:
    hub.opening = [snapshot(1, service("product-service"))]
    async with AsyncCatalog(hub.url) as catalog:
        assert catalog.ready
        assert catalog.choose("product-service").url == "http://10.0.3.17:8101/api/v1"
        assert catalog.revision == 1
        hub.say(change(service("order-service", 2)))
        await wait_until(lambda: catalog.get("order-service"), description="the change")
        assert [record.name for record in catalog.services] == ["order-service", "product-service"]
        hub.say(change(LEFT))
        await wait_until(lambda: catalog.revision == 3, description="the departure")
        assert catalog.get("product-service") is None
    await wait_until(lambda: hub.streams == 0, description="the connection is closed")


async def test_waiting_for_a_service(hub: Hub) -> None:
    async with AsyncCatalog(hub.url) as catalog:
        with pytest.raises(NoInstance, match="does not know a service of that name"):
            await catalog.wait_for("order-service", 0.01)
        hub.say(change(service("order-service", 2, [instance(status="unhealthy")])))
        hub.say(change(service("order-service", 3)))
        endpoint = await catalog.wait_for("order-service", 5, version="^1.0")
        assert endpoint.instance.instance_id == "a"
        with pytest.raises(VersionRangeError):
            await catalog.wait_for("order-service", 5, version="one")


async def test_a_service_starts_without_the_hub_and_its_catalogue_fills_later(hub: Hub) -> None:
    hub.opening = [snapshot(1, service("product-service"))]
    hub.stop()
    async with AsyncCatalog(hub.url, ready_timeout=0.05, backoff=SOON) as catalog:
        assert (catalog.ready, catalog.revision, catalog.age) == (False, 0, inf)
        with pytest.raises(NoInstance, match="not been loaded yet"):
            catalog.choose("product-service")
        hub.start()
        assert await catalog.wait_ready(5)
        assert catalog.choose("product-service")
        assert catalog.age < 5


async def test_the_last_known_state_answers_while_the_hub_is_away_and_the_stream_goes_on_where_it_was(
    hub: Hub,
) -> None:
    hub.opening = [snapshot(7, service("product-service", 7))]
    async with AsyncCatalog(hub.url, backoff=SOON) as catalog:
        with hub.away():
            hub.opening = [change(service("order-service", 8))]
            before = catalog.age
            await wait_until(lambda: catalog.age > before + 0.05, description="the catalogue grows old")
            assert catalog.choose("product-service")
        await wait_until(lambda: catalog.get("order-service"), description="what was missed")
        assert catalog.get("product-service")
    first, *_, last = hub.requests("GET", "catalog/stream")
    assert "last-event-id" not in first.headers
    assert last.headers["last-event-id"] == "7"


async def test_a_message_that_cannot_be_read_asks_for_a_snapshot_and_loses_nothing_meanwhile(hub: Hub) -> None:
    hub.opening = [snapshot(7, service("product-service", 7))]
    async with AsyncCatalog(hub.url, backoff=SOON) as catalog:
        hub.opening = [b"event: snapshot\nid: 8\ndata: {}\n\n"]
        hub.say(b"event: change\nid: 8\ndata: {\n\n")
        await wait_until(lambda: len(hub.requests("GET", "catalog/stream")) >= 3, description="several new connections")
        assert catalog.choose("product-service")
        hub.opening = [snapshot(9)]
        await wait_until(lambda: catalog.revision == 9, description="an honest empty snapshot")
        assert catalog.services == []
    assert all("last-event-id" not in call.headers for call in hub.requests("GET", "catalog/stream"))


async def test_a_stream_cut_in_the_middle_of_a_message_changes_nothing(hub: Hub) -> None:
    hub.opening = [snapshot(7, service("product-service", 7))]
    async with AsyncCatalog(hub.url, backoff=SOON) as catalog:
        hub.opening = [b": keep-alive\n\n"]
        hub.say(snapshot(8)[:-1], None)
        await wait_until(lambda: len(hub.requests("GET", "catalog/stream")) == 2, description="a new connection")
        assert catalog.revision == 7
        assert catalog.choose("product-service")


async def test_a_hub_that_falls_silent_is_asked_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xerpium_sdk.registry._async.client.STREAM_SILENCE_SECONDS", 0.05)
    hub.opening = [snapshot(7, service("product-service", 7))]
    async with AsyncCatalog(hub.url, backoff=SOON) as catalog:
        await wait_until(lambda: len(hub.requests("GET", "catalog/stream")) >= 3, description="two new connections")
        assert catalog.choose("product-service")
    assert hub.requests("GET", "catalog/stream")[1].headers["last-event-id"] == "7"


async def test_callbacks_hear_of_changes_and_cannot_break_the_catalogue(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[ServiceRecord] = []

    def broken(record: ServiceRecord) -> None:
        raise RuntimeError("a defect")

    hub.opening = [snapshot(1, service("product-service"))]
    async with AsyncCatalog(hub.url) as catalog:
        catalog.on_change(broken)
        end = catalog.on_change(heard.append)
        hub.say(change(service("order-service", 2)), change(LEFT))
        await wait_until(lambda: len(heard) == 2, description="two changes")
        end()
        end()
        hub.say(change(service("order-service", 4)))
        await wait_until(lambda: catalog.revision == 4, description="a third change")
    assert [(record.name, record.status) for record in heard] == [
        ("order-service", Status.HEALTHY),
        ("product-service", Status.DEREGISTERED),
    ]
    assert caplog.text.count("RuntimeError: a defect") == 3


async def test_what_is_no_stream_is_not_followed(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "xerpium_sdk.registry")
    async with (
        AsyncHubClient(f"{hub.url}/elsewhere") as client,
        AsyncCatalog(client, ready_timeout=0.05, backoff=SOON) as catalog,
    ):
        assert not catalog.ready
    assert "404" in caplog.text


async def test_a_catalogue_can_be_entered_again(hub: Hub) -> None:
    catalog = AsyncCatalog(hub.url)
    for _ in range(2):
        async with catalog:
            await wait_until(lambda: hub.streams == 1, description="a stream")
            assert catalog.ready
        await wait_until(lambda: hub.streams == 0, description="no stream")


async def test_leaving_does_not_wait_for_the_hub_to_say_something(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    catalog = AsyncCatalog(hub.url)
    async with catalog:
        await wait_until(lambda: hub.streams == 1, description="a stream that says nothing more")
        began = monotonic()
    assert monotonic() - began < 5
    ours = [record for record in caplog.records if record.name.startswith("xerpium_sdk")]
    assert ours == [], "that the connection ends is no trouble"


async def test_the_zone_of_the_catalogue_is_preferred(hub: Hub) -> None:
    near, far = instance("near", weight=1, zone="eu-1"), instance("far", weight=1000)
    hub.opening = [snapshot(1, service("product-service", 1, [near, far]))]
    async with AsyncCatalog(hub.url, zone="eu-1") as catalog:
        assert {catalog.choose("product-service").instance.instance_id for _ in range(20)} == {"near"}
