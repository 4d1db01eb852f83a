"""What the UI registry does when something happens in its own process."""

from typing import Any

from django.dispatch import receiver

from apps.menus.signals import items_declared
from apps.uiregistry.services.states import manifest_touch


@receiver(items_declared, dispatch_uid="uiregistry.manifest_touch")
def single_items_changed(*, service: str, company_id: int | None, actor: str, **_: Any) -> None:
    """Note that a manifest says something else since somebody changed menu items one by one."""
    manifest_touch(service_name=service, company_id=company_id, actor=actor)
