"""What the order service tells others, and what it hears of the stock."""

from xerpium_sdk.events import AsyncEventPublisher, EventConsumer, EventPayload, EventType

from .orders import Order

SERVICE = "order-service"


class Sales:
    """Tells of orders, and remembers which products run low."""

    def __init__(self, publisher: AsyncEventPublisher, consumer: EventConsumer) -> None:
        self.running_low: dict[int, str] = {}
        self._publisher = publisher
        consumer.register_handler(EventType.STOCK_LOW, self.stock_low)

    async def order_placed(self, order: Order) -> None:
        """Tell of an order.

        Raises:
            PublishFailed: nobody may have heard of it.
        """
        lines = [{"product_id": line.product_id, "quantity": line.quantity} for line in order.lines]
        data = {"customer": order.customer, "lines": lines, "total": order.total}
        await self._publisher.publish_event(EventType.ORDER_CREATED, "Order", order.id, data=data)

    def stock_low(self, event: EventPayload) -> None:
        """Remember a product of which there is little left."""
        if isinstance(event.entity_id, int):
            self.running_low[event.entity_id] = f"{event.data['name']}: {event.data['current_stock']} left"
