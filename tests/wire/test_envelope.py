"""What an envelope takes, refuses and keeps."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xerpium_sdk.events.decode import decode_entry
from xerpium_sdk.wire import DecodeError, Envelope, EventType, examples
from xerpium_sdk.wire.envelope import FIELDS, MAX_TEXT, EventPayload, stream_of
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM

ids = st.none() | st.integers(min_value=-(2**63), max_value=2**63 - 1)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)
times = st.datetimes(timezones=st.just(UTC))
envelopes = st.builds(
    Envelope,
    event_id=words,
    event_type=st.sampled_from(EventType) | words,
    service_name=words,
    entity_type=words | st.just(""),
    entity_id=ids,
    company_id=ids,
    user_id=ids,
    timestamp=times.map(datetime.isoformat),
    data=st.dictionaries(words, json_values, max_size=4),
    correlation_id=st.none() | words,
)


def fields(**changes: str) -> dict[str, str]:
    return dict(examples.load("event"), **changes)


def read_or_refused(read: Callable[[], Envelope]) -> Envelope | DecodeError:
    try:
        return read()
    except DecodeError as error:
        return error


@given(envelopes)
def test_what_is_encoded_decodes_to_the_same(envelope: Envelope) -> None:
    assert Envelope.decode(envelope.encode()) == envelope
    assert all(type(value) is str for value in envelope.encode().values())


@given(st.dictionaries(st.text() | st.binary(), st.text() | st.binary()))
def test_whatever_comes_is_decoded_or_refused_with_its_fields(entry: dict[str | bytes, str | bytes]) -> None:
    with pytest.raises(DecodeError) as caught:
        Envelope.decode(entry)
    assert caught.value.fields is entry


@pytest.mark.parametrize(
    "changes",
    [
        {"event_id": ""},
        {"event_type": ""},
        {"service_name": ""},
        {"timestamp": "yesterday"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"entity_id": "twelve"},
        {"entity_id": "1_000"},
        {"entity_id": "007"},
        {"entity_id": "٤٢"},
        {"company_id": str(2**63)},
        {"user_id": "9" * 5000},
        {"data": "[]"},
        {"data": "null"},
        {"data": '{"price": NaN}'},
        {"data": '{"price": 1'},
        {"data": '{"price": 1e400}'},
        {"data": '{"half": "\\ud83d"}'},
        {"data": "[" * 100_000},
        {"event_id": "x" * (MAX_TEXT + 1)},
        {"service_name": "x" * (MAX_TEXT + 1)},
        {"correlation_id": "x" * (MAX_TEXT + 1)},
    ],
    ids=str,
)
def test_what_is_no_event_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(DecodeError) as caught:
        Envelope.decode(fields(**changes))
    assert caught.value.fields == fields(**changes)


nearly = st.sampled_from(
    ["", "0", "-1", "12", "٤٢", "x" * 65, "2026-11-22T20:15:30Z", "{}", '{"a":1e999}', "null", "é"]
)
broken = st.dictionaries(
    st.sampled_from(FIELDS), nearly | st.text() | st.binary() | st.none() | st.integers(), max_size=11
)


@given(broken, st.booleans())
def test_an_entry_with_anything_in_its_fields_is_read_or_refused(changes: dict[str, Any], text_ids: bool) -> None:
    entry = {**fields(), **changes}
    found = read_or_refused(lambda: Envelope.decode(entry, text_ids=text_ids))
    if isinstance(found, DecodeError):
        assert found.fields is entry
    else:
        assert Envelope.decode(found.encode(), text_ids=text_ids) == found


@given(broken, st.booleans())
def test_the_fast_reader_reads_and_refuses_the_same(changes: dict[str, Any], text_ids: bool) -> None:
    entry = {**fields(), **changes}
    as_bytes = {
        name: value.encode(errors="replace") if isinstance(value, str) else value for name, value in entry.items()
    }
    flat = [part for name, value in as_bytes.items() if isinstance(value, bytes) for part in (name.encode(), value)]
    fast = read_or_refused(lambda: decode_entry(flat, text_ids=text_ids))
    slow = read_or_refused(lambda: Envelope.decode(dict(zip(flat[::2], flat[1::2], strict=True)), text_ids=text_ids))
    if isinstance(slow, DecodeError):
        assert str(fast) == str(slow)
    else:
        assert fast == slow


def test_no_entry_at_all_is_refused() -> None:
    with pytest.raises(DecodeError):
        Envelope.decode(None)  # type: ignore[arg-type]  # what Redis gives for an entry that was deleted


def test_data_of_any_size_is_read() -> None:
    assert len(Envelope.decode(fields(data='{"text":"%s"}' % ("x" * 3_000_000))).data["text"]) == 3_000_000


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DecodeError):
        Envelope.decode(fields() | {"data": b"\xff"})


def test_text_ids_are_for_declared_types_only() -> None:
    entry = fields(entity_id="JJD0003", user_id="scanner-3")
    with pytest.raises(DecodeError):
        Envelope.decode(entry)
    assert Envelope.decode(entry, text_ids=True).entity_id == "JJD0003"
    assert Envelope.decode(fields(entity_id="42"), text_ids=True).entity_id == 42
    assert Envelope.decode(fields(entity_id="007"), text_ids=True).entity_id == "007"
    with pytest.raises(DecodeError):
        Envelope.decode(fields(entity_id="x" * 65), text_ids=True)
    with pytest.raises(DecodeError):
        Envelope.decode(fields(company_id="acme"), text_ids=True)


def test_falsy_values_and_unknown_fields() -> None:
    assert Envelope.decode(fields(data='{"stock":0,"note":""}')).data == {"stock": 0, "note": ""}
    assert Envelope.decode(fields(data="")).data == {}
    assert Envelope.decode(fields(trace="00-abc")) == Envelope.decode(fields())


def test_a_time_without_a_zone_is_utc() -> None:
    naive = Envelope.decode(fields(timestamp="2026-11-22T20:15:30.125000"))
    assert naive.occurred_at == datetime(2026, 11, 22, 20, 15, 30, 125000, tzinfo=UTC)
    assert naive.timestamp == "2026-11-22T20:15:30.125000"


def test_event_types_are_text() -> None:
    assert EventType("order_created") is EventType.ORDER_CREATED
    assert "order_created" in {EventType.ORDER_CREATED}  # a plain string finds what a member stored
    assert len(EventType) == 26
    assert all(member.name.lower() == member.value for member in EventType)


def test_a_decoded_type_is_a_member_when_it_is_one() -> None:
    assert Envelope.decode(fields()).event_type is EventType.PRODUCT_PRICE_CHANGED
    custom = Envelope.decode(fields(event_type="parcel_scanned")).event_type
    assert (custom, type(custom)) == ("parcel_scanned", str)
    assert EventPayload is Envelope


def test_types_have_their_streams() -> None:
    assert {stream_of(kind) for kind in EventType} == {stream_of(kind.value) for kind in EventType} == {STREAM_EVENTS}
    assert stream_of("parcel_scanned") == STREAM_EVENTS_CUSTOM


def test_a_new_event_has_an_id_and_the_time() -> None:
    before = datetime.now(UTC)
    first, second = (Envelope.create("order_created", "Order", 1, service_name="orders") for _ in range(2))
    assert first.event_id != second.event_id
    assert UUID(first.event_id).version == 4
    assert first.event_type is EventType.ORDER_CREATED
    assert first.timestamp.endswith("Z")
    assert abs((first.occurred_at - before).total_seconds()) < 5
    assert (first.data, first.version, first.correlation_id) == ({}, "1.0", None)


def test_what_is_given_is_kept() -> None:
    class TypesOfToday(Enum):
        ORDER_CREATED = "order_created"

    event_id, parcel = uuid4(), uuid4()
    made = Envelope.create(
        TypesOfToday.ORDER_CREATED,  # type: ignore[arg-type]  # an enumeration of plain members, as services have it
        "Parcel",
        parcel,
        company_id=0,
        user_id=0,
        data={"stock": 0},
        correlation_id="c",
        service_name="orders",
        event_id=event_id,
        timestamp=datetime(2026, 11, 22, 20, 15, 30, 125999),  # noqa: DTZ001 - one without a zone is UTC
    )
    assert made == Envelope(
        *(str(event_id), EventType.ORDER_CREATED, "orders", "Parcel", str(parcel), 0, 0),
        timestamp="2026-11-22T20:15:30.125Z",
        data={"stock": 0},
        correlation_id="c",
    )
    assert made.encode()["company_id"] == "0"
    assert Envelope.create("x", "", service_name="s", timestamp="2026-11-22").timestamp == "2026-11-22"
