"""What services declared, as they sent it."""

from collections.abc import Mapping
from typing import Any

from apps.menus.models import MenuItem

__all__ = ["items_declared"]


def items_declared(service_name: str, declared_in: int | None) -> list[Mapping[str, Any]]:
    """Return what a service declares from within a company (None: from none), in its own order, as it was sent.

    Only what is in sight of the running code, and nothing that was taken back.
    """
    rows = MenuItem.objects.filter(service_name=service_name, declared_in=declared_in, archived_at=None)
    return list(rows.order_by("position", "id").values_list("declared", flat=True))
