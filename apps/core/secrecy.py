"""What the console does not show: values whose name says that they are a secret; metadata and data may hold some."""

import re
from typing import Any

__all__ = ["HIDDEN", "masked"]

HIDDEN = "(hidden)"

# The names that Spring Boot Admin hides, and what else is common.
_SECRET = re.compile(r"(password|passwd|secret|key|token|credentials?|authorization)$", re.IGNORECASE)


def masked(value: Any) -> Any:
    """Return a JSON value with everything hidden that stands under a secret's name, however deep."""
    if isinstance(value, dict):
        return {name: HIDDEN if _SECRET.search(name) else masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return value
