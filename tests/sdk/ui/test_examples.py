"""What the example services bring to the hub, and what their widgets and badges get to show."""

from types import ModuleType
from typing import Any

import httpx2
import pytest

from tests.sdk._tasks import wait_until
from tests.sdk.conftest import Importer
from tests.sdk.hub import service, snapshot
from tests.sdk.ui.hub import UIHub
from xerpium_sdk.ui import Manifest

pytestmark = pytest.mark.anyio


def caller(module: ModuleType) -> httpx2.AsyncClient:
    """Return a client of an example's own API."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(module.app), base_url="http://example")


async def brought(hub: UIHub, module: ModuleType, service: str) -> dict[str, Any]:
    """Return the manifest that an example brings when it starts."""
    async with module.app.router.lifespan_context(module.app):
        await wait_until(lambda: service in hub.manifests, description=f"the manifest of {service}")
    return hub.manifests[service]


async def test_the_product_service_brings_a_menu_two_components_and_three_widgets(
    hub: UIHub, example: Importer
) -> None:
    products = example("product_service")
    manifest = await brought(hub, products, "product-service")
    assert (manifest["version"], manifest["generation"]) == ("1.4.0", 1_004_000)
    assert [(item["path"], item.get("parent_name"), item["order_number"]) for item in manifest["menus"]] == [
        ("/products", None, 200),
        ("/products/list", "Product Catalog", 1),
        ("/products/categories", "Product Catalog", 2),
        ("/products/pricing", "Product Catalog", 3),
        ("/products/reports", "Product Catalog", 10),
    ]
    assert [item["component_type"] for item in manifest["components"]] == ["page", "form"]
    assert [item["widget_type"] for item in manifest["widgets"]] == ["metric", "table", "chart"]


async def test_the_order_service_hangs_its_items_under_the_product_services_menu(hub: UIHub, example: Importer) -> None:
    manifest = await brought(hub, example("order_service"), "order-service")
    assert [item["parent_name"] for item in manifest["menus"]] == [
        "Product Catalog",
        "product-service:/products/reports",
    ]
    assert [item["name"] for item in manifest["widgets"]] == ["Recent Orders"]


async def test_every_endpoint_that_is_declared_answers(example: Importer) -> None:
    for name in ("product_service", "order_service"):
        module = example(name)
        manifest: Manifest = module.service.manifest
        endpoints = [item.api_endpoint for item in manifest.components]
        endpoints += [item.api_endpoint for item in manifest.widgets]
        endpoints += [item.badge.endpoint for item in manifest.menus if item.badge]  # type: ignore[union-attr]
        async with caller(module) as call:
            for endpoint in endpoints:
                assert (await call.get(endpoint.replace("{id}", "3"))).status_code in (200, 404), endpoint
                if "{id}" not in endpoint:
                    assert (await call.get(endpoint)).status_code == 200, endpoint


async def test_widgets_of_products_show_what_there_is(example: Importer) -> None:
    async with caller(example("product_service")) as call:
        low = {"id": 5, "name": "Ballpoint pen, blue", "sku": "PEN-10", "current_stock": 4, "minimum_stock": 10}
        for endpoint, shown in (
            ("products/stats/count", {"value": 4}),
            ("products/low-stock", [low]),
            ("products/low-stock/count", {"count": 1}),
            ("categories/stats", [{"label": "Kitchen", "value": 2}, {"label": "Office", "value": 2}]),
        ):
            assert (await call.get(f"/api/v1/{endpoint}")).json() == shown
        pen = (await call.get("/api/v1/products/5")).json()
        assert (await call.put("/api/v1/products/5", json=pen | {"stock": 90})).json()["stock"] == 90
        assert (await call.get("/api/v1/products/low-stock/count")).json() == {"count": 0}
        refused = [
            await call.put("/api/v1/products/5", json=pen | {"sku": "MUG-01"}),
            await call.put("/api/v1/products/99", json=pen),
        ]
        assert [answer.status_code for answer in refused] == [409, 404]


async def test_widgets_of_orders_show_what_there_is(
    hub: UIHub, example: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, products = example("order_service"), example("product_service")
    to_products = httpx2.AsyncClient(transport=httpx2.ASGITransport(products.app))
    monkeypatch.setattr(orders.service.services, "_http", to_products)
    hub.opening = [snapshot(1, service("product-service"))]
    async with to_products, orders.app.router.lifespan_context(orders.app), caller(orders) as call:
        assert (await call.get("/api/v1/orders/recent")).json() == []
        for customer in ("Ada", "Grace"):
            order = {"customer": customer, "lines": [{"product_id": 3, "quantity": 2}]}
            assert (await call.post("/api/v1/orders", json=order)).status_code == 201
        shown = (await call.get("/api/v1/orders/recent")).json()
        assert [(row["customer"], row["lines"], row["total"]) for row in shown] == [
            ("Grace", 1, "15.80"),
            ("Ada", 1, "15.80"),
        ]
        assert (await call.get("/api/v1/orders/open-count")).json() == {"count": 2}
