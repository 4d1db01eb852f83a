"""What a service has to show, as it is declared piece by piece."""

from collections.abc import Iterable
from dataclasses import replace

from xerpium_sdk.wire.manifests import Manifest
from xerpium_sdk.wire.menus import Badge, MenuItem
from xerpium_sdk.wire.ui import UIComponent, UIWidget

__all__ = ["Declarations", "Item"]

Item = MenuItem | UIComponent | UIWidget


class Declarations:
    """Collects a manifest; each step is checked where it is taken.

    ``manifest`` is None as long as nothing was declared: such a service leaves what the hub has as it is.
    """

    def __init__(self, manifest: Manifest | None) -> None:
        self.manifest = manifest

    def add(self, items: Iterable[Item]) -> None:
        """Declare more.

        Raises:
            InvalidManifest: it contradicts what is there; then nothing of it is declared.
        """
        before = self.manifest or Manifest()
        menus, components, widgets = list(before.menus), list(before.components), list(before.widgets)
        for item in items:
            if isinstance(item, MenuItem):
                menus.append(item)
            elif isinstance(item, UIComponent):
                components.append(item)
            else:
                widgets.append(item)
        self.manifest = replace(before, menus=menus, components=components, widgets=widgets)

    def badge(self, key: str, badge: Badge) -> None:
        """Put a number beside a menu item that was declared, named by its key, its path or its name.

        Raises:
            LookupError: there is no such item.
        """
        before = self.manifest or Manifest()
        found = [item for item in before.menus if key in (item.effective_key, item.path, item.name)]
        if not found:
            raise LookupError(f"No menu item {key!r} was declared.")
        menus = [replace(item, badge=badge) if item is found[0] else item for item in before.menus]
        self.manifest = replace(before, menus=menus)
