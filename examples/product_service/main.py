"""The product service: a REST API, a health endpoint, one line to be a member of the hub, one to handle events.

What it shows in the application stands in `ui`; the endpoints below "What widgets show" answer its widgets and badges.
"""

import os
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from xerpium_sdk.auth import TokenVerifier, has_key
from xerpium_sdk.auth.fastapi import protect, verify_service_auth
from xerpium_sdk.events import AsyncEventPublisher, EventConsumer
from xerpium_sdk.fastapi import consume, join, publish
from xerpium_sdk.registry import Registration
from xerpium_sdk.wire.problems import Problem

from .events import SERVICE, StockKeeper
from .store import Category, DuplicateSku, NewCategory, NewProduct, Product, UnknownCategory, UnknownProduct, stocked
from .ui import MANIFEST

VERSION = "1.4.0"
HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8001"))
ADDRESS = f"http://{HOST}:{PORT}"

app = FastAPI(title="Product service", description="Products and their categories.", version=VERSION)
api = APIRouter(prefix="/api/v1")
if has_key():
    # Without a key of its own, as on a laptop with an open hub, this service lets everybody in.
    protect(app, TokenVerifier(HUB_URL, SERVICE))
    api.dependencies.append(Depends(verify_service_auth))
store = stocked()
publisher = publish(app, AsyncEventPublisher(SERVICE))
stock = StockKeeper(store, publisher, consume(app, EventConsumer(SERVICE)))

join(
    app,
    HUB_URL,
    Registration(
        name=SERVICE,
        version=VERSION,
        host=HOST,
        port=PORT,
        api_base_url=f"{ADDRESS}/api/v1",
        api_docs_url=f"{ADDRESS}/docs",
        tags=["erp", "catalogue", "example"],
        capabilities=["product_management", "category_management"],
        # Far shorter than usual, so that whoever stops this service sees within half a minute what the hub makes of it.
        lease_seconds=30,
        poll_interval_seconds=5,
    ),
    details=lambda: {"products": len(store.products), "categories": len(store.categories)},
    manifest=MANIFEST,
)


@app.get("/health")
async def health() -> dict[str, Any]:
    """Say how this service is; the hub asks every few seconds."""
    return {
        "service": SERVICE,
        "version": VERSION,
        "status": "healthy",
        "timestamp": datetime.now(UTC).isoformat(),
        "checks": {
            "store": {"status": "healthy", "details": {"products": len(store.products)}, "response_time_ms": 0.0}
        },
    }


@api.get("/categories")
async def list_categories() -> list[Category]:
    """Return all categories."""
    return list(store.categories.values())


@api.post("/categories", status_code=201)
async def add_category(new: NewCategory) -> Category:
    """Add a category."""
    return store.add_category(new)


@api.get("/products")
async def list_products(category_id: int | None = None, q: str = "") -> list[Product]:
    """Return the products of a category, or all, whose name or SKU contains ``q``."""
    return store.find(category_id, q)


@api.post("/products", status_code=201)
async def add_product(new: NewProduct) -> Product:
    """Add a product; 422 for an unknown category, 409 for a SKU that is taken."""
    product = store.add_product(new)
    await stock.product_added(product)
    return product


# What widgets show: a number, rows, labels with values. These come before "/products/{product_id}", which would take
# the first one that it can.


@api.get("/products/stats/count")
async def product_count() -> dict[str, int]:
    """Return how many products there are."""
    return {"value": len(store.products)}


@api.get("/products/low-stock")
async def low_stock() -> list[dict[str, Any]]:
    """Return the products of which there is too little left, the scarcest first."""
    return [
        {
            "id": product.id,
            "name": product.name,
            "sku": product.sku,
            "current_stock": product.stock,
            "minimum_stock": product.reorder_level,
        }
        for product in store.running_low()
    ]


@api.get("/products/low-stock/count")
async def low_stock_count() -> dict[str, int]:
    """Return how many products run low: the badge beside "Products"."""
    return {"count": len(store.running_low())}


@api.get("/categories/stats")
async def products_by_category() -> list[dict[str, Any]]:
    """Return how many products each category has."""
    return [
        {"label": category.name, "value": len(store.find(category.id, ""))} for category in store.categories.values()
    ]


@api.get("/products/{product_id}", responses={404: {"description": "There is no such product."}})
async def get_product(product_id: int) -> Product:
    """Return one product."""
    return store.product(product_id)


@api.put("/products/{product_id}", responses={404: {"description": "There is no such product."}})
async def change_product(product_id: int, new: NewProduct) -> Product:
    """Change a product; 422 and 409 as for a new one. This is where the form of `ui` sends its fields."""
    return store.change_product(product_id, new)


app.include_router(api)


@app.exception_handler(UnknownProduct)
async def unknown_product(request: Request, error: UnknownProduct) -> JSONResponse:
    """Answer 404."""
    return problem(Problem(status=404, code="not_found", title="Not found", detail=str(error)))


@app.exception_handler(UnknownCategory)
async def unknown_category(request: Request, error: UnknownCategory) -> JSONResponse:
    """Answer 422."""
    return problem(Problem(status=422, code="unknown_category", title="Invalid input", detail=str(error)))


@app.exception_handler(DuplicateSku)
async def duplicate_sku(request: Request, error: DuplicateSku) -> JSONResponse:
    """Answer 409."""
    return problem(Problem(status=409, code="duplicate_sku", title="Conflict", detail=str(error)))


def problem(document: Problem) -> JSONResponse:
    """Return an error answer as RFC 9457 has it."""
    return JSONResponse(document.to_json(), document.status, media_type="application/problem+json")
