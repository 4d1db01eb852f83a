"""This service as the hub sees it; where the hub, Redis and this service are, the environment says."""

from xerpium_sdk.service import XerpiumService

PRODUCTS = "product-service"

running_low: dict[int, str] = {}
"""What is said of products of which there is little left, by id."""

service = XerpiumService(
    "order-service",
    "1.0.0",
    api_base_url="/api/v1",
    api_docs_url="/docs",
    tags=["erp", "sales", "example"],
    capabilities=["order_management"],
    # Old orders can be read without it, new ones cannot be placed: the hub hears of that at once.
    dependencies=[PRODUCTS],
    # Far shorter than usual, so that whoever stops this service sees within half a minute what the hub makes of it.
    lease_seconds=30,
    poll_interval_seconds=5,
    details=lambda: {"running_low": sorted(running_low.values())},
)
