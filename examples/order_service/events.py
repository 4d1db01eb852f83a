"""What the order service tells others, and what it hears of the stock."""

from xerpium_sdk.events import EventPayload, EventType

from .orders import Order
from .service import running_low, service


async def order_placed(order: Order) -> None:
    """Tell of an order.

    Raises:
        PublishFailed: nobody may have heard of it.
    """
    lines = [{"product_id": line.product_id, "quantity": line.quantity} for line in order.lines]
    data = {"customer": order.customer, "lines": lines, "total": order.total}
    await service.publisher.publish_event(EventType.ORDER_CREATED, "Order", order.id, data=data)


@service.on(EventType.STOCK_LOW)
def stock_low(event: EventPayload) -> None:
    """Remember a product of which there is little left."""
    if isinstance(event.entity_id, int):
        running_low[event.entity_id] = f"{event.data['name']}: {event.data['current_stock']} left"
