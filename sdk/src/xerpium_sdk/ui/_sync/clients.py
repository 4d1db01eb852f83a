# Generated from sdk/src/xerpium_sdk/ui/_async/clients.py by tools/unasync.py; change that file, not this one.
"""Declaring menu items, components and widgets one by one, as the first clients did."""

import logging
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from xerpium_sdk.errors import HubError, NotFound
from xerpium_sdk.registry._flows import Call
from xerpium_sdk.registry._sync.client import HubClient
from xerpium_sdk.ui import _flows
from xerpium_sdk.ui._flows import Declared
from xerpium_sdk.ui._sync.line import ServiceLine
from xerpium_sdk.wire import ui
from xerpium_sdk.wire.menus import MenuItem

__all__ = ["MenuRegistrationClient", "UIRegistryClient"]

log = logging.getLogger("xerpium_sdk.ui")


class MenuRegistrationClient(ServiceLine):
    """Declares the menu items of a service one by one; a `Manifest` says all at once, and what is gone too.

    Args:
        menu_service_url: the hub's address, or a client, which then stays open.
        service_name: whose items these are.
        company_id: the company that it speaks for; None: the one of its tokens, or none in particular.

    Attributes:
        registered_items: the ids of what was declared here and not taken back.
    """

    def __init__(self, menu_service_url: HubClient | str, service_name: str, *, company_id: int | None = None) -> None:
        super().__init__(menu_service_url, service_name, company_id=company_id)
        self.registered_items: list[int] = []

    @property
    def menu_service_url(self) -> str:
        """Where the hub is."""
        return self.hub_url

    def declare(self, item: MenuItem) -> Declared:
        """Declare an item, again and again if need be; it keeps its id.

        Raises:
            HubError: it is not declared; `errors` says what there is.
            TypeError, ValueError: something in it has no form in JSON.
        """
        document = _flows.menu_document(item, self.whose)
        declared = self.run(_flows.declare(_flows.MENU_ITEMS, document))
        _keep(self.registered_items, declared.id)
        _tell(f"menu item {item.name!r}", declared)
        return declared

    def withdraw(self, item_id: int) -> None:
        """Take an item back; operators' changes of it return when it is declared again.

        Raises:
            HubError: it is not taken back, or (`NotFound`) it was not there.
        """
        self.run(_flows.withdraw(_flows.MENU_ITEMS, item_id, uuid4().hex))
        _drop(self.registered_items, item_id)

    def register_menu_item(self, menu_item: MenuItem) -> bool:
        """Declare an item; False when that did not succeed, and the log says why. `declare` raises instead."""
        try:
            self.declare(menu_item)
        except (HubError, TypeError, ValueError) as error:
            log.error("Menu item %r of %s is not declared: %s", menu_item.name, self.service_name, error)
            return False
        return True

    def register_menu_items(self, menu_items: Iterable[MenuItem]) -> dict[str, bool]:
        """Declare items in their order; returns by name whether all of that name are declared."""
        results: dict[str, bool] = {}
        for item in menu_items:
            done = self.register_menu_item(item)
            results[item.name] = done and results.get(item.name, True)
        return results

    def unregister_all_items(self) -> bool:
        """Take back what was declared here; False when something could not be, which then stays to be tried again."""
        return _withdraw_all(self, _flows.MENU_ITEMS, self.registered_items)


class UIRegistryClient(ServiceLine):
    """Declares the components and widgets of a service one by one; a `Manifest` says all at once, and what is gone too.

    Args:
        ui_registry_url: the hub's address, or a client, which then stays open.
        service_name: whose they are, unless they say otherwise.
        company_id: the company that it speaks for; None: the one of its tokens, or none in particular.

    Attributes:
        registered_components, registered_widgets: the ids of what was declared here and not taken back.
    """

    def __init__(self, ui_registry_url: HubClient | str, service_name: str, *, company_id: int | None = None) -> None:
        super().__init__(ui_registry_url, service_name, company_id=company_id)
        self.registered_components: list[int] = []
        self.registered_widgets: list[int] = []

    @property
    def ui_registry_url(self) -> str:
        """Where the hub is."""
        return self.hub_url

    def declare(self, item: ui.UIComponent | ui.UIWidget) -> Declared:
        """Declare a component or a widget, again and again if need be; it keeps its id.

        Raises:
            HubError: it is not declared; `errors` says what there is.
            TypeError, ValueError: something in it has no form in JSON.
        """
        is_widget = isinstance(item, ui.UIWidget)
        collection = _flows.WIDGETS if is_widget else _flows.COMPONENTS
        declared = self.run(_flows.declare(collection, _flows.ui_document(item, self.whose)))
        _keep(self.registered_widgets if is_widget else self.registered_components, declared.id)
        _tell(f"{_word(item)} {item.name!r}", declared)
        return declared

    def register_component(self, component: ui.UIComponent) -> bool:
        """Declare a component; False when that did not succeed, and the log says why. `declare` raises instead."""
        return self._register(component)

    def register_widget(self, widget: ui.UIWidget) -> bool:
        """Declare a widget; False when that did not succeed, and the log says why. `declare` raises instead."""
        return self._register(widget)

    def unregister_all(self) -> bool:
        """Take back what was declared here; False when something could not be, which then stays to be tried again."""
        widgets = _withdraw_all(self, _flows.WIDGETS, self.registered_widgets)
        return _withdraw_all(self, _flows.COMPONENTS, self.registered_components) and widgets

    def _register(self, item: ui.UIComponent | ui.UIWidget) -> bool:
        try:
            self.declare(item)
        except (HubError, TypeError, ValueError) as error:
            log.error("%s %r of %s is not declared: %s", _word(item).title(), item.name, self.service_name, error)
            return False
        return True


def _withdraw_all(line: ServiceLine, collection: str, ids: list[int]) -> bool:
    """Take back each of ``ids``, and leave those there that could not be; what is not there any more is taken back."""
    for item_id in list(ids):
        call: Call[None] = _flows.withdraw(collection, item_id, uuid4().hex)
        try:
            line.run(call)
        except NotFound:
            log.info("%s %s of %s was not there any more.", collection, item_id, line.service_name)
        except HubError as error:
            log.error("%s %s of %s is not taken back: %s", collection, item_id, line.service_name, error)
            continue
        _drop(ids, item_id)
    return not ids


def _keep(ids: list[int], item_id: int) -> None:
    if item_id not in ids:
        ids.append(item_id)


def _drop(ids: list[int], item_id: int) -> None:
    if item_id in ids:
        ids.remove(item_id)


def _word(item: Any) -> str:
    return "widget" if isinstance(item, ui.UIWidget) else "component"


def _tell(what: str, declared: Declared) -> None:
    log.info("The %s is declared as %s.", what, declared.id)
    for warning in declared.warnings:
        level = logging.INFO if warning.code == _flows.PENDING_PARENT else logging.WARNING
        log.log(level, "Of the %s the hub says: %s: %s", what, warning.pointer, warning.message)
