"""Which components and widgets may be declared, and what is worth a warning. Pure.

Everything here looks at an item as it was sent: what has another type than it should is left to whoever checks types.
"""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import FieldError
from apps.menus.paths import endpoint_fault, endpoint_names, param_names, path_fault
from apps.uiregistry import schemas

__all__ = [
    "MAX_INTERVAL",
    "MAX_NAME",
    "MIN_INTERVAL",
    "component_faults",
    "component_warnings",
    "widget_faults",
    "widget_warnings",
]

MAX_NAME = 100
MIN_INTERVAL, MAX_INTERVAL = 5, 86_400

Item = Mapping[str, Any]


def component_faults(item: Item) -> list[FieldError]:
    """Return what is wrong with a component beyond the types of its fields, with pointers into it."""
    faults = schemas.size_faults(item)
    if (path := _text(item, "route_path")) and (words := path_fault(path)):
        faults.append(FieldError("/route_path", "path", words))
    if (endpoint := _text(item, "api_endpoint")) and (words := endpoint_fault(endpoint)):
        faults.append(FieldError("/api_endpoint", "endpoint", words))
    if not faults and (kind := item.get("component_type")) in schemas.COMPONENT_TYPES:
        faults += schemas.component_faults(kind, _object(item, "props"), _object(item, schemas.METADATA))
    return faults


def widget_faults(item: Item) -> list[FieldError]:
    """Return what is wrong with a widget beyond the types of its fields, with pointers into it."""
    faults = schemas.size_faults(item)
    if endpoint := _text(item, "api_endpoint"):
        words = endpoint_fault(endpoint)
        if words is None and endpoint_names(endpoint):
            words = "The data of a widget is asked for as it is written here: nothing is filled in."
        if words:
            faults.append(FieldError("/api_endpoint", "endpoint", words))
    interval = item.get("refresh_interval")
    if type(interval) is int and interval != 0 and not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        message = f"0 (by hand), or {MIN_INTERVAL} to {MAX_INTERVAL} seconds."
        faults.append(FieldError("/refresh_interval", "interval", message))
    if not faults and (kind := item.get("widget_type")) in schemas.WIDGET_TYPES:
        faults += schemas.widget_faults(kind, _object(item, "config"))
    return faults


def component_warnings(item: Item) -> list[FieldError]:
    """Return what a good component may have meant otherwise."""
    kind = item["component_type"]
    found = schemas.component_warnings(kind, item.get("props", {}), item.get(schemas.METADATA, {}))
    params = param_names(item["route_path"])
    for name in endpoint_names(item["api_endpoint"]):
        if name not in params:
            message = f"The route has no parameter :{name} to fill in {{{name}}} with."
            found.append(FieldError("/api_endpoint", "unknown_placeholder", message))
    return found


def widget_warnings(item: Item) -> list[FieldError]:
    """Return what a good widget may have meant otherwise."""
    return schemas.widget_warnings(item["widget_type"], item.get("config", {}))


def _text(item: Item, name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _object(item: Item, name: str) -> Mapping[str, Any]:
    value = item.get(name)
    return value if isinstance(value, Mapping) else {}
