"""The products, in memory. A real service would have a database here; nothing else about it would change."""

from decimal import Decimal
from itertools import count

from pydantic import BaseModel, Field


class NewCategory(BaseModel):
    """What a caller says of a category."""

    name: str = Field(min_length=1, max_length=100)


class Category(NewCategory):
    """A category as it is stored."""

    id: int


class NewProduct(BaseModel):
    """What a caller says of a product."""

    sku: str = Field(pattern=r"^[A-Z0-9-]{2,32}$")
    name: str = Field(min_length=1, max_length=200)
    category_id: int
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2)
    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$")
    stock: int = Field(default=100, ge=0)
    reorder_level: int = Field(default=10, ge=0)


class Product(NewProduct):
    """A product as it is stored."""

    id: int


class Refusal(Exception):
    """Raised when something cannot be done; what an answer says of it."""

    status, code, title = 400, "refused", "Refused"


class UnknownProduct(Refusal):
    """Raised when there is no product of that id."""

    status, code, title = 404, "not_found", "Not found"


class UnknownCategory(Refusal):
    """Raised when a product names a category that is not there."""

    status, code, title = 422, "unknown_category", "Invalid input"


class DuplicateSku(Refusal):
    """Raised when a product's SKU is another one's."""

    status, code, title = 409, "duplicate_sku", "Conflict"


class Store:
    """All categories and products, by id."""

    def __init__(self) -> None:
        self.categories: dict[int, Category] = {}
        self.products: dict[int, Product] = {}
        self._ids = count(1)

    def add_category(self, new: NewCategory) -> Category:
        """Store a category."""
        category = Category(id=next(self._ids), **new.model_dump())
        self.categories[category.id] = category
        return category

    def add_product(self, new: NewProduct) -> Product:
        """Store a product.

        Raises:
            UnknownCategory, DuplicateSku: when it does not fit what is there.
        """
        self._check(new)
        product = Product(id=next(self._ids), **new.model_dump())
        self.products[product.id] = product
        return product

    def change_product(self, product_id: int, new: NewProduct) -> Product:
        """Store a product anew.

        Raises:
            UnknownProduct: when there is none of that id.
            UnknownCategory, DuplicateSku: when it does not fit what is there.
        """
        self.product(product_id)
        self._check(new, product_id)
        product = self.products[product_id] = Product(id=product_id, **new.model_dump())
        return product

    def running_low(self) -> list[Product]:
        """Return the products of which there is too little left, the scarcest first."""
        low = (product for product in self.products.values() if product.stock <= product.reorder_level)
        return sorted(low, key=lambda product: product.stock)

    def _check(self, new: NewProduct, product_id: int | None = None) -> None:
        if new.category_id not in self.categories:
            raise UnknownCategory(f"There is no category {new.category_id}.")
        if any(product.sku == new.sku and product.id != product_id for product in self.products.values()):
            raise DuplicateSku(f"Another product has the SKU {new.sku}.")

    def product(self, product_id: int) -> Product:
        """Return one product.

        Raises:
            UnknownProduct: when there is none of that id.
        """
        try:
            return self.products[product_id]
        except KeyError as error:
            raise UnknownProduct(f"There is no product {product_id}.") from error

    def take(self, product_id: int, quantity: int) -> Product | None:
        """Take ``quantity`` out of the stock, and return the product as it is now; None when there is no such product.

        The stock may go below zero: the order was accepted, and somebody has to see that it cannot be served.
        """
        if product := self.products.get(product_id):
            product.stock -= quantity
        return product

    def find(self, category_id: int | None, text: str) -> list[Product]:
        """Return the products of a category whose name or SKU contains ``text``."""
        wanted = text.casefold()
        return [
            product
            for product in self.products.values()
            if category_id in (None, product.category_id) and wanted in f"{product.sku} {product.name}".casefold()
        ]


def stocked() -> Store:
    """Return a store with something in it."""
    store = Store()
    kitchen = store.add_category(NewCategory(name="Kitchen"))
    office = store.add_category(NewCategory(name="Office"))
    for sku, name, category, price, stock in (
        ("MUG-01", "Coffee mug", kitchen, "7.90", 100),
        ("POT-02", "Teapot, 1 l", kitchen, "24.50", 100),
        ("PEN-10", "Ballpoint pen, blue", office, "1.20", 4),
        ("DSK-07", "Desk lamp", office, "39.00", 100),
    ):
        store.add_product(NewProduct(sku=sku, name=name, category_id=category.id, price=Decimal(price), stock=stock))
    return store
