"""This service as the hub sees it; where the hub, Redis and this service are, the environment says."""

from xerpium_sdk.service import XerpiumService

from .store import stocked

store = stocked()
service = XerpiumService(
    "product-service",
    "1.4.0",
    api_base_url="/api/v1",
    api_docs_url="/docs",
    tags=["erp", "catalogue", "example"],
    capabilities=["product_management", "category_management"],
    # Far shorter than usual, so that whoever stops this service sees within half a minute what the hub makes of it.
    lease_seconds=30,
    poll_interval_seconds=5,
    details=lambda: {"products": len(store.products), "categories": len(store.categories)},
)
