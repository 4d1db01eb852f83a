"""Items and forests for tests: what is not named is as plain as can be."""

from typing import Any

import orjson

from apps.menus.tree import Forest, Item, Layer, compile

__all__ = ["forest", "item", "layer", "outline", "tree_of"]


def item(number: int, **fields: Any) -> Item:
    """Return an item; its key and path follow from its number."""
    path = fields.pop("path", f"/{number}")
    plain: dict[str, Any] = {
        "id": number,
        "service_name": "orders",
        "company_id": None,
        "key": path,
        "name": f"Item {number}",
        "path": path,
        "url": None,
        "route_key": path,
        "icon": "box",
        "parent_id": None,
        "pending": False,
        "order_number": 100.0,
        "before": None,
        "after": None,
        "permissions": (),
        "any_of": False,
        "is_page": False,
        "is_active": True,
        "labels": {},
        "badge": None,
        "displaced": False,
    }
    return Item(**(plain | fields))


def layer(changes: dict[int, dict[str, Any]], scope: str = "global", scope_id: int = 0) -> Layer:
    """Return overlays of one scope, by Ann."""
    return Layer(scope, scope_id, changes, dict.fromkeys(changes, "operator:ann"))


def forest(*items: Item, layers: Any = (), lifetimes: Any = None) -> Forest:
    """Return the compiled forest of ``items``."""
    return compile(items, list(layers), lifetimes or {})


def tree_of(made: Forest, *grants: str, locale: str | None = None) -> list[Any]:
    """Return the tree that somebody with ``grants`` gets, parsed."""
    found: list[Any] = orjson.loads(made.render(grants or ("*",), locale))
    return found


def outline(nodes: list[Any]) -> Any:
    """Return a tree as numbers: an item without children is its number, one with some is (number, [children])."""
    return [(node["id"], outline(node["children"])) if node["children"] else node["id"] for node in nodes]
