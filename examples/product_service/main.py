"""The product service: a REST API, and one object for all that it has to do with the hub.

What it shows in the application stands in `ui`; the endpoints below "What widgets show" answer its widgets and badges.
"""

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from xerpium_sdk.auth.fastapi import verify_service_auth
from xerpium_sdk.wire.problems import Problem

from . import events, ui
from .service import service, store
from .store import Category, NewCategory, NewProduct, Product, Refusal

__all__ = ["app", "ui"]

app = FastAPI(title="Product service", description="Products and their categories.", version=service.version)
service.install(app)
# Without a key of its own, as on a laptop with an open hub, this service lets everybody in.
api = APIRouter(prefix="/api/v1", dependencies=[Depends(verify_service_auth)] if service.has_key else [])


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
    await events.product_added(product)
    return product


# What widgets show: a number, rows, labels with values. These come before "/products/{product_id}", which would take
# the first one that it can.


@api.get("/products/stats/count")
async def product_count() -> dict[str, int]:
    """Return how many products there are."""
    return {"value": len(store.products)}


@api.get("/products/low-stock")
async def low_stock() -> list[dict[str, int | str]]:
    """Return the products of which there is too little left, the scarcest first."""
    return [
        {"id": one.id, "name": one.name, "sku": one.sku, "current_stock": one.stock, "minimum_stock": one.reorder_level}
        for one in store.running_low()
    ]


@api.get("/products/low-stock/count")
async def low_stock_count() -> dict[str, int]:
    """Return how many products run low: the badge beside "Products"."""
    return {"count": len(store.running_low())}


@api.get("/categories/stats")
async def products_by_category() -> list[dict[str, int | str]]:
    """Return how many products each category has."""
    return [{"label": one.name, "value": len(store.find(one.id, ""))} for one in store.categories.values()]


@api.get("/products/{product_id}", responses={404: {"description": "There is no such product."}})
async def get_product(product_id: int) -> Product:
    """Return one product."""
    return store.product(product_id)


@api.put("/products/{product_id}", responses={404: {"description": "There is no such product."}})
async def change_product(product_id: int, new: NewProduct) -> Product:
    """Change a product; 422 and 409 as for a new one. This is where the form of `ui` sends its fields."""
    return store.change_product(product_id, new)


app.include_router(api)


@app.exception_handler(Refusal)
async def refused(request: Request, error: Refusal) -> JSONResponse:
    """Answer with the error as RFC 9457 has it."""
    document = Problem(status=error.status, code=error.code, title=error.title, detail=str(error))
    return JSONResponse(document.to_json(), document.status, media_type="application/problem+json")
