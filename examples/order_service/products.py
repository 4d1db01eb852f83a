"""The product service as this service sees it: found in the live catalogue, called over HTTP."""

from decimal import Decimal

import httpx2
from pydantic import BaseModel

from xerpium_sdk.registry import AsyncCatalog, HubError, NoInstance

SERVICE = "product-service"
VERSIONS = "^1.0"
TRIES = 2


class Product(BaseModel):
    """The part of a product that an order needs."""

    id: int
    name: str
    price: Decimal
    currency: str


class UnknownProduct(LookupError):
    """Raised when the product service has no such product."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"There is no product {product_id}.")
        self.product_id = product_id


class ProductsUnavailable(Exception):
    """Raised when no instance of the product service answers."""


class Products:
    """Looks products up at whichever instance is best, and at another one when that does not answer."""

    def __init__(self, catalog: AsyncCatalog, http: httpx2.AsyncClient) -> None:
        self._catalog = catalog
        self._http = http

    @property
    def available(self) -> bool:
        """Whether there is an instance to ask."""
        return self._catalog.can_choose(SERVICE, VERSIONS)

    async def get(self, product_id: int) -> Product:
        """Return one product.

        Raises:
            UnknownProduct: there is none of that id.
            ProductsUnavailable: nobody can tell.
        """
        trouble = ""
        for _ in range(TRIES):
            try:
                return await self._ask(product_id)
            except NoInstance as error:
                raise ProductsUnavailable(str(error)) from error
            except (httpx2.HTTPError, HubError) as error:  # the latter: the hub gives us no token
                trouble = f"{type(error).__name__} {error}".strip()
        raise ProductsUnavailable(f"{SERVICE} is in the catalogue and does not answer: {trouble}.")

    async def _ask(self, product_id: int) -> Product:
        with self._catalog.choose(SERVICE, VERSIONS) as endpoint:
            answer = await self._http.get(f"{endpoint.url}/products/{product_id}")
        if answer.status_code == 404:
            raise UnknownProduct(product_id)
        return Product.model_validate_json(answer.raise_for_status().content)
