"""The hub in memory beside the hub itself: the same requests, and what both answer."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from apps.registry.live import live
from tests.support.api import Api
from tests.support.database import transactional_db
from xerpium_sdk.testing import TestHub

__all__ = ["transactional_db"]

JSON = dict[str, Any]
Send = Callable[[str, str, Any], tuple[int, Any]]

AT = {"host": "127.0.0.1", "port": 8102}
BODY = {
    **AT,
    "name": "orders",
    "version": "1.4.2",
    "health_check_url": "http://127.0.0.1:8102/health",
    "api_base_url": "http://127.0.0.1:8102/api",
    "capabilities": ["ordering"],
    "dependencies": ["stock"],
}
ITEM = {"name": "Orders", "path": "/orders", "icon": "receipt", "service_name": "orders"}
MENUS = [{"name": f"Item {n}", "path": f"/orders/{n}"} for n in range(8)]
WIDGET = {"name": "By state", "widget_type": "chart", "api_endpoint": "/api/by-state"}
INSTANCE = "/services/orders/instances/127.0.0.1:8102"


def manifest(generation: int, menus: list[JSON], version: str = "1.0.0", **more: Any) -> JSON:
    """Return a body for PUT."""
    return {"schema_version": 1, "version": version, "generation": generation, "menus": menus, **more}


STEPS: list[tuple[str, str, Any]] = [
    ("POST", "/services/register", {**BODY, "name": "Orders!", "version": "one"}),
    ("POST", "/services/register", {name: value for name, value in BODY.items() if name != "version"}),
    ("POST", "/services/register", {**BODY, "colour": "red"}),
    ("POST", "/services/register", BODY),
    ("POST", "/services/register/", BODY),
    ("GET", "/services/orders", None),
    ("GET", "/services/orders?version=^2", None),
    ("GET", "/services/orders?version=^1", None),
    ("GET", "/services/stock", None),
    ("GET", "/services/?capability=ordering", None),
    ("GET", "/services/?capability=nothing", None),
    ("POST", "/services/health", {"service_name": "orders", "status": "healthy", "details": {"queue": 1}}),
    ("POST", "/services/health", {"service_name": "orders", "status": "stale"}),
    ("POST", "/services/health", {"service_name": "nobody", "status": "healthy"}),
    ("POST", f"{INSTANCE}/drain", {"reason": "upkeep"}),
    ("POST", "/services/register", BODY),
    ("GET", "/services/orders", None),
    ("POST", f"{INSTANCE}/resume", {"reason": "done"}),
    ("POST", "/services/orders/instances/none/drain", {"reason": "upkeep"}),
    ("POST", "/menu-items/", ITEM),
    ("POST", "/menu-items/", {**ITEM, "icon": "truck"}),
    ("POST", "/menu-items/", {**ITEM, "service_name": "sales", "path": "/Orders/"}),
    ("POST", "/menu-items/", {"name": "Nowhere", "service_name": "orders"}),
    ("DELETE", "/menu-items/999999", None),
    ("POST", "/widgets/", {**WIDGET, "service_name": "orders"}),
    ("GET", "/services/orders/manifest", None),
    ("GET", "/services/nobody/manifest", None),
    ("PUT", "/services/orders/manifest?dry_run=true", manifest(5, MENUS, widgets=[WIDGET])),
    ("PUT", "/services/orders/manifest", manifest(5, MENUS, widgets=[WIDGET])),
    ("PUT", "/services/orders/manifest", manifest(6, MENUS, widgets=[WIDGET])),
    ("PUT", "/services/orders/manifest", manifest(6, MENUS)),
    ("PUT", "/services/orders/manifest", manifest(7, MENUS[:1])),
    ("PUT", "/services/orders/manifest?confirm_prune=true", manifest(7, [{**MENUS[0], "name": "First"}])),
    ("PUT", "/services/sales/manifest", manifest(1, [{"name": "Mine", "path": "/Orders/0/"}])),
    ("PUT", "/services/orders/manifest", manifest(8, [*MENUS, {"name": "Again", "path": "/ORDERS/1", "key": "again"}])),
    ("PUT", "/services/orders/manifest", {"schema_version": 1, "menus": []}),
    ("GET", "/services/orders/manifest", None),
    ("DELETE", "/services/orders/manifest", None),
    ("DELETE", "/services/orders/manifest", None),
    ("POST", "/events/", {"event_type": "order_created", "service_name": "orders", "entity_type": "Order"}),
    ("POST", "/events/", {"service_name": "orders"}),
    ("DELETE", INSTANCE, None),
    ("DELETE", INSTANCE, None),
    ("GET", "/services/orders", None),
    ("PATCH", "/services/register", {}),
]
DIFFERENT = {"id", "revision", "event_id", "stream_id", "status_since", "registered_at", "last_seen"}


@pytest.fixture
def real(transactional_db: None) -> Iterator[Send]:
    """The hub itself, without a socket."""
    api = Api()

    def send(verb: str, path: str, body: Any) -> tuple[int, Any]:
        answer = api.send(verb, path, body)
        return answer.status_code, answer.json() if answer.content else None

    yield send
    live.stop()


@pytest.fixture
def in_memory() -> Iterator[Send]:
    """The hub in memory."""
    with TestHub() as hub, httpx2.Client(base_url=f"{hub.url}/api/v1") as client:

        def send(verb: str, path: str, body: Any) -> tuple[int, Any]:
            answer = client.request(verb, path, **({} if body is None else {"json": body}))
            return answer.status_code, answer.json() if answer.content else None

        yield send


def told(status: int, document: Any) -> Any:
    """Return of an answer what both hubs have to say alike."""
    if not isinstance(document, dict):
        return status, document
    if status >= 400:
        return status, document["code"], sorted(fault["pointer"] for fault in document["errors"])
    said = {name: value for name, value in document.items() if name not in DIFFERENT}
    for entries in ("created", "updated", "removed"):
        if entries in said:
            said[entries] = sorted((one["kind"], one["key"], tuple(one.get("fields") or ())) for one in said[entries])
    for name in ("results", "instances"):
        if name in said:
            said[name] = [
                (one["name"] if name == "results" else one["instance_id"], one["status"]) for one in said[name]
            ]
    return status, said


def test_both_answer_the_same(real: Send, in_memory: Send) -> None:
    other = []
    for step in STEPS:
        one, two = told(*real(*step)), told(*in_memory(*step))
        if step[1] in ("/menu-items/", "/widgets/") and one[0] == 201:
            one = one[0], {name: one[1][name] for name in two[1]}  # the hub tells more: what counts, overlays, times
        if one != two:
            other.append(f"{step[0]} {step[1]}\n   hub       {one}\n   in memory {two}")
    assert other == [], "\n".join(other)
