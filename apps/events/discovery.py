"""Finds what the hub does when an event arrives, in the ``handlers.py`` of each app.

``HANDLERS`` there is a dict of functions by type of event: together they are the group ``hub-core``. ``SUBSCRIPTIONS``
is a tuple of `Subscription`, groups of their own.
"""

from importlib import import_module

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

from apps.events.subscriptions import CORE_GROUP, Subscription
from xerpium_sdk.events import Handler

__all__ = ["discover_handlers", "discover_subscriptions"]


def discover_subscriptions() -> dict[str, Subscription]:
    """Return the hub's groups by name, ``hub-core`` first.

    Raises:
        ImproperlyConfigured: two apps handle one type, or name one group.
    """
    found = {}
    if handlers := discover_handlers():
        found[CORE_GROUP] = Subscription(group=CORE_GROUP, handlers=handlers)
    for name, module in _modules():
        for subscription in getattr(module, "SUBSCRIPTIONS", ()):
            if subscription.group in found:
                raise ImproperlyConfigured(f"{name} names the group {subscription.group}, as another app does.")
            found[subscription.group] = subscription
    return found


def discover_handlers() -> dict[str, Handler]:
    """Return the handlers of the hub's own apps by event type.

    Raises:
        ImproperlyConfigured: two apps handle one type. They would be retried together, and one that works would run
            again whenever the other fails; let one of them tell the other, or give one a group of its own.
    """
    found: dict[str, Handler] = {}
    for name, module in _modules():
        handlers: dict[str, Handler] = getattr(module, "HANDLERS", {})
        if twice := found.keys() & handlers.keys():
            raise ImproperlyConfigured(f"{name} handles {', '.join(sorted(twice))}, as another app does.")
        found.update(handlers)
    return found


def _modules() -> list[tuple[str, object]]:
    configs = [config for config in apps.get_app_configs() if config.name.startswith("apps.")]
    return [
        (config.name, import_module(f"{config.name}.handlers"))
        for config in configs
        if module_has_submodule(config.module, "handlers")
    ]
