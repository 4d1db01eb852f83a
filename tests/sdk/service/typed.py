"""What a strict type checker makes of a service's code; `make lint` reads this, and nobody runs it."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, assert_type

from fastapi import FastAPI
from starlette.applications import Starlette

from xerpium_sdk.auth import AsyncServiceAuthClient, TokenVerifier
from xerpium_sdk.calls import AsyncServiceClient, CallPolicy, ServiceClient
from xerpium_sdk.events import AsyncEventPublisher, EventConsumer, EventPublisher
from xerpium_sdk.health import HealthChecker
from xerpium_sdk.passing import Passing, passing_on
from xerpium_sdk.registry import AsyncCatalog, AsyncMember
from xerpium_sdk.service import ServiceState, XerpiumService
from xerpium_sdk.ui import Manifest, MenuItem, UIComponent, UIWidget
from xerpium_sdk.wire.envelope import EventPayload, EventType


def details() -> Mapping[str, Any]:
    return {"shelves": 3}


async def details_later() -> Mapping[str, Any]:
    return details()


service = XerpiumService("shop", "1.0.0", tags=["erp"], lease_seconds=30, details=details, policy=CallPolicy())
XerpiumService(details=details_later, join=False)
XerpiumService("shop", "1.0.0", leese_seconds=30)  # type: ignore[call-arg]
XerpiumService("shop", "1.0.0", port="8101")  # type: ignore[arg-type]
service.install(FastAPI())
service.install(Starlette(), health=False)
FastAPI(lifespan=service.lifespan)

assert_type(service.services, AsyncServiceClient)
assert_type(service.services_sync, ServiceClient)
assert_type(service.publisher, AsyncEventPublisher)
assert_type(service.publisher_sync, EventPublisher)
assert_type(service.consumer, EventConsumer)
assert_type(service.catalog, AsyncCatalog)
assert_type(service.member, AsyncMember | None)
assert_type(service.auth, AsyncServiceAuthClient | None)
assert_type(service.verifier, TokenVerifier)
assert_type(service.health, HealthChecker)
assert_type(service.manifest, Manifest | None)
assert_type(service.state, ServiceState)
assert_type(service.menu("Sales", "/sales", badge="/api/v1/count"), MenuItem)
assert_type(service.page("Sales", "/sales"), UIComponent)
assert_type(service.widget("Count", "metric", "/api/v1/count"), UIWidget)
assert_type(service.stop(timeout=5), bool)


@service.on(EventType.STOCK_LOW, concurrency=4)
async def reorder(event: EventPayload) -> None:
    await service.publisher.publish_event(EventType.ORDER_CREATED, "Order", event.entity_id)


@service.health.check("printer", critical=False)
def printer() -> bool:
    with passing_on(Passing(company_id=7)):
        return service.services_sync.get("printers", "online") is not None


handler: Callable[[EventPayload], Coroutine[Any, Any, None]] = reorder
other_handler: Callable[[EventPayload], None] = reorder  # type: ignore[assignment]
assert_type(printer(), bool)
service.on(EventType.STOCK_LOW)("no function")  # type: ignore[type-var]


async def live() -> None:
    async with service as running:
        assert_type(running, XerpiumService)
        await service.services.get("stock", "shelves/3", version="^1.4")
