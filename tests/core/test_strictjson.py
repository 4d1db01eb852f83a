"""The JSON that the hub reads is the JSON that everybody reads, minus what two readers understand differently."""

import json
import sys
import time
from contextlib import suppress
from math import isfinite
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.core.strictjson import NotJSON, TooLong, parse

LIMIT = 1024 * 1024
INT64 = range(-(2**63), 2**63)

REFUSED = {
    "empty": b"",
    "blank": b"  \n",
    "words": b"hello",
    "single quotes": b"{'a': 1}",
    "comment": b"[1] // one",
    "comma at the end": b"[1,]",
    "two values": b"{} {}",
    "garbage behind": b"{}x",
    "not closed": b'{"a": [1',
    "key without quotes": b"{a: 1}",
    "leading zero": b"[01]",
    "plus": b"[+1]",
    "hexadecimal": b"[0x10]",
    "NaN": b"[NaN]",
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b"-Infinity",
    "float overflow": b"1e999",
    "negative float overflow": b"[-1e999]",
    "integer of 65 bits": b"9223372036854775808",
    "negative integer of 65 bits": b"-9223372036854775809",
    "integer of a million digits": b"1" * 1_000_000,
    "duplicate key": b'{"a": 1, "a": 1}',
    "duplicate key by escape": b'{"a": 1, "\\u0061": 2}',
    "duplicate key deep inside": b'[{"x": {"a": 1, "b": 2, "a": 3}}]',
    "NUL escaped": b'"a\\u0000b"',
    "NUL escaped behind a backslash": b'"\\\\\\u0000"',
    "NUL in a key": b'{"\\u0000": 1}',
    "NUL raw": b'"\x00"',
    "control character raw": b'"\x1f"',
    "newline raw": b'"\n"',
    "first half of a pair": b'"\\ud800"',
    "second half of a pair": b'"\\uDC00"',
    "pair the wrong way round": b'"\\udc00\\ud800"',
    "half a pair in a key": b'{"\\uD83D": 1}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "Latin-1": '"é"'.encode("latin-1"),
    "overlong UTF-8": b'"\xc0\xaf"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "33 levels": b"[" * 33 + b"]" * 33,
    "33 levels of objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "20,000 levels, not closed": b"[" * 20_000,
    "20,000 levels": b"[" * 20_000 + b"]" * 20_000,
    "100,000 objects deep": b'{"a":' * 100_000,
    "escape that is none": b'"\\x41"',
    "escape cut off": b'"\\u12"',
}

ACCEPTED: dict[str, tuple[bytes, Any]] = {
    "32 levels": (b"[" * 32 + b"]" * 32, None),
    "many containers, few levels": (b"[" + b",".join([b"[[]]"] * 50) + b"]", [[[]]] * 50),
    "backslash before u0000": (b'"\\\\u0000"', "\\u0000"),
    "two backslashes before u0000": (b'"\\\\\\\\u0000"', "\\\\u0000"),
    "pair by escapes": (b'"\\ud83d\\ude00"', "😀"),
    "pair by capital escapes": (b'"\\uD83D\\uDE00"', "😀"),
    "escaped backslash before ud800": (b'"\\\\ud800"', "\\ud800"),
    "private use character": ('"\ue000"'.encode(), "\ue000"),
    "largest integer": (b"9223372036854775807", 2**63 - 1),
    "smallest integer": (b"-9223372036854775808", -(2**63)),
    "minus zero": (b"-0", 0),
    "tiny float": (b"1e-999", 0.0),
    "blanks": (b' \r\n\t{ "a" : [ ] } \n', {"a": []}),
    "same key in two objects": (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    "empty key": (b'{"": null}', {"": None}),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_refuses(body: bytes) -> None:
    with pytest.raises(NotJSON):
        parse(body, limit=LIMIT)


@pytest.mark.parametrize(("body", "value"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepts(body: bytes, value: Any) -> None:
    assert parse(body, limit=LIMIT) == (json.loads(body) if value is None else value)


def test_keeps_integers_and_floats_apart() -> None:
    values = parse(b"[1, 1.0, 1e0, -0, -0.0, true]", limit=LIMIT)
    assert [type(value) for value in values] == [int, float, float, int, float, bool]


def test_counts_levels_from_one_and_takes_the_callers_depth() -> None:
    assert parse(b"[[1]]", limit=LIMIT, max_depth=2) == [[1]]
    with pytest.raises(NotJSON, match="deeper than 1 levels"):
        parse(b"[[1]]", limit=LIMIT, max_depth=1)


def test_refuses_what_is_too_long_before_it_reads() -> None:
    assert parse(b"[12]", limit=4) == [12]
    with pytest.raises(TooLong, match="at most 4 bytes"):
        parse(b"[not json", limit=4)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"name": "a", "name": "b"}', "'name' stands twice"),
        (b"[1, NaN]", "NaN is not JSON"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 20_000, "deeper than 32 levels"),
        (b"[123456789012345678901234567890]", "does not fit into 64 bits"),
    ],
)
def test_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(NotJSON, match=reason):
        parse(body, limit=LIMIT)


@pytest.mark.parametrize(
    "body", [b"1" * LIMIT, b"[" * LIMIT, b"0." + b"1" * 1_000_000, b"[" + b"[]," * 300_000 + b"1]"]
)
def test_no_body_within_the_limit_takes_long(body: bytes) -> None:
    started = time.thread_time()
    with suppress(NotJSON):
        parse(body, limit=LIMIT)
    assert time.thread_time() - started < 2


def test_a_low_recursion_limit_is_no_crash() -> None:
    deep = b"[" * 5000 + b"]" * 5000
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        with pytest.raises(NotJSON):
            parse(deep, limit=LIMIT)
    finally:
        sys.setrecursionlimit(before)


class Members(list[tuple[str, Any]]):
    """The members of an object, duplicates kept, for the reference."""


def reference(body: bytes) -> Any:
    """Return what the standard library reads, or raise ValueError where the rules say no; written for clarity."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def checked(value: Any, depth: int) -> Any:
        if isinstance(value, list) and depth > 32:
            raise ValueError("deep")
        if isinstance(value, Members):
            if len({name for name, _ in value}) != len(value):
                raise ValueError("duplicate")
            return {checked(name, depth): checked(inner, depth + 1) for name, inner in value}
        if isinstance(value, list):
            return [checked(inner, depth + 1) for inner in value]
        if isinstance(value, str) and "\0" in value:
            raise ValueError("NUL")
        if isinstance(value, str):
            value.encode()
        if isinstance(value, int) and value not in INT64:
            raise ValueError("integer")
        if isinstance(value, float) and not isfinite(value):
            raise ValueError("float")
        return value

    try:
        return checked(json.loads(body.decode(), object_pairs_hook=Members, parse_constant=refuse), 1)
    except RecursionError as error:
        raise ValueError from error


def outcome(read: Any, body: bytes) -> Any:
    try:
        return "value", repr(read(body))
    except ValueError:
        return "refused"


TOKENS = [*'[]{},:"\\ ', '"a"', '"b"', '"a":', "1", "-", "0", "1.5", "e9", "E400", "99999999999999999999"]
TOKENS += ["true", "false", "null", "NaN", "-Infinity", "\\u0000", "\\ud83d", "\\ude00", "\\\\", "\\n", "é", "😀", "\n"]
json_like = st.lists(st.sampled_from(TOKENS), max_size=25).map(lambda tokens: "".join(tokens).encode())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)


@given(json_like | st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@example(b'{"a":1,"a":1}')
@example(b'"\\\\\\u0000"')
def test_agrees_with_the_reference_on_anything(body: bytes) -> None:
    assert outcome(lambda it: parse(it, limit=LIMIT), body) == outcome(reference, body)


@given(json_values, st.booleans())
def test_agrees_with_the_reference_on_documents(value: Any, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert outcome(lambda it: parse(it, limit=LIMIT), body) == outcome(reference, body)


@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from(["[", '{"a":']))
def test_agrees_with_the_reference_on_depth(depth: int, siblings: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    deep = opening * depth + "1" + closing * depth
    body = f"[{deep}{',[]' * siblings}]".encode()
    assert outcome(lambda it: parse(it, limit=LIMIT), body) == outcome(reference, body)
