"""Examples of the types that every consumer of today knows, from the golden messages of the wire."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from xerpium_sdk.wire import examples

__all__ = ["example_of"]


@cache
def _examples() -> Mapping[str, Mapping[str, Any]]:
    """Return the data of the golden message of each type."""
    return {example["means"]["event_type"]: example["means"]["data"] for example in examples.load("events")}


def example_of(event_type: str) -> Mapping[str, Any] | None:
    """Return the data of an example of ``event_type``, None when there is none."""
    return _examples().get(event_type)
