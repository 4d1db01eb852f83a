"""Where a fault is: JSON pointers (RFC 6901) for the faults that a serializer reports. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from apps.core.errors import FieldError

# What the REST framework calls faults of an object as a whole.
WHOLE = "non_field_errors"


def below(parent: str, part: str | int) -> str:
    """Return the pointer of the member ``part`` of what ``parent`` points at; ``~`` and ``/`` are escaped."""
    return f"{parent}/{str(part).replace('~', '~0').replace('/', '~1')}"


def faults(detail: Any, pointer: str = "") -> Iterator[FieldError]:
    """Yield every fault in the ``detail`` of a serializer's ``ValidationError``, in the order of the fields.

    A detail is a message, a list of messages, a list with one detail per item, or a dict with one detail per member.
    """
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from faults(inner, pointer if name == WHOLE else below(pointer, name))
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            yield from faults(inner, pointer if isinstance(inner, str) else below(pointer, index))
    else:
        yield FieldError(pointer, getattr(detail, "code", None) or "invalid", str(detail))


def query_faults(detail: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield every fault of query parameters, each under ``?name``, whatever is wrong inside its value."""
    for name, inner in detail.items():
        for fault in faults(inner):
            yield FieldError(f"?{name}", fault.code, fault.message)
