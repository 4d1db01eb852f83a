"""Golden messages: each is what goes over the wire, and both sides are tested on the same ones."""

import json
from importlib.resources import files
from typing import Any

__all__ = ["load", "names"]


def names() -> list[str]:
    """Return the names of all examples, sorted."""
    found = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))


def load(name: str) -> Any:
    """Return the example ``name`` as JSON reads it."""
    return json.loads(files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
