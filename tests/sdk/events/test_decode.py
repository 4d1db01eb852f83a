"""The fast decoder says what the plain one says, whatever an entry holds."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.sdk.events.conftest import make_event
from xerpium_sdk.events.decode import _by_position, decode_entry
from xerpium_sdk.events.entry import fields_of
from xerpium_sdk.wire.envelope import FIELDS, DecodeError, Envelope, EventType

ids = st.one_of(
    st.sampled_from(
        ["", "0", "1", "7", "-1", "007", "+5", " 5", "1_000", "٣", "SKU-1", "x" * 64, "x" * 65, "9" * 18, "9" * 19]
    ),
    st.integers(-(2**65), 2**65).map(str),
)
texts = st.one_of(st.sampled_from(["", "a", "é" * 200, "x" * 255, "x" * 256, "\x00"]), st.text(max_size=10))
times = st.sampled_from(
    [
        "2026-01-02T03:04:05.678Z",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05+02:00",
        "0001-01-01T00:00:00+02:00",
        "2026-01-02",
        "soon",
        "",
    ]
)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.integers(2**62, 2**70))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
data = st.one_of(
    st.dictionaries(st.text(max_size=4), values, max_size=4).map(json.dumps),
    st.sampled_from(
        ["", "{}", "[]", "null", "{", '{"a":NaN}', '{"a":1e999}', '{"a":"\\ud800"}', '{"a":1,"a":2}', ' {"a" : 1} ']
    ),
    st.integers(1, 40).map(lambda digits: json.dumps({"n": int("9" * digits)})),
    st.sampled_from([10, 2000, 100_000]).map(lambda depth: '{"a":' + "[" * depth + "]" * depth + "}"),
)


def outcome(function: Any, *args: Any, **options: Any) -> Any:
    try:
        found = function(*args, **options)
    except DecodeError as error:
        return str(error)
    return found, type(found.event_type), type(found)


@given(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(FIELDS, texts),
            "event_type": st.one_of(texts, st.sampled_from(["user_login", "shelf_built"])),
            **dict.fromkeys(("entity_id", "company_id", "user_id"), ids),
            "timestamp": times,
            "data": data,
        }
    ),
    st.booleans(),
)
@example(make_event().encode(), False)
def test_both_decoders_agree(fields: dict[str, str], text_ids: bool) -> None:
    flat = [part.encode("utf-8", "surrogatepass") for name in FIELDS for part in (name, fields[name])]
    fast = outcome(decode_entry, flat, text_ids=text_ids)
    assert repr(fast) == repr(outcome(Envelope.decode, fields_of(flat), text_ids=text_ids))


@given(st.lists(st.tuples(st.sampled_from([*FIELDS, "more"]), st.binary(max_size=4)), max_size=13))
def test_both_decoders_agree_on_other_fields_in_any_order(pairs: list[tuple[str, bytes]]) -> None:
    flat = [part for name, value in pairs for part in (name.encode(), value)]
    assert outcome(decode_entry, flat, text_ids=True) == outcome(Envelope.decode, fields_of(flat), text_ids=True)


def test_an_ordinary_event_takes_the_fast_way_and_is_a_real_envelope() -> None:
    event = make_event(7, company_id=3, user_id=12, correlation_id="abc")
    flat = [part.encode() for pair in event.encode().items() for part in pair]
    found = _by_position(flat, text_ids=False)
    assert found == event
    assert (type(found), hash(found.event_id), found.event_type) == (
        Envelope,
        hash(event.event_id),
        EventType.PRODUCT_CREATED,
    )
    assert isinstance(found.event_type, EventType)
    with pytest.raises(AttributeError):
        found.event_id = "other"  # type: ignore[misc]
