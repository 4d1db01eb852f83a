"""The order service: finds the product service in the hub's live catalogue and says so when it is away."""

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from xerpium_sdk.auth.fastapi import verify_service_auth
from xerpium_sdk.calls import CallError
from xerpium_sdk.events import PublishFailed
from xerpium_sdk.wire.problems import Problem

from . import events, ui
from .orders import NewOrder, Order, Orders, UnknownOrder
from .products import UnknownProduct, product
from .service import service

__all__ = ["app", "ui"]

app = FastAPI(title="Order service", description="Orders at the product service's prices.", version=service.version)
service.install(app)
# Without a key of its own, as on a laptop with an open hub, this service lets everybody in.
api = APIRouter(prefix="/api/v1", dependencies=[Depends(verify_service_auth)] if service.has_key else [])
orders = Orders(product, events.order_placed)


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
    shown = {"id", "customer", "total", "placed_at"}
    return [order.model_dump(include=shown) | {"lines": len(order.lines)} for order in latest]


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


@app.exception_handler(CallError)
async def products_unavailable(request: Request, error: CallError) -> JSONResponse:
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
