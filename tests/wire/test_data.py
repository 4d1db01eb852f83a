"""What may stand in the data of an event, and what is said of the rest."""

import json
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from xerpium_sdk.wire.data import dump_data, load_data


class Colour(Enum):
    RED = "red"


class Price(Enum):
    LOW = Decimal("1.50")


class Unit(StrEnum):
    PIECE = "pcs"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("19.90"), '"19.90"'),
        (Decimal("1E+3"), '"1E+3"'),
        (datetime(2026, 11, 22, 21, 15, tzinfo=timezone(timedelta(hours=1))), '"2026-11-22T20:15:00.000Z"'),
        (datetime(2026, 11, 22, 21, 15, 0, 1999), '"2026-11-22T21:15:00.001Z"'),  # noqa: DTZ001 - one without a zone
        (date(2026, 11, 22), '"2026-11-22"'),
        (time(21, 15), '"21:15:00"'),
        (time(21, 15, tzinfo=UTC), '"21:15:00+00:00"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Colour.RED, '"red"'),
        (Price.LOW, '"1.50"'),
        (Unit.PIECE, '"pcs"'),
        (Level.HIGH, "3"),
        (MappingProxyType({"a": (1, None)}), '{"a":[1,null]}'),
        (OrderedDict(a=True), '{"a":true}'),
        ({2: "two", None: "nothing", True: "yes"}, '{"2":"two","null":"nothing","true":"yes"}'),
        ("für 👍 \x00 \x7f", '"für 👍 \\u0000 \x7f"'),
        (0, "0"),
        ("", '""'),
        ([], "[]"),
        (False, "false"),
        (2**80, str(2**80)),
    ],
    ids=repr,
)
def test_everyday_values_have_a_json_form(value: Any, text: str) -> None:
    dumped = dump_data({"value": value})
    assert dumped == f'{{"value":{text}}}'
    assert load_data(dumped) == json.loads(dumped)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ({"tags": {1, 2}}, TypeError, r"data\.tags: a set has no JSON form"),
        ({"lines": [{}, {}, {}, {"price": float("nan")}]}, ValueError, r"data\.lines\[3\]\.price: nan is not JSON"),
        ({"lines": ({"price": float("-inf")},)}, ValueError, r"data\.lines\[0\]\.price: -inf is not JSON"),
        ({"price": Decimal("NaN")}, ValueError, r"data\.price: NaN is not JSON"),
        ({"a": {"photo": b"\xff"}}, TypeError, r"data\.a\.photo: a bytes has no JSON form"),
        ({"a": {("x", "y"): 1}}, TypeError, r"data\.a: a key is a tuple"),
        ({"a": {UUID(int=1): 1}}, TypeError, r"data\.a: a key is a UUID"),
        ({"a": MappingProxyType({"b": object()})}, TypeError, r"data\.a\.b: a object"),
        ({"half": "\ud83d"}, ValueError, r"data\.half: half of a surrogate pair"),
        ({"\ud83d": 1}, ValueError, r"data: the key '\\ud83d': half of a surrogate pair"),
        ({float("inf"): 1}, ValueError, r"data: the key inf: inf is not JSON"),
        ({"odd": Decimal("sNaN"), "fine": 1}, ValueError, r"data\.odd: sNaN"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_error_says_where_and_why(data: dict[Any, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        dump_data(data)


def test_what_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for data in (loop, deep):
        with pytest.raises(ValueError, match="nested too deeply"):
            dump_data(data)
