"""What the order service shows: below the product service's menu, wherever operators put that, and on dashboards."""

from .service import service

VIEW = ["order.view"]

service.menu(
    "Orders",
    "/orders",
    "receipt",
    parent="Product Catalog",  # by its name: another service's will do if there is none of our own
    order=5,
    permissions=VIEW,
    description="Who ordered what",
    is_page=True,
    labels={"de": "Bestellungen", "pl": "Zamówienia"},
)
service.badge("Orders", "/api/v1/orders/open-count", refresh_interval=15)
service.menu(
    "Running low",
    "/orders/running-low",
    "trending_down",
    parent="product-service:/products/reports",  # by service and key: also when its name becomes another
    permissions=[*VIEW, "inventory.view"],
    description="Products that may be out of stock soon",
    labels={"de": "Bald vergriffen", "pl": "Kończące się"},
)
service.page(
    "Order List",
    "/orders",
    "/api/v1/orders",
    permissions=VIEW,
    title="Orders",
    columns=["id", "customer", "placed_at", "total"],
    row_link="/orders/:id",
)
service.widget(
    "Recent Orders",
    "table",
    "/api/v1/orders/recent",
    refresh_interval=15,
    permissions=VIEW,
    title="Recent Orders",
    columns=[
        {"name": "customer"},
        {"name": "total", "format": "currency", "currency": "EUR"},
        {"name": "placed_at", "label": "Placed", "format": "datetime"},
    ],
    empty_text="Nobody has ordered anything yet.",
    link="/orders",
)
