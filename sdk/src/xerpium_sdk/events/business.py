"""What an event says of a business object: what the seed's publisher takes from it. Pure."""

from collections.abc import Sequence
from typing import Any

__all__ = ["business_event"]

_TOLD = ("name", "code", "email")


def business_event(business_object: Any, action: str, changed_fields: Sequence[str] | None) -> dict[str, Any]:
    """Return ``entity_type, entity_id, company_id`` and ``data`` for an event about ``business_object``."""
    data: dict[str, Any] = {"action": action, "entity_name": str(business_object)}
    if changed_fields:
        data["changed_fields"] = list(changed_fields)
    data |= {name: getattr(business_object, name) for name in _TOLD if hasattr(business_object, name)}
    return {
        "entity_type": type(business_object).__name__,
        "entity_id": getattr(business_object, "id", None),
        "company_id": getattr(business_object, "company_id", None),
        "data": data,
    }
