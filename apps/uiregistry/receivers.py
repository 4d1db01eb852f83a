"""What the UI registry does when something happens in its own process."""

from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from apps.menus.models import COMPONENT
from apps.menus.signals import items_declared, path_handed
from apps.uiregistry.services.claims import routes_show
from apps.uiregistry.services.states import manifest_touch


@receiver(items_declared, dispatch_uid="uiregistry.manifest_touch")
def single_items_changed(*, service: str, company_id: int | None, actor: str, **_: Any) -> None:
    """Note that a manifest says something else since somebody changed menu items one by one."""
    manifest_touch(service_name=service, company_id=company_id, actor=actor)


@receiver(path_handed, dispatch_uid="uiregistry.routes_show")
def route_handed(*, kind: str, route_key: str, company_id: int | None, service: str | None, **_: Any) -> None:
    """Show the component of whom an operator gave a route, and no other."""
    if kind == COMPONENT:
        routes_show(place=(route_key, company_id), service=service, now=timezone.now())
