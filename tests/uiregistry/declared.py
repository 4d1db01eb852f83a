"""What services declare in these tests."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.menus import services as menus
from apps.menus.services import Declared, Outcome
from apps.uiregistry.services.declaring import components_reconcile, widgets_reconcile


def component(name: str = "List", **changes: Any) -> dict[str, Any]:
    """Return a page; its route follows from its name."""
    path = "/" + name.lower().replace(" ", "-")
    return {
        "name": name,
        "component_type": "page",
        "route_path": path,
        "api_endpoint": f"/api/v1{path}",
        **changes,
    }


def widget(name: str = "Count", **changes: Any) -> dict[str, Any]:
    """Return a metric."""
    return {"name": name, "widget_type": "metric", "api_endpoint": "/api/v1/count", **changes}


def declare(
    service: str = "products",
    components: Sequence[dict[str, Any]] | None = None,
    widgets: Sequence[dict[str, Any]] | None = None,
    *,
    company: int | None = None,
    prune: bool = True,
) -> Outcome:
    """Declare all components, or all widgets, of a service as a manifest would."""
    reconcile = widgets_reconcile if components is None else components_reconcile
    section, items = ("widgets", widgets or ()) if components is None else ("components", components)
    with transaction.atomic():
        menus.lock()
        return reconcile(
            service_name=service,
            declared_in=company,
            items=[Declared(f"/{section}/{index}", item) for index, item in enumerate(items)],
            prune=prune,
            companies="*",
            actor=f"service:{service}",
            now=timezone.now(),
        )
