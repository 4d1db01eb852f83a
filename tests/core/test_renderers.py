"""JSON out: the contract's times, nothing that cannot be read again, and JSON for everybody."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from apps.core.renderers import JSONRenderer, dumps


class Colour(StrEnum):
    RED = "red"


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=UTC), '"2026-01-02T03:04:05.678Z"'),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), '"2026-01-02T01:04:05.000Z"'),
        (datetime(2026, 1, 2, 3, 4, 5), '"2026-01-02T03:04:05.000Z"'),  # noqa: DTZ001  a time without a zone is UTC
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Colour.RED, '"red"'),
        (Point(1), '{"x":1}'),
        (gettext_lazy("Yes"), '"Yes"'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        ("é\n", '"é\\n"'),
        ([None, True, 1.5, 2**63 - 1], "[null,true,1.5,9223372036854775807]"),
        (
            {"é": [10**20, -(10**308)], "at": datetime(2026, 1, 2, tzinfo=UTC)},
            f'{{"é":[{10**20},{-(10**308)}],"at":"2026-01-02T00:00:00.000Z"}}',
        ),
    ],
    ids=str,
)
def test_writes(value: Any, written: str) -> None:
    assert dumps(value).decode() == written


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, {"a": {1, 2}}, [2**64, {1}], "\ud800"], ids=lambda value: type(value).__name__
)
def test_refuses_what_has_no_json_form(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(json_values)
def test_what_is_written_reads_the_same(value: Any) -> None:
    assert json.loads(dumps(value)) == value


def test_no_data_is_no_body() -> None:
    assert JSONRenderer().render(None) == b""
    assert JSONRenderer().render({}) == b"{}"


@pytest.mark.urls("tests.core.urls")
@pytest.mark.parametrize(
    "accept", ["application/json", "text/html", "image/png", "*/*", "", "nonsense", "application/xml;q=1"]
)
def test_everybody_gets_json(client: Client, accept: str) -> None:
    answer = client.get("/api/v1/echo", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {"caller": "open:open"}
