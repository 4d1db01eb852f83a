"""Menu items for tests of the pages: declared as services declare them."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.utils import timezone

from apps.menus.models import MenuItem
from apps.menus.services.claiming import claiming
from apps.menus.services.items import item_declare
from apps.menus.services.matching import Declared
from apps.menus.services.reconciling import menus_reconcile

__all__ = ["declare", "plant"]


def declare(service: str, name: str, path: str = "", *, company: int | None = None, **values: Any) -> int:
    """Let a service declare an item; return its number."""
    told = {
        "name": name,
        **({} if "url" in values else {"path": path or _path_of(name)}),
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
    now = timezone.now()
    for service, theirs in groupby(lines, key=itemgetter(0)):
        items = [
            Declared(f"/menus/{name}", {"name": name, "path": _path_of(name), **values}) for _, name, values in theirs
        ]
        with claiming(now):
            menus_reconcile(
                service_name=service, declared_in=None, items=items, prune=False, companies="*",
                actor=f"service:{service}", now=now,
            )  # fmt: skip
    return dict(MenuItem.objects.filter(name__in=[name for _, name, _ in lines]).values_list("name", "pk"))


def _path_of(name: str) -> str:
    return f"/{name.lower().replace(' ', '-')}"
