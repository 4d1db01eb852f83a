"""Publishing on a real Redis, with connections that break in the midst of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from redis import Redis

from tests.sdk._tasks import gather
from tests.support.cutting import clients_of_our_database, cut_connections
from tests.support.engines import started
from tests.support.tampering import LOSE_ANSWER, LOSE_REQUEST, STAY_SILENT, TamperingProxy
from xerpium_sdk.events import AsyncEventPublisher, Envelope, EventType, InvalidEvent, PublishFailed
from xerpium_sdk.trace import correlated
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM

pytestmark = pytest.mark.anyio


@pytest.fixture
def proxy() -> Iterator[TamperingProxy]:
    """A proxy before the tests' Redis."""
    with TamperingProxy(settings.REDIS_URL) as proxy:
        yield proxy


def event(number: int = 0, event_type: str = "order_created", **changes: Any) -> Envelope:
    return Envelope.create(event_type, "Order", number, data={"number": number}, service_name="orders", **changes)


def written(client: Redis, stream: str = STREAM_EVENTS) -> list[Envelope]:
    """Return what is in a stream."""
    entries: Any = client.xrange(stream)
    return [Envelope.decode(fields, text_ids=True) for _, fields in entries]


def ids(client: Redis) -> list[str]:
    return [one.event_id for one in written(client)]


async def test_an_event_arrives_with_all_that_was_said(redis_server: Redis) -> None:
    async with AsyncEventPublisher("order-service") as publisher:
        event_id = await publisher.publish_event(
            EventType.ORDER_CREATED, "Order", 17, 7, 0, {"total": "12.50", "discount": 0, "note": None}, "import-1"
        )
    (got,) = written(redis_server)
    assert got == Envelope(
        *(event_id, EventType.ORDER_CREATED, "order-service", "Order", 17, 7, 0),
        timestamp=got.timestamp,
        data={"total": "12.50", "discount": 0, "note": None},
        correlation_id="import-1",
    )
    assert got.timestamp.endswith("Z")
    assert abs((datetime.now(UTC) - got.occurred_at).total_seconds()) < 5


async def test_id_and_time_may_be_given(redis_server: Redis) -> None:
    event_id = uuid4()
    async with AsyncEventPublisher("orders") as publisher:
        said = await publisher.publish_event(
            "order_created", "Order", event_id=event_id, timestamp="2026-11-22T20:15:30.125000"
        )
    (got,) = written(redis_server)
    assert (said, got.event_id, got.timestamp) == (str(event_id), str(event_id), "2026-11-22T20:15:30.125000")


async def test_types_go_where_who_can_read_them_reads(redis_server: Redis) -> None:
    parcel = uuid4()
    async with AsyncEventPublisher("shipping") as publisher:
        await publisher.publish_event("order_shipped", "Order", 1)
        await publisher.publish_event("parcel_scanned", "Parcel", parcel, user_id="scanner-3")
        await publisher.publish_many([event(2), event(3, "parcel_weighed"), event(4)])
    assert [one.entity_id for one in written(redis_server)] == [1, 2, 4]
    assert [(one.event_type, one.entity_id, one.user_id) for one in written(redis_server, STREAM_EVENTS_CUSTOM)] == [
        ("parcel_scanned", str(parcel), "scanner-3"),
        ("parcel_weighed", 3, None),
    ]


async def test_many_keep_their_order(redis_server: Redis) -> None:
    events = [event(number) for number in range(1234)]
    async with AsyncEventPublisher("orders") as publisher:
        assert await publisher.publish_many(iter(events)) == [one.event_id for one in events]
        assert await publisher.publish_many([]) == []
    assert written(redis_server) == events


async def test_streams_are_cut_at_the_hard_cap_only(redis_server: Redis) -> None:
    async with AsyncEventPublisher("orders", max_length=500) as publisher:
        await publisher.publish_many([event(number) for number in range(2000)])
        await publisher.publish_event("order_created", "Order", 1)
    assert 500 <= redis_server.xlen(STREAM_EVENTS) < 800


async def test_a_business_object_tells_of_itself(redis_server: Redis) -> None:
    class Product(SimpleNamespace):
        def __str__(self) -> str:
            return "Oak desk"

    desk = Product(id=4711, company_id=7, name="Oak desk", code="", price=3)
    async with AsyncEventPublisher("products") as publisher:
        await publisher.publish_business_event(EventType.PRODUCT_CREATED, desk)
        await publisher.publish_business_event(
            EventType.PRODUCT_UPDATED, desk, "updated", ["code"], user_id=5, correlation_id="c"
        )
        await publisher.publish_business_event(EventType.PRODUCT_DELETED, object())
    created, updated, bare = written(redis_server)
    assert (created.entity_type, created.entity_id, created.company_id) == ("Product", 4711, 7)
    assert created.data == {"action": "created", "entity_name": "Oak desk", "name": "Oak desk", "code": ""}
    assert (updated.data["action"], updated.data["changed_fields"]) == ("updated", ["code"])
    assert (updated.user_id, updated.correlation_id) == (5, "c")
    assert (bare.entity_type, bare.entity_id, bare.company_id) == ("object", None, None)


