"""The order service: finds the product service in the hub's live catalogue and says so when it is away."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from xerpium_sdk.auth import AsyncServiceAuthClient, TokenVerifier
from xerpium_sdk.auth.fastapi import protect, verify_service_auth
from xerpium_sdk.events import AsyncEventPublisher, EventConsumer, PublishFailed
from xerpium_sdk.fastapi import consume, follow, join, publish
from xerpium_sdk.registry import AsyncHubClient, Registration, ServiceRecord, Status
from xerpium_sdk.wire.problems import Problem

from .events import SERVICE as NAME
from .events import Sales
from .orders import NewOrder, Order, Orders, UnknownOrder
from .products import SERVICE, Products, ProductsUnavailable, UnknownProduct
from .ui import MANIFEST

VERSION = "1.0.0"
HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8002"))
ADDRESS = f"http://{HOST}:{PORT}"

auth = AsyncServiceAuthClient.from_environment(HUB_URL, NAME)
"""This service's tokens; None where it has no key, as on a laptop with an open hub."""
hub = AsyncHubClient(HUB_URL, auth=auth)
http = httpx2.AsyncClient(timeout=5, auth=auth.auth() if auth else None)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Close the connections to the hub and to the product service at the end."""
    async with hub, http:
        yield


app = FastAPI(
    title="Order service", description="Orders at the product service's prices.", version=VERSION, lifespan=lifespan
)
api = APIRouter(prefix="/api/v1")
if auth:
    protect(app, TokenVerifier(HUB_URL, NAME, auth=auth))
    api.dependencies.append(Depends(verify_service_auth))
catalog = follow(app, hub)
products = Products(catalog, http)
publisher = publish(app, AsyncEventPublisher(NAME))
sales = Sales(publisher, consume(app, EventConsumer(NAME)))
orders = Orders(products, sales.order_placed)


def status() -> Status:
    """Old orders can be read without the product service, new ones cannot be placed."""
    return Status.HEALTHY if products.available else Status.DEGRADED


member = join(
    app,
    hub,
    Registration(
        name=NAME,
        version=VERSION,
        host=HOST,
        port=PORT,
        api_base_url=f"{ADDRESS}/api/v1",
        api_docs_url=f"{ADDRESS}/docs",
        tags=["erp", "sales", "example"],
        capabilities=["order_management"],
        dependencies=[SERVICE],
        # Far shorter than usual, so that whoever stops this service sees within half a minute what the hub makes of it.
        lease_seconds=30,
        poll_interval_seconds=5,
    ),
    status=status,
    details=lambda: {"orders": len(orders.all), "running_low": sorted(sales.running_low.values())},
    manifest=MANIFEST,
)


def service_changed(record: ServiceRecord) -> None:
    """Tell the hub at once how this service is when the product service came or went."""
    if record.name == SERVICE:
        member.report_now()


catalog.on_change(service_changed)


@app.get("/health")
async def health() -> dict[str, Any]:
    """Say how this service is; the hub asks every few seconds."""
    known = catalog.get(SERVICE)
    return {
        "service": NAME,
        "version": VERSION,
        "status": status(),
        "timestamp": datetime.now(UTC).isoformat(),
        "checks": {
            SERVICE: {
                "status": status(),
                "details": {"hub_says": known.status if known else "unknown"},
                "response_time_ms": 0.0,
            }
        },
    }


@api.get("/orders")
async def list_orders() -> list[Order]:
    """Return all orders."""
    return list(orders.all.values())


@api.post("/orders", status_code=201, responses={503: {"description": "The product service or the event bus is away."}})
async def place_order(new: NewOrder) -> Order:
    """Place an order; 422 for a product that is not there, 503 when nobody can tell its price or hear of the order."""
    return await orders.place(new)


# What widgets and badges show; before "/orders/{order_id}", which would take them.


@api.get("/orders/recent")
async def recent_orders() -> list[dict[str, Any]]:
    """Return the last ten orders, the newest first."""
    latest = sorted(orders.all.values(), key=lambda order: order.id, reverse=True)[:10]
    return [
        {
            "id": order.id,
            "customer": order.customer,
            "lines": len(order.lines),
            "total": order.total,
            "placed_at": order.placed_at,
        }
        for order in latest
    ]


@api.get("/orders/open-count")
async def open_count() -> dict[str, int]:
    """Return how many orders wait to be delivered: all of them, since this example delivers none."""
    return {"count": len(orders.all)}


@api.get("/orders/{order_id}", responses={404: {"description": "There is no such order."}})
async def get_order(order_id: int) -> Order:
    """Return one order."""
    return orders.get(order_id)


app.include_router(api)


@app.exception_handler(UnknownOrder)
async def unknown_order(request: Request, error: UnknownOrder) -> JSONResponse:
    """Answer 404."""
    return problem(Problem(status=404, code="not_found", title="Not found", detail=str(error)))


@app.exception_handler(UnknownProduct)
async def unknown_product(request: Request, error: UnknownProduct) -> JSONResponse:
    """Answer 422."""
    return problem(Problem(status=422, code="unknown_product", title="Invalid input", detail=str(error)))


@app.exception_handler(ProductsUnavailable)
async def products_unavailable(request: Request, error: ProductsUnavailable) -> JSONResponse:
    """Answer 503: the order was not placed and may be sent again."""
    away = Problem(status=503, code="products_unavailable", title="Product service unavailable", detail=str(error))
    return problem(away, {"Retry-After": "5"})


@app.exception_handler(PublishFailed)
async def nobody_heard(request: Request, error: PublishFailed) -> JSONResponse:
    """Answer 503: the order was not placed and may be sent again."""
    away = Problem(status=503, code="events_unavailable", title="Event bus unavailable", detail=str(error))
    return problem(away, {"Retry-After": "5"})


def problem(document: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error answer as RFC 9457 has it."""
    return JSONResponse(document.to_json(), document.status, headers, media_type="application/problem+json")
