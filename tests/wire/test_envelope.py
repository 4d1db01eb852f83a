"""What an envelope takes, refuses and keeps."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xerpium_sdk.wire import DecodeError, Envelope, EventType, examples
from xerpium_sdk.wire.envelope import dump_data

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
        {"data": "[" * 100_000},
    ],
    ids=str,
)
def test_what_is_no_event_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(DecodeError) as caught:
        Envelope.decode(fields(**changes))
    assert caught.value.fields == fields(**changes)


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


def test_data_of_everyday_types_has_a_json_form() -> None:
    class Colour(Enum):
        RED = "red"

    moment = datetime(2026, 11, 22, 21, 15, tzinfo=timezone(timedelta(hours=1)))
    data = {
        "price": Decimal("19.90"),
        "at": moment,
        "day": date(2026, 11, 22),
        "colour": Colour.RED,
        "id": UUID(int=1),
    }
    assert dump_data(data) == (
        '{"price":"19.90","at":"2026-11-22T20:15:00.000Z","day":"2026-11-22","colour":"red",'
        '"id":"00000000-0000-0000-0000-000000000001"}'
    )
    with pytest.raises(TypeError, match="a set has no JSON form"):
        dump_data({"tags": {1, 2}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_data({"price": float("nan")})


def test_event_types_are_text() -> None:
    assert EventType("order_created") is EventType.ORDER_CREATED
    assert "order_created" in {EventType.ORDER_CREATED}  # a plain string finds what a member stored
    assert len(EventType) == 26
    assert all(member.name.lower() == member.value for member in EventType)