async def test_what_is_published_in_a_handler_is_correlated(redis_server: Redis) -> None:
    async with AsyncEventPublisher("orders") as publisher:
        with correlated("import-7"):
            await publisher.publish_event("order_created", "Order", 1)
            await publisher.publish_event("order_created", "Order", 2, correlation_id="own")
            await publisher.publish_many([event(3), event(4, correlation_id="own")])
        await publisher.publish_event("order_created", "Order", 5)
    assert [one.correlation_id for one in written(redis_server)] == ["import-7", "own", "import-7", "own", None]


async def test_faults_are_told_all_at_once_and_nothing_is_sent(redis_server: Redis) -> None:
    bad = event(1, data_of := "Order Created", company_id="acme")  # type: ignore[arg-type]  # that is the fault
    async with AsyncEventPublisher("orders") as publisher:
        with pytest.raises(InvalidEvent) as caught:
            await publisher.publish_event(
                "order_created", "Order", "abc", True, 2**63, {"lines": [{"price": float("nan")}]}, timestamp="noon"
            )
        assert [fault.path for fault in caught.value.faults] == [
            *("timestamp", "entity_id", "user_id", "company_id", "data.lines[0].price")
        ]
        with pytest.raises(InvalidEvent) as caught:
            await publisher.publish_many([event(0), bad, event(2)])
        assert [fault.path for fault in caught.value.faults] == ["events[1].event_type", "events[1].company_id"]
        assert data_of in str(caught.value)
        with pytest.raises(ValueError, match="most that go as one"):
            await publisher.publish_many([event()] * 10_001)
    assert redis_server.dbsize() == 0


async def test_a_connection_cut_before_redis_heard_costs_nothing(proxy: TamperingProxy, redis_server: Redis) -> None:
    async with AsyncEventPublisher("orders", redis_url=proxy.url) as publisher:
        proxy.plan.extend([LOSE_REQUEST, LOSE_REQUEST])
        first = await publisher.publish_event("order_created", "Order", 1)
        second = await publisher.publish_event("order_created", "Order", 2)
    assert ids(redis_server) == [first, second]
    assert proxy.publishes == 4


async def test_a_lost_answer_leaves_the_same_event_twice(proxy: TamperingProxy, redis_server: Redis) -> None:
    async with AsyncEventPublisher("orders", redis_url=proxy.url) as publisher:
        proxy.plan.append(LOSE_ANSWER)
        event_id = await publisher.publish_event("order_created", "Order", 1)
        assert ids(redis_server) == [event_id, event_id]
        proxy.plan.append(LOSE_ANSWER)
        many = [event(number) for number in range(50)]
        sent = await publisher.publish_many(many)
    assert ids(redis_server)[2:] == sent + sent
    assert written(redis_server)[0] == written(redis_server)[1]


async def test_killed_connections_lose_nothing(redis_server: Redis) -> None:
    sent = []
    async with AsyncEventPublisher("orders") as publisher:
        for number in range(60):
            sent.append(await publisher.publish_event("order_created", "Order", number))
            if number % 10 == 5:
                cut_connections(redis_server)
    assert ids(redis_server) == sent


async def test_who_gives_up_says_what_is_known(proxy: TamperingProxy, redis_server: Redis) -> None:
    async with AsyncEventPublisher("orders", redis_url=proxy.url, attempts=2) as publisher:
        proxy.plan.extend([LOSE_ANSWER, LOSE_REQUEST])
        with pytest.raises(PublishFailed, match="may have been written") as caught:
            await publisher.publish_event("order_created", "Order", 1)
        assert caught.value.may_be_written
        assert ids(redis_server) == list(caught.value.event_ids)
        again = await publisher.publish_event("order_created", "Order", 1, event_id=caught.value.event_ids[0])
    assert ids(redis_server) == [again, again]


async def test_an_answer_that_does_not_come_in_time_counts_as_lost(proxy: TamperingProxy, redis_server: Redis) -> None:
    async with AsyncEventPublisher("orders", redis_url=proxy.url, timeout=0.2) as publisher:
        proxy.plan.append(STAY_SILENT)
        event_id = await publisher.publish_event("order_created", "Order", 1)
        proxy.plan.extend([STAY_SILENT] * 20)
        late = AsyncEventPublisher("orders", redis_url=proxy.url, timeout=0.1, deadline=0.4)
        with pytest.raises(PublishFailed, match=r"no answer|Timeout"):
            await late.publish_event("order_created", "Order", 2)
        await late.aclose()
    assert ids(redis_server) == [event_id]


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "still loading"),
        (b"-READONLY You can't write against a read only replica.\r\n", "is a replica"),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", "refused"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "refused"),
    ],
)
async def test_what_passes_is_waited_for(
    answer: bytes, meaning: str, proxy: TamperingProxy, redis_server: Redis
) -> None:
    async with AsyncEventPublisher("orders", redis_url=proxy.url, attempts=3) as publisher:
        proxy.plan.extend([answer, answer])
        event_id = await publisher.publish_event("order_created", "Order", 1)
        assert ids(redis_server) == [event_id]
        proxy.plan.extend([answer] * 3)
        with pytest.raises(PublishFailed, match=meaning) as caught:
            await publisher.publish_event("order_created", "Order", 2)
    assert not caught.value.may_be_written
    assert len(ids(redis_server)) == 1


