"""The types that every consumer of today knows, with examples from the golden messages of the wire. Pure."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from xerpium_sdk.wire import examples
from xerpium_sdk.wire.envelope import EventType

__all__ = ["SEED_TYPES", "example_of"]

SEED_TYPES = frozenset(kind.value for kind in EventType)


def example_of(event_type: str) -> Mapping[str, Any] | None:
    """Return the data of an example of ``event_type``, None when there is none."""
    return _examples().get(event_type)


@cache
def _examples() -> Mapping[str, Mapping[str, Any]]:
    """Return the data of the golden message of each type."""
    entries = [golden["entry"] for golden in examples.load("events")]
    return {entry["event_type"]: json.loads(entry["data"]) for entry in entries}
