"""Schemas of strangers: accepted when they can be run on every event, refused with a pointer when not."""

import resource
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.events.schemas import MAX_LOOKS, Checks, Schema, is_shallow, schema_faults
from apps.events.verdicts import LEFT_ALONE_SECONDS, Judge
from tests.events.conftest import make_event
from xerpium_sdk.wire.keys import STREAM_EVENTS_CUSTOM

OBJECT: dict[str, Any] = {"type": "object"}
TREE: dict[str, Any] = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "left": {"$ref": "#/$defs/node"},
                "right": {"$ref": "#/$defs/node"},
            },
            "required": ["name"],
        }
    },
    "$ref": "#/$defs/node",
}


def doubling(levels: int, alternatives: int = 10) -> dict[str, Any]:
    steps: dict[str, Any] = {"l0": {"type": "string"}}
    for level in range(1, levels + 1):
        steps[f"l{level}"] = {"anyOf": [{"$ref": f"#/$defs/l{level - 1}"}] * alternatives}
    return {"$ref": f"#/$defs/l{levels}", "$defs": steps}


def first(document: Any) -> tuple[str, str]:
    (fault, *_) = schema_faults(document)
    return fault.pointer, fault.code


@pytest.mark.parametrize(
    "document",
    [
        {},
        OBJECT,
        TREE,
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://shop.example/parcel", **OBJECT},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "integer"}, "$dynamicRef": {"enum": [1]}}},
        {"$defs": {"price": {"$anchor": "price", "type": "string"}}, "properties": {"a": {"$ref": "#price"}}},
        # What pydantic writes for a Decimal, a UUID, and a union with a discriminator.
        {"properties": {"price": {"anyOf": [{"type": "number"}, {"pattern": "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}]}}},
        {"properties": {"id": {"type": "string", "format": "uuid"}}, "additionalProperties": False},
        {"oneOf": [{"properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in range(40)]},
        {"unevaluatedProperties": False, "allOf": [{"properties": {"a": True}}, {"properties": {"b": True}}]},
    ],
    ids=range(10),
)
def test_what_people_write_is_accepted(document: dict[str, Any]) -> None:
    assert schema_faults(document) == []
    Schema(document)


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        (True, "", "invalid_schema"),
        ([], "", "invalid_schema"),
        ({"type": "strnig"}, "/type", "anyOf"),
        ({"properties": {"a": {"minimum": "x"}}}, "/properties/a/minimum", "type"),
        ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern", "invalid_schema"),
        ({"pattern": "(a{1000}){1000}{1000}"}, "/pattern", "invalid_schema"),
        ({"$ref": "https://evil.example/schema"}, "/$ref", "remote_reference"),
        ({"items": {"$ref": "file:///etc/passwd"}}, "/items/$ref", "remote_reference"),
        ({"allOf": [{"$ref": 5}]}, "/allOf/0/$ref", "remote_reference"),
        ({"$ref": "#/nowhere"}, "", "invalid_schema"),
        ({"$ref": "#nowhere"}, "", "invalid_schema"),
        ({"properties": {"a": {"$id": "https://evil.example/", "$ref": "#"}}}, "/properties/a/$id", "unsupported"),
        ({"$dynamicRef": "#x"}, "/$dynamicRef", "unsupported"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "unsupported"),
        ({"$ref": "#"}, "", "too_complex"),
        ({"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}}, "", "too_complex"),
        (doubling(8), "", "too_complex"),
        ({"anyOf": [{"properties": {"c": {"$ref": "#"}}}, {"properties": {"c": {"$ref": "#"}}}]}, "", "too_complex"),
        ({"description": "x" * 70_000}, "", "too_large"),
    ],
    ids=range(19),
)
def test_what_cannot_be_run_safely_is_refused(document: Any, pointer: str, code: str) -> None:
    assert first(document) == (pointer, code)


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    document: dict[str, Any] = {}
    for _ in range(200):
        document = {"not": document}
    assert first(document) == ("", "too_deep")


def test_judging_a_schema_takes_no_time_whatever_it_is() -> None:
    began = time.process_time()
    wide = {"properties": {f"p{number}": {"$ref": f"#/$defs/d{number % 50}"} for number in range(900)}}
    wide["$defs"] = {f"d{n}": {"properties": {"x": {"$ref": f"#/$defs/d{(n + 1) % 50}"}}} for n in range(50)}
    for document in (TREE, wide, doubling(3), doubling(50, 1), doubling(2, 200)):
        schema_faults(document)
    assert time.process_time() - began < 2


def test_the_greatest_schema_that_is_accepted_is_quick() -> None:
    document = {"type": "object", "additionalProperties": {"items": doubling(2, 20)}}
    document["$defs"] = document["additionalProperties"]["items"].pop("$defs")  # type: ignore[index]
    assert schema_faults(document) == []
    schema, data = Schema(document), {"values": [0] * 1000}
    began = time.process_time()
    assert not schema.fits(data)
    assert time.process_time() - began < 1
    assert MAX_LOOKS == 1000


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(?=a)(a|aa)+$(?!x)", "(.*)*(?<=b)x"])
def test_a_pattern_that_would_run_for_ever_gives_up(pattern: str) -> None:
    schema = Schema({"properties": {"a": {"pattern": pattern}}})
    began = time.process_time()
    schema.fits({"a": "a" * 50_000 + "!"})
    assert time.process_time() - began < 2


def test_faults_are_named_by_their_pointers() -> None:
    schema = Schema({
        "properties": {"lines": {"items": {"properties": {"n": {"type": "integer"}}, "required": ["sku"]}}},
        "additionalProperties": False,
    })  # fmt: skip
    data = {"lines": [{"sku": "a", "n": 1}, {"n": "x"}], "a/b": 1}
    faults = Checks().faults(schema, data, "/3/data")
    assert {(fault.pointer, fault.code) for fault in faults} == {
        ("/3/data/lines/1/n", "type"),
        ("/3/data/lines/1/sku", "required"),
        ("/3/data/a~1b", "unknown_field"),
    }
    assert Checks().faults(schema, {"lines": []}, "/data") == []
    assert Checks().faults(None, data) == []


def test_faults_are_bounded_and_carry_no_values() -> None:
    schema = Schema({"additionalProperties": {"type": "integer"}})
    faults = schema.faults({f"k{number}": "secret" * 1000 for number in range(100)})
    assert len(faults) == 20
    assert not any("secret" in fault.message for fault in faults)


def peak() -> int:
    """Return the most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ({"required": [f"x{n}" for n in range(5000)]}, {"a": "x" * 1_000_000}),
        ({"anyOf": [{"required": [f"x{n}"]} for n in range(900)]}, {"a": "x" * 60_000}),
        ({"additionalProperties": {"items": {"enum": [f"x{n}" for n in range(6000)]}}}, {"a": ["zzzz"] * 100_000}),
    ],
    ids=["required", "anyOf", "enum"],
)
def test_telling_what_is_wrong_takes_no_memory_to_speak_of(document: dict[str, Any], data: dict[str, Any]) -> None:
    assert schema_faults(document) == []
    schema, before, began = Schema(document), peak(), time.process_time()
    (fault,) = Checks().faults(schema, data, "/data")
    assert (fault.pointer, fault.code) == ("/data", "mismatch")
    assert peak() - before < 300
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ({"additionalProperties": {"items": {"anyOf": [{"const": n} for n in range(900)]}}}, {"a": [899] * 200_000}),
        (
            {"additionalProperties": {"items": {"dependentRequired": {f"x{n}": [] for n in range(900)}}}},
            {"a": [{}] * 200_000},
        ),
        ({"additionalProperties": {"items": {"enum": [*map(str, range(800)), 1]}}}, {"a": [1] * 200_000}),
    ],
    ids=["anyOf", "dependentRequired", "enum"],
)
def test_what_would_take_too_long_is_not_checked(document: dict[str, Any], data: dict[str, Any]) -> None:
    assert schema_faults(document) == []
    assert [fault.code for fault in Checks().faults(Schema(document), data)] == ["too_much"]
    few = {"a": data["a"][:200]}
    assert Checks().faults(Schema(document), few) == []


def test_a_list_of_alternatives_that_are_compared_one_by_one_has_an_end() -> None:
    assert schema_faults({"enum": [f"x{n}" for n in range(6000)]}) == []
    assert first({"enum": [{"x": n} for n in range(MAX_LOOKS)]}) == ("", "too_complex")


def test_checking_many_events_of_one_request_has_one_bound() -> None:
    schema, checks = Schema({"required": [f"x{n}" for n in range(5000)]}), Checks()
    codes = [fault.code for _ in range(100) for fault in checks.faults(schema, {"a": "x" * 500})]
    assert codes.count("mismatch") > 90
    assert codes.count("required") >= 20


def test_data_deeper_than_a_recursive_schema_is_asked_about_does_not_fit() -> None:
    data: dict[str, Any] = {"name": "leaf"}
    for _ in range(60):
        data = {"name": "x", "children": [data]}
    assert [fault.code for fault in Schema(TREE).faults(data)] == ["too_deep"]
    assert Schema(OBJECT).fits(data)


@given(st.recursive(st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_shallow_is_a_matter_of_levels(value: Any) -> None:
    def levels(part: Any) -> int:
        if not isinstance(part, dict | list):
            return 0
        return 1 + max((levels(inner) for inner in (part.values() if isinstance(part, dict) else part)), default=0)

    for most in range(4):
        assert is_shallow([value], most) is (levels([value]) <= most + 1)


def test_a_schema_that_turns_out_slow_is_left_alone_for_a_while() -> None:
    class Slow(Schema):
        def fits(self, data: object) -> bool:
            clock.now += 0.3
            clock.effort += cost
            return True

    class Declared:
        company_id = None
        schema = Slow(OBJECT)

    class Now:
        now = effort = 0.0

    clock, cost = Now(), 0.0
    judge = Judge(lambda: clock.now, lambda: clock.effort)
    event, known = make_event(1, "parcel_sent"), {"parcel_sent": Declared()}

    def verdict() -> str:
        return judge.judge(STREAM_EVENTS_CUSTOM, event, 10, known).verdict

    assert [verdict(), verdict()] == ["valid", "valid"]  # it waited, as everything on the machine did
    cost = 0.3
    assert [verdict(), verdict()] == ["valid", "unverified"]
    clock.now += LEFT_ALONE_SECONDS
    assert verdict() == "valid"
    assert judge.judge(STREAM_EVENTS_CUSTOM, event, 10**6, known).verdict == "unverified"