async def test_what_is_refused_is_not_tried_again(proxy: TamperingProxy, redis_server: Redis) -> None:
    redis_server.set(STREAM_EVENTS_CUSTOM, "no stream", ex=60)
    async with AsyncEventPublisher("orders", redis_url=proxy.url) as publisher:
        with pytest.raises(PublishFailed, match="WRONGTYPE") as caught:
            await publisher.publish_event("parcel_scanned", "Parcel", 1)
        assert not caught.value.may_be_written
        assert proxy.publishes == 1
        some = [event(1), event(2, "parcel_scanned"), event(3)]
        with pytest.raises(PublishFailed, match="1 event of 3 refused") as caught:
            await publisher.publish_many(some)
        assert caught.value.event_ids == (some[1].event_id,)
    assert written(redis_server) == [some[0], some[2]]


async def test_who_may_not_begin_a_transaction_is_told_what_is_not_known(redis_server: Redis) -> None:
    redis_server.acl_setuser("limited", enabled=True, passwords=["+x"], commands=["+@all", "-multi"], keys=["*"])
    url = settings.REDIS_URL.replace("//:tests@", "//limited:x@")
    try:
        async with AsyncEventPublisher("orders", redis_url=url) as publisher:
            await publisher.publish_event("order_created", "Order", 1)
            with pytest.raises(PublishFailed, match="no transaction was begun") as caught:
                await publisher.publish_many([event(2), event(3)])
            assert caught.value.may_be_written
    finally:
        redis_server.acl_deluser("limited")
    assert [one.entity_id for one in written(redis_server)] == [1, 2, 3]


async def test_a_full_redis_takes_none_of_many(tmp_path: Any) -> None:
    from apps.core.engines import Redis as Engine
    from apps.core.engines import free_port

    engine = Engine(tmp_path / "redis", free_port(), "full", durable=False)
    with started(engine), Redis.from_url(engine.url) as client:
        async with AsyncEventPublisher("orders", redis_url=engine.url) as publisher:
            await publisher.publish_event("order_created", "Order", 1)
            client.config_set("maxmemory", "1")
            for publish in (
                lambda: publisher.publish_event("order_created", "Order", 2),
                lambda: publisher.publish_many([event(3), event(4)]),
            ):
                with pytest.raises(PublishFailed, match="is full") as caught:
                    await publish()
                assert not caught.value.may_be_written
            client.config_set("maxmemory", "0")
            assert client.xlen(STREAM_EVENTS) == 1
            await publisher.publish_event("order_created", "Order", 5)


async def test_redis_may_be_away_when_a_publisher_is_made() -> None:
    from apps.core.engines import free_port

    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    async with AsyncEventPublisher("orders", redis_url=url, attempts=2) as publisher:
        with pytest.raises(PublishFailed, match=r"127\.0\.0\.1:\d+ did not answer after 2 attempts") as caught:
            await publisher.publish_event("order_created", "Order", 1)
    assert not caught.value.may_be_written
    assert "secret" not in str(caught.value)


async def test_a_wrong_password_is_not_tried_again(redis_server: Redis) -> None:
    url = settings.REDIS_URL.replace("tests@", "wrong@")
    async with AsyncEventPublisher("orders", redis_url=url) as publisher:
        with pytest.raises(PublishFailed, match="does not let us in: "):
            await publisher.publish_event("order_created", "Order", 1)


async def test_the_address_is_named_when_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "http://nowhere")
    with pytest.raises(ValueError, match="REDIS_URL is no address of a Redis"):
        AsyncEventPublisher("orders")
    with pytest.raises(ValueError, match="redis_url is no address of a Redis"):
        AsyncEventPublisher("orders", redis_url="nowhere")
    with pytest.raises(ValueError, match="name of the service"):
        AsyncEventPublisher("")


async def test_many_callers_at_once_share_a_few_connections(redis_server: Redis) -> None:
    async with AsyncEventPublisher("orders", connections=3) as publisher:
        sent = await gather(
            [lambda number=number: publisher.publish_event("order_created", "Order", number) for number in range(300)]
        )
        assert sorted(ids(redis_server)) == sorted(sent)
        mine = [one for one in clients_of_our_database(redis_server) if "xadd" in one["cmd"]]
        assert 1 <= len(mine) <= 3
