"""What the services of today write is read, and what we write is read by them: their own code, from the document."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from tests.support.seed_bus import seed_bus
from xerpium_sdk.events.decode import decode_entry
from xerpium_sdk.wire import Envelope, EventType, examples
from xerpium_sdk.wire.envelope import FIELDS
from xerpium_sdk.wire.keys import STREAM_EVENTS

pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning")
EXAMPLES = [example["means"] for example in examples.load("events")]
NAMES = [means["event_type"] for means in EXAMPLES]


@pytest.fixture
def seed(redis_server: Redis) -> Iterator[SimpleNamespace]:
    """The document's publisher and consumer, on the tests' Redis."""
    with seed_bus(lambda: redis_server) as modules:
        yield modules


def raw(client: Redis) -> list[list[bytes]]:
    """Return the entries of the stream as Redis has them: names and values in turn."""
    reply = client.execute_command("XRANGE", STREAM_EVENTS, "-", "+", NEVER_DECODE=True)
    return [
        [part if isinstance(part, bytes) else part.encode() for pair in fields.items() for part in pair]
        for _, fields in reply
    ]


def test_the_documents_types_are_ours(seed: SimpleNamespace) -> None:
    assert {kind.name: kind.value for kind in seed.publisher.EventType} == {kind.name: kind.value for kind in EventType}


@pytest.mark.parametrize("means", EXAMPLES, ids=NAMES)
def test_what_its_publisher_writes_is_read(means: dict[str, Any], seed: SimpleNamespace, redis_server: Redis) -> None:
    event_id = seed.publisher.EventPublisher(means["service_name"]).publish_event(
        event_type=seed.publisher.EventType(means["event_type"]),
        **{
            name: means[name]
            for name in ("entity_type", "entity_id", "company_id", "user_id", "data", "correlation_id")
        },
    )
    (flat,) = raw(redis_server)
    assert [name.decode() for name in flat[::2]] == list(FIELDS)
    fast, slow = decode_entry(flat, text_ids=False), Envelope.decode(dict(zip(flat[::2], flat[1::2], strict=True)))
    assert fast == slow
    assert slow.event_id == event_id
    for name in means.keys() - {"event_id", "timestamp"}:
        assert getattr(slow, name) == means[name]
    assert slow.occurred_at.tzinfo is not None


@pytest.mark.parametrize("means", EXAMPLES, ids=NAMES)
def test_what_we_write_its_consumer_reads(means: dict[str, Any], seed: SimpleNamespace, redis_server: Redis) -> None:
    redis_server.xadd(STREAM_EVENTS, Envelope(**means).encode())  # type: ignore[arg-type]  # a dict is invariant in its keys
    entries: Any = redis_server.xrange(STREAM_EVENTS)
    ((_, fields),) = entries
    payload = seed.consumer.EventConsumer("audit")._parse_event_payload(fields)
    assert payload.event_type is seed.publisher.EventType(means["event_type"])
    for name in means.keys() - {"event_type"}:
        assert getattr(payload, name) == means[name]


def test_both_write_the_same_bytes_but_for_spaces_in_data(seed: SimpleNamespace, redis_server: Redis) -> None:
    data = {"old": "1.50", "stock": 0, "tags": ["a"]}
    seed.publisher.EventPublisher("stock").publish_event(
        seed.publisher.EventType.STOCK_LOW, "Product", 1, None, 0, data
    )
    (flat,) = raw(redis_server)
    ours = Envelope.decode(dict(zip(flat[::2], flat[1::2], strict=True))).encode()
    assert [part for pair in ours.items() for part in pair] == [
        part.decode().replace(": ", ":").replace(", ", ",") for part in flat
    ]
