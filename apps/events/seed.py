"""Examples of the types that every consumer of today knows, from the golden messages of the wire."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from xerpium_sdk.wire import examples

__all__ = ["example_of"]


@cache
def _examples() -> Mapping[str, Mapping[str, Any]]:
    """Return the data of a golden message for each type that has one; each is an entry's eleven fields."""
    found: dict[str, Mapping[str, Any]] = {}
    for name in examples.names():
        document = examples.load(name)
        if isinstance(document, dict) and isinstance(document.get("event_type"), str):
            data = document.get("data") or {}
            found.setdefault(document["event_type"], json.loads(data) if isinstance(data, str) else data)
    return found


def example_of(event_type: str) -> Mapping[str, Any] | None:
    """Return the data of an example of ``event_type``, None when there is none."""
    return _examples().get(event_type)
