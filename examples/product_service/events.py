"""What the product service tells others, and what it does when it hears of an order."""

from xerpium_sdk.events import AsyncEventPublisher, EventConsumer, EventPayload, EventType

from .store import Product, Store

SERVICE = "product-service"


class StockKeeper:
    """Keeps the stock up to date with the orders, and tells what moved and what runs low."""

    def __init__(self, store: Store, publisher: AsyncEventPublisher, consumer: EventConsumer) -> None:
        self._store = store
        self._publisher = publisher
        consumer.register_handler(EventType.ORDER_CREATED, self.order_created)

    async def product_added(self, product: Product) -> None:
        """Tell of a new product."""
        await self._publisher.publish_event(
            EventType.PRODUCT_CREATED, "Product", product.id, data=product.model_dump(include={"sku", "name", "price"})
        )

    async def order_created(self, event: EventPayload) -> None:
        """Take what was ordered out of the stock.

        What is published here carries the order's correlation id by itself.
        """
        for line in event.data["lines"]:
            product = self._store.take(line["product_id"], line["quantity"])
            if product is None:
                continue  # it was never ours, or is not sold any more
            moved = {"quantity": -line["quantity"], "stock": product.stock, "order_id": event.entity_id}
            await self._publisher.publish_event(EventType.STOCK_MOVEMENT, "Product", product.id, data=moved)
            if product.stock <= product.reorder_level:
                low = {"name": product.name, "current_stock": product.stock, "minimum_stock": product.reorder_level}
                await self._publisher.publish_event(EventType.STOCK_LOW, "Product", product.id, data=low)
