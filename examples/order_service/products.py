"""The product service as this service sees it: called by its name, through whichever instance is best."""

from decimal import Decimal

from pydantic import BaseModel

from xerpium_sdk.calls import CallRefused

from .service import PRODUCTS, service

VERSIONS = "^1.0"


class Product(BaseModel):
    """The part of a product that an order needs."""

    id: int
    name: str
    price: Decimal
    currency: str


class UnknownProduct(LookupError):
    """Raised when the product service has no such product."""


async def product(product_id: int) -> Product:
    """Return one product.

    Raises:
        UnknownProduct: there is none of that id.
        CallError: nobody can tell.
    """
    try:
        answer = await service.services.get(PRODUCTS, f"products/{product_id}", version=VERSIONS)
    except CallRefused as error:
        if error.status == 404:
            raise UnknownProduct(f"There is no product {product_id}.") from error
        raise
    return Product.model_validate(answer)
