"""Orders, in memory, priced when they are placed."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from pydantic import BaseModel, Field

from .products import Product


class NewLine(BaseModel):
    """So many of one product."""

    product_id: int
    quantity: int = Field(ge=1, le=10_000)


class NewOrder(BaseModel):
    """What a customer asks for."""

    customer: str = Field(min_length=1, max_length=200)
    lines: list[NewLine] = Field(min_length=1, max_length=100)


class Line(NewLine):
    """A line with the product's name and price as they were at the time."""

    name: str
    unit_price: Decimal
    total: Decimal


class Order(BaseModel):
    """An order as it is stored."""

    id: int
    customer: str
    placed_at: datetime
    lines: list[Line]
    total: Decimal


class UnknownOrder(LookupError):
    """Raised when there is no order of that id."""


class Orders:
    """All orders, by id."""

    def __init__(self, product: Callable[[int], Awaitable[Product]], tell: Callable[[Order], Awaitable[None]]) -> None:
        self.all: dict[int, Order] = {}
        self._product, self._tell = product, tell
        self._ids = count(1)

    def get(self, order_id: int) -> Order:
        """Return one order.

        Raises:
            UnknownOrder: when there is none of that id.
        """
        try:
            return self.all[order_id]
        except KeyError as error:
            raise UnknownOrder(f"There is no order {order_id}.") from error

    async def place(self, new: NewOrder) -> Order:
        """Tell of an order at today's prices and store it.

        Told first: an order that nobody hears of would never be delivered. With a database, both would be one
        transaction (`xerpium_sdk.django` has the outbox for that).

        Raises:
            UnknownProduct, CallError, PublishFailed: then nothing is stored.
        """
        lines = [priced(line, await self._product(line.product_id)) for line in new.lines]
        order = Order(
            id=next(self._ids),
            customer=new.customer,
            placed_at=datetime.now(UTC),
            lines=lines,
            total=sum((line.total for line in lines), Decimal()),
        )
        await self._tell(order)
        self.all[order.id] = order
        return order


def priced(line: NewLine, product: Product) -> Line:
    """Return the line with its price."""
    return Line(**line.model_dump(), name=product.name, unit_price=product.price, total=product.price * line.quantity)
