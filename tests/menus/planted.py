"""Menu items for tests of the pages: declared as services declare them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from apps.menus.services.items import item_declare

__all__ = ["declare", "plant"]


def declare(service: str, name: str, path: str = "", *, company: int | None = None, **values: Any) -> int:
    """Let a service declare an item; return its number."""
    told = {
        "name": name,
        **({} if "url" in values else {"path": path or f"/{name.lower().replace(' ', '-')}"}),
        **values,
    }
    if company is not None:
        told["company_id"] = company
    number, _ = item_declare(
        service_name=service,
        declared_in=company,
        values=told,
        companies="*",
        actor=f"service:{service}",
        now=timezone.now(),
    )
    return number


def plant() -> dict[str, int]:
    """Declare a small menu of three services; return the numbers by name."""
    found: dict[str, int] = {}
    lines: Sequence[tuple[str, str, Mapping[str, Any]]] = (
        ("product-service", "Catalogue", {"icon": "inventory_2", "order_number": 1}),
        ("product-service", "Products", {"icon": "package", "parent_name": "Catalogue", "order_number": 1}),
        ("product-service", "Categories", {"icon": "category", "parent_name": "Catalogue", "order_number": 2}),
        ("product-service", "Prices", {"icon": "sell", "parent_name": "Catalogue", "order_number": 3,
                                       "required_permissions": ["product.price"]}),
        ("order-service", "Sales", {"icon": "shopping_cart", "order_number": 2}),
        ("order-service", "Orders", {"icon": "receipt_long", "parent_name": "Sales", "order_number": 1,
                                     "required_permissions": ["order.view"]}),
        ("order-service", "Returns", {"icon": "undo", "parent_name": "Sales", "order_number": 2}),
        ("report-service", "Reports", {"icon": "bar-chart", "order_number": 3}),
        ("report-service", "Lost", {"parent_name": "Nowhere"}),
    )  # fmt: skip
    for service, name, values in lines:
        found[name] = declare(service, name, **values)
    return found
