"""Input is what it says it is: nothing is converted, nothing unknown is dropped, every fault is named."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from apps.core.errors import InvalidInput
from apps.core.serializers import StrictSerializer
from tests.core.urls import ThingInput


def faults(data: Any, *, partial: bool = False) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        ThingInput.read(data, partial=partial)
    return {fault.pointer: fault.code for fault in caught.value.errors}


def test_reads_what_is_right() -> None:
    values = ThingInput.read(
        {
            "name": " Lamp ",
            "count": -3,
            "share": 1,
            "size": "small",
            "seen_at": "2026-01-02T03:04:05",
            "tags": ["a"],
            "labels": {"de": "Lampe"},
            "parts": [{"path": "/a", "order": 0}],
            "metadata": [1, {"x": None}],
        }
    )
    assert values == {
        "name": "Lamp",
        "count": -3,
        "share": 1.0,
        "active": True,
        "size": "small",
        "seen_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "tags": ["a"],
        "labels": {"de": "Lampe"},
        "parts": [{"path": "/a", "order": 0}],
        "metadata": [1, {"x": None}],
    }


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", 1),
        ("name", True),
        ("name", ["a"]),
        ("count", "1"),
        ("count", 1.0),
        ("count", True),
        ("share", "0.5"),
        ("share", False),
        ("active", 1),
        ("active", "true"),
        ("active", 0),
        ("size", 1),
        ("seen_at", 1735689600),
    ],
)
def test_converts_nothing(member: str, value: Any) -> None:
    assert faults({"name": "a", member: value}) == {f"/{member}": "invalid_type"}


def test_says_what_was_wanted_and_what_came() -> None:
    with pytest.raises(InvalidInput, match="This must be a whole number, not text"):
        ThingInput.read({"name": "a", "count": "1"})
    with pytest.raises(InvalidInput, match="This must be a number, not true or false"):
        ThingInput.read({"name": "a", "share": True})


def test_names_every_fault_at_once_with_the_pointer_it_has_or_would_have() -> None:
    found = faults(
        {
            "count": "1",
            "size": "huge",
            "tags": ["a", 1, None, "x" * 21],
            "labels": {"a/b": 1, "ok": "x"},
            "parts": [{"path": "/a"}, {"order": -1, "extra": 1}, "x"],
            "colour": "red",
        }
    )
    assert found == {
        "/name": "required",
        "/count": "invalid_type",
        "/size": "invalid_choice",
        "/tags/1": "invalid_type",
        "/tags/2": "null",
        "/tags/3": "max_length",
        "/labels/a~1b": "invalid_type",
        "/parts/1/path": "required",
        "/parts/1/order": "min_value",
        "/parts/1/extra": "unknown_field",
        "/parts/2": "invalid",
        "/colour": "unknown_field",
    }


def test_an_unknown_field_gets_a_hint() -> None:
    with pytest.raises(InvalidInput, match=r"no field “nmae” here\. Did you mean “name”\?"):
        ThingInput.read({"name": "a", "nmae": "b"})


def test_null_means_absent_where_a_field_is_optional() -> None:
    absent = ThingInput.read({"name": "a"})
    nulls = dict.fromkeys(["count", "share", "active", "size", "seen_at", "tags", "labels", "parts", "metadata"])
    assert ThingInput.read({"name": "a", **nulls}) == absent == {"name": "a", "active": True}
    assert ThingInput.read({"name": "a", "parts": [{"path": "/a", "order": None}]})["parts"] == [{"path": "/a"}]


def test_null_is_a_fault_where_a_field_is_required_or_unknown() -> None:
    assert faults({"name": None}) == {"/name": "null"}
    assert faults({"name": "a", "colour": None}) == {"/colour": "unknown_field"}


def test_partial_input_may_leave_everything_out() -> None:
    assert ThingInput.read({}, partial=True) == {}
    assert ThingInput.read({"name": None, "count": 1}, partial=True) == {"count": 1}
    assert faults({"count": "1"}, partial=True) == {"/count": "invalid_type"}


@pytest.mark.parametrize("data", [[], "text", 1, None, True, [{"name": "a"}]])
def test_a_body_must_be_an_object(data: Any) -> None:
    assert list(faults(data)) == [""]


def test_a_field_that_is_read_only_is_unknown_to_callers() -> None:
    class Shown(StrictSerializer):
        id = serializers.IntegerField(read_only=True)
        name = serializers.CharField()

    with pytest.raises(InvalidInput) as caught:
        Shown.read({"id": 1, "name": "a"})
    assert [fault.pointer for fault in caught.value.errors] == ["/id"]


def test_rules_across_fields_run_when_the_fields_are_right() -> None:
    class Span(StrictSerializer):
        first = serializers.IntegerField()
        last = serializers.IntegerField()

        def validate(self, attrs: dict[str, int]) -> dict[str, int]:
            if attrs["first"] > attrs["last"]:
                raise serializers.ValidationError({"last": "Before the first."}, code="order")
            return attrs

    assert Span.read({"first": 1, "last": 2}) == {"first": 1, "last": 2}
    with pytest.raises(InvalidInput) as caught:
        Span.read({"first": 2, "last": 1})
    assert [(fault.pointer, fault.code) for fault in caught.value.errors] == [("/last", "order")]


def test_one_reading_leaves_nothing_to_the_next() -> None:
    assert ThingInput.read({"name": "a", "tags": ["x"]})["tags"] == ["x"]
    assert "/name" in faults({})
    assert ThingInput.read({"name": "b"}) == {"name": "b", "active": True}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
bodies = st.dictionaries(st.sampled_from([*ThingInput().fields, "colour"]), json_values) | json_values


@given(bodies, st.booleans())
def test_any_json_is_read_or_refused_with_pointers(data: Any, partial: bool) -> None:
    values, pointers = outcome(data, partial)
    assert values is None or set(values) <= set(ThingInput().fields)
    assert bool(pointers) == (values is None)
    assert all(pointer == "" or pointer.startswith("/") for pointer in pointers)


def outcome(data: Any, partial: bool) -> tuple[dict[str, Any] | None, list[str]]:
    try:
        return ThingInput.read(data, partial=partial), []
    except InvalidInput as error:
        return None, [fault.pointer for fault in error.errors]


def test_a_list_may_be_too_long_and_hold_wrong_items() -> None:
    class Words(StrictSerializer):
        words = serializers.ListField(child=serializers.CharField(), max_length=2)

    with pytest.raises(InvalidInput) as caught:
        Words.read({"words": ["a", 1, "c"]})
    assert {fault.pointer: fault.code for fault in caught.value.errors} == {
        "/words": "max_length",
        "/words/1": "invalid_type",
    }
