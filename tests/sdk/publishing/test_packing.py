"""What may be published, and that the fast way and the plain way agree on it. No Redis."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.test_envelope import envelopes
from xerpium_sdk.events.checking import MAX_DATA_BYTES, faults_of
from xerpium_sdk.events.errors import EventFault, InvalidEvent
from xerpium_sdk.events.packing import Packer, all_faults, checked_fields
from xerpium_sdk.wire import Envelope, EventType, examples
from xerpium_sdk.wire.envelope import FIELDS, stream_of

GOOD = Envelope.create("order_created", "Order", 17, 7, 5, {"total": "1.00"}, "c", service_name="orders")
PARCEL = replace(GOOD, event_type="parcel_scanned")
HALF = "\ud83d"


def unpacked(command: bytes) -> tuple[list[bytes], dict[str, str]]:
    """Return what stands before the fields of an XADD, and the fields."""
    reader = hiredis.Reader()
    reader.feed(command)
    parts: Any = reader.gets()
    assert reader.gets() is False
    text = [part.decode() for part in parts[6:]]
    assert tuple(text[::2]) == FIELDS
    return parts[:6], dict(zip(text[::2], text[1::2], strict=True))


@pytest.mark.parametrize("kind", [*EventType, "parcel_scanned", "a", "a1_2b"])
def test_a_command_appends_to_the_stream_of_its_type(kind: str) -> None:
    start, fields = unpacked(Packer(1000).pack(replace(GOOD, event_type=kind)))
    assert start == [b"XADD", stream_of(kind).encode(), b"MAXLEN", b"~", b"1000", b"*"]
    assert fields == replace(GOOD, event_type=kind).encode()


@pytest.mark.parametrize("example", examples.load("events"), ids=lambda example: example["means"]["event_type"])
def test_examples_are_written_to_the_letter(example: dict[str, Any]) -> None:
    assert unpacked(Packer(1000).pack(Envelope(**example["means"])))[1] == example["entry"]


values: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.decimals()
    | st.datetimes()
    | st.uuids()
    | st.sampled_from([HALF, EventType.ORDER_CREATED, b"bytes", date(2026, 1, 1), 2**70]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)
ids = st.none() | st.integers() | st.text(max_size=70) | st.booleans() | st.floats()
texts = st.none() | st.text() | st.sampled_from(["", "a\0", HALF, "x" * 256, "2026-11-22T20:15:30Z"]) | st.integers()


@given(envelopes, st.data())
def test_whatever_is_given_is_written_as_it_is_or_refused(envelope: Envelope, data: st.DataObject) -> None:
    kinds = {name: ids if name.endswith("y_id") or name == "user_id" else texts for name in FIELDS}
    kinds |= {"data": st.dictionaries(st.text(), values, max_size=3) | values, "event_id": texts}
    names = data.draw(st.lists(st.sampled_from(FIELDS), max_size=2))
    changed = replace(envelope, **{name: data.draw(kinds[name]) for name in names})
    packer, faults = Packer(1000), faults_of(changed)
    for _ in range(2):  # the second time the type is known
        if faults:
            with pytest.raises(InvalidEvent) as caught:
                packer.pack(changed)
            assert list(caught.value.faults) == faults
            with pytest.raises(InvalidEvent):
                checked_fields(changed)
        else:
            written = unpacked(packer.pack(changed))[1]
            text_ids = stream_of(changed.event_type) != stream_of("order_created")
            assert Envelope.decode(written, text_ids=text_ids) == Envelope.decode(changed.encode(), text_ids=text_ids)
            assert Envelope.decode(checked_fields(changed), text_ids=text_ids)


@pytest.mark.parametrize(
    ("base", "changes", "fault"),
    [
        (GOOD, {"event_type": "OrderCreated"}, "event_type: 'OrderCreated' is not lower_snake_case"),
        (GOOD, {"event_type": "a" * 101}, "event_type: "),
        (GOOD, {"event_type": "order__created"}, "event_type: "),
        (GOOD, {"event_type": None}, "event_type: "),
        (GOOD, {"event_id": ""}, "event_id: is missing"),
        (GOOD, {"event_id": uuid4()}, "event_id: is text, not UUID"),
        (GOOD, {"service_name": "x" * 256}, "service_name: is longer than 255 characters"),
        (GOOD, {"entity_type": "a\0b"}, "entity_type: holds a NUL character"),
        (GOOD, {"correlation_id": HALF}, "correlation_id: holds a NUL character or half"),
        (GOOD, {"entity_id": "17"}, "entity_id: is an integer for order_created, not str '17'"),
        (GOOD, {"user_id": True}, "user_id: is an integer for order_created, not bool 'True'"),
        (GOOD, {"entity_id": 2**63}, "entity_id: does not fit into 64 bits"),
        (GOOD, {"company_id": "7"}, "company_id: is an integer, not str '7'"),
        (GOOD, {"company_id": -(2**63) - 1}, "company_id: does not fit into 64 bits"),
        (PARCEL, {"entity_id": ""}, "entity_id: as text has 1 to 64 characters"),
        (PARCEL, {"entity_id": "x" * 65}, "entity_id: as text has 1 to 64 characters"),
        (PARCEL, {"user_id": 1.5}, "user_id: is an integer or text, not float '1.5'"),
        (PARCEL, {"company_id": UUID(int=1)}, "company_id: is an integer, not UUID"),
        (GOOD, {"timestamp": "yesterday"}, "timestamp: 'yesterday' is not an ISO 8601 time"),
        (GOOD, {"timestamp": datetime.now(UTC)}, "timestamp: is text, not datetime"),
        (GOOD, {"data": [1]}, "data: is a mapping, not list"),
        (GOOD, {"data": None}, "data: is a mapping, not nothing"),
        (GOOD, {"data": {"lines": [{}, {"price": float("nan")}]}}, "data.lines[1].price: nan is not JSON compliant"),
        (GOOD, {"data": {"price": Decimal("Infinity")}}, "data.price: Infinity is not JSON compliant"),
        (GOOD, {"data": {"tags": {1}}}, "data.tags: a set has no JSON form"),
        (GOOD, {"data": {"text": "x" * MAX_DATA_BYTES}}, "data: has 1,048,587 bytes of JSON, more than 1,048,576"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_fault_is_told_with_its_place(base: Envelope, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Packer(1000).pack(replace(base, **changes))
    assert [str(one)[: len(fault)] for one in caught.value.faults] == [fault]


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (GOOD, {"entity_id": 0, "company_id": 0, "user_id": 0}),
        (GOOD, {"entity_id": -(2**63), "company_id": 2**63 - 1}),
        (GOOD, {"entity_type": "", "correlation_id": None, "data": {}}),
        (GOOD, {"data": {"gone": None, "zero": 0, "empty": "", "null": "null"}}),
        (GOOD, {"data": MappingProxyType({"price": Decimal("1.50"), "at": datetime(2026, 1, 1, tzinfo=UTC)})}),
        (GOOD, {"data": {"text": "x" * (MAX_DATA_BYTES - 11)}}),
        (PARCEL, {"entity_id": "JJD0003", "user_id": "scanner-3"}),
        (PARCEL, {"entity_id": "ü" * 64}),
        (GOOD, {"event_id": "x" * 255}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_at_the_edge_may_go(base: Envelope, changes: dict[str, Any]) -> None:
    envelope = replace(base, **changes)
    assert unpacked(Packer(1000).pack(envelope))[1] == envelope.encode()


def test_the_faults_of_many_are_all_told() -> None:
    bad = replace(GOOD, company_id="acme")  # type: ignore[arg-type]  # that is the fault
    assert [fault.path for fault in all_faults([GOOD, bad, GOOD, bad])] == [
        "events[1].company_id",
        "events[3].company_id",
    ]
    assert "and 2 more" in str(InvalidEvent([EventFault("data", "x")] * 12))
