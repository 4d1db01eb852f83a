"""Envelopes as CloudEvents and back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.test_envelope import envelopes, read_or_refused
from xerpium_sdk.wire import DecodeError, Envelope, EventType, examples
from xerpium_sdk.wire.cloudevents import from_cloudevent, to_cloudevent

BARE = {"specversion": "1.0", "id": "1", "source": "https://shop.example/orders", "type": "order_created"}
CONTEXT = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}


def event(name: str, **changes: Any) -> Envelope:
    return Envelope.decode({**examples.load(name), **changes}, text_ids=name == "event_text_ids")


def test_an_event_is_a_cloudevent() -> None:
    assert to_cloudevent(event("event")) == {
        "specversion": "1.0",
        "id": "6f1c1f0e-2f0b-4c53-9a37-0c2a4c1c9b7d",
        "source": "/services/product-service",
        "type": "product_price_changed",
        "subject": "Product/42",
        "time": "2026-11-22T20:15:30.125Z",
        "datacontenttype": "application/json",
        "data": {
            "old_price": "19.90",
            "new_price": "17.50",
            "currency": "EUR",
            "note": "für Händler",
            "stock": 0,
            "tags": [],
        },
        "entitytype": "Product",
        "entityid": "42",
        "companyid": "7",
        "userid": "1001",
        "correlationid": "order-import-2026-11-22",
        "envelopeversion": "1.0",
    }


def test_what_is_absent_has_no_attribute() -> None:
    assert to_cloudevent(event("event_bare")).keys() == (CONTEXT - {"subject"}) | {"envelopeversion"}


@given(envelopes)
def test_an_envelope_comes_back_as_it_was(envelope: Envelope) -> None:
    document = json.loads(json.dumps(to_cloudevent(envelope)))
    back = from_cloudevent(document)
    assert back.occurred_at == envelope.occurred_at
    assert to_cloudevent(back) == document
    for name in ("event_id", "event_type", "service_name", "entity_type", "entity_id", "company_id", "user_id"):
        assert getattr(back, name) == getattr(envelope, name)
    assert (back.data, back.version, back.correlation_id) == (envelope.data, envelope.version, envelope.correlation_id)


@given(envelopes)
def test_its_attributes_are_such_as_the_standard_allows(envelope: Envelope) -> None:
    document = to_cloudevent(envelope)
    assert all(name.isascii() and name.isalnum() and name.islower() and len(name) <= 20 for name in document)
    assert all(isinstance(value, str) and value for name, value in document.items() if name != "data")


@pytest.mark.parametrize("example", examples.load("events"), ids=lambda example: example["means"]["event_type"])
def test_every_example_comes_back_to_the_letter(example: dict[str, Any]) -> None:
    envelope = Envelope.decode(example["entry"])
    assert from_cloudevent(to_cloudevent(envelope)) == envelope


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [
        ("2026-11-22T20:15:30.125000", "2026-11-22T20:15:30.125000Z"),
        ("2026-11-22T20:15:30+02:00", "2026-11-22T20:15:30+02:00"),
        ("2026-11-22", "2026-11-22T00:00:00Z"),
    ],
)
def test_a_time_gets_the_form_of_the_standard(timestamp: str, time: str) -> None:
    assert to_cloudevent(event("event", timestamp=timestamp))["time"] == time


def test_a_trace_travels_in_its_extension() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    document = to_cloudevent(event("event", correlation_id=trace))
    assert document["traceparent"] == document["correlationid"] == trace
    assert "traceparent" not in to_cloudevent(event("event"))
    assert from_cloudevent({**BARE, "traceparent": trace}).correlation_id == trace
    assert from_cloudevent({**BARE, "traceparent": trace, "correlationid": "c"}).correlation_id == "c"


def test_a_cloudevent_of_somebody_else() -> None:
    before = datetime.now(UTC)
    bare = from_cloudevent(BARE)
    assert (bare.event_id, bare.event_type, bare.service_name) == ("1", EventType.ORDER_CREATED, BARE["source"])
    assert (bare.entity_type, bare.entity_id, bare.data, bare.version) == ("", None, {}, "1.0")
    assert abs((bare.occurred_at - before).total_seconds()) < 5
    more = from_cloudevent(
        {
            **BARE,
            "subject": "Order/17",
            "companyid": 7,
            "time": "2026-11-22T20:15:30Z",
            "datacontenttype": "application/vnd.order+json; charset=utf-8",
            "data_base64": "eyJhIjowfQ==",
            "unknownattribute": True,
        }
    )
    assert (more.entity_type, more.entity_id, more.company_id, more.data) == ("Order", 17, 7, {"a": 0})
    parcel = from_cloudevent({**BARE, "type": "com.shop.parcel", "subject": "Parcel/JJD0003/9"})
    assert (parcel.event_type, parcel.entity_id) == ("com.shop.parcel", "JJD0003/9")


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"specversion": None},
        {"id": ""},
        {"id": 1.5},
        {"source": None},
        {"type": ["order_created"]},
        {"time": "noon"},
        {"data": [1]},
        {"data": "text"},
        {"data": {"price": float("nan")}},
        {"data_base64": "***"},
        {"data_base64": 5},
        {"data_base64": "W10="},
        {"datacontenttype": "application/xml", "data": {}},
        {"subject": "Order/abc"},
        {"companyid": True},
        {"companyid": "acme"},
        {"entityid": {}},
        {"correlationid": "x" * 300},
    ],
    ids=str,
)
def test_what_is_none_is_refused_with_the_document(changes: dict[str, Any]) -> None:
    document = {**BARE, **changes}
    with pytest.raises(DecodeError) as caught:
        from_cloudevent(document)
    assert caught.value.fields is document


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*CONTEXT, "data_base64", "entityid", "companyid", "userid"]), json_values))
def test_whatever_comes_is_read_or_refused(changes: dict[str, Any]) -> None:
    document = {**BARE, **changes}
    found = read_or_refused(lambda: from_cloudevent(document))
    if isinstance(found, DecodeError):
        assert found.fields is document
    else:
        assert from_cloudevent(to_cloudevent(found)).data == found.data
