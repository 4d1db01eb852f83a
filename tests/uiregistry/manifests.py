"""Manifests for tests, and who sends them."""

import copy
from typing import Any

from tests.support.api import Api
from tests.support.tokens import bearer, token_for

__all__ = ["BODY", "NETWORK", "PATH", "Caller", "manifest", "menu", "put"]

PATH = "/services/orders/manifest"
NETWORK = "10.9.9.9"
BODY: dict[str, Any] = {
    "schema_version": 1,
    "version": "1.4.2",
    "generation": 41,
    "menus": [
        {"name": "Orders", "path": "/orders", "icon": "box", "required_permissions": ["order.view"]},
        {"name": "Open orders", "path": "/orders/open", "parent_name": "Orders", "order_number": 1},
        {
            "name": "Handbook",
            "url": "https://handbook.example/orders",
            "key": "handbook",
            "labels": {"pl": "Podręcznik"},
        },
    ],
    "components": [
        {
            "name": "Order form",
            "component_type": "form",
            "route_path": "/orders/edit/:id",
            "api_endpoint": "/api/v1/orders/{id}",
            "permissions": ["order.edit"],
            "props": {"fields": [{"name": "number", "type": "text", "required": True}]},
        }
    ],
    "widgets": [
        {
            "name": "Order count",
            "widget_type": "metric",
            "api_endpoint": "/api/v1/orders/count",
            "size": "small",
            "config": {"title": "Orders"},
        }
    ],
}


def manifest(**changes: Any) -> dict[str, Any]:
    """Return a manifest with ``changes``."""
    return copy.deepcopy(BODY) | changes


def menu(number: int, **changes: Any) -> dict[str, Any]:
    """Return one menu item of many."""
    return {"name": f"Item {number}", "path": f"/items/{number}", **changes}


def put(api: Any, body: dict[str, Any], query: str = "", path: str = PATH, status: int = 200, **sent: Any) -> Any:
    """Put a manifest and return the answer's document; its status must be the one expected."""
    answer = api.send("PUT", f"{path}{query}", body, **sent)
    assert answer.status_code == status, answer.content
    return answer.json()


class Caller:
    """A service with a token, in the network."""

    def __init__(self, service: str, **token: Any) -> None:
        self._api, self._headers = Api(), bearer(token_for(service, **token))

    def send(self, verb: str, path: str, body: Any = None) -> Any:
        """Send a request with the token."""
        return self._api.send(verb, path, body, headers=self._headers, REMOTE_ADDR=NETWORK)

    def get(self, path: str) -> Any:
        """Read."""
        return self.send("GET", path)
