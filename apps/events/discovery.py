"""Finds what the hub does when an event arrives: ``HANDLERS`` in the ``handlers.py`` of each app."""

from importlib import import_module

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

from xerpium_sdk.events import Handler

__all__ = ["discover_handlers"]


def discover_handlers() -> dict[str, Handler]:
    """Return the handlers of the hub's own apps by event type.

    Raises:
        ImproperlyConfigured: two apps handle one type. They would be retried together, and one that works would run
            again whenever the other fails; let one of them tell the other, or give one a group of its own.
    """
    found: dict[str, Handler] = {}
    for config in apps.get_app_configs():
        if config.name.startswith("apps.") and module_has_submodule(config.module, "handlers"):
            handlers: dict[str, Handler] = import_module(f"{config.name}.handlers").HANDLERS
            if twice := found.keys() & handlers.keys():
                raise ImproperlyConfigured(f"{config.name} handles {', '.join(sorted(twice))}, as another app does.")
            found.update(handlers)
    return found
