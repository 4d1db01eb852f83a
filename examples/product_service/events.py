"""What the product service tells others, and what it does when it hears of an order."""

from xerpium_sdk.events import EventPayload, EventType

from .service import service, store
from .store import Product


async def product_added(product: Product) -> None:
    """Tell of a new product."""
    data = product.model_dump(include={"sku", "name", "price"})
    await service.publisher.publish_event(EventType.PRODUCT_CREATED, "Product", product.id, data=data)


@service.on(EventType.ORDER_CREATED)
async def order_created(event: EventPayload) -> None:
    """Take what was ordered out of the stock, and tell what moved and what runs low.

    What is published here carries the order's correlation id by itself.
    """
    for line in event.data["lines"]:
        product = store.take(line["product_id"], line["quantity"])
        if product is None:
            continue  # it was never ours, or is not sold any more
        moved = {"quantity": -line["quantity"], "stock": product.stock, "order_id": event.entity_id}
        await service.publisher.publish_event(EventType.STOCK_MOVEMENT, "Product", product.id, data=moved)
        if product.stock <= product.reorder_level:
            low = {"name": product.name, "current_stock": product.stock, "minimum_stock": product.reorder_level}
            await service.publisher.publish_event(EventType.STOCK_LOW, "Product", product.id, data=low)
