"""What the order service shows: below the product service's menu, wherever operators put that, and on dashboards."""

from xerpium_sdk.ui import Badge, Manifest, MenuItem, UIComponent, UIWidget

MANIFEST = Manifest(
    menus=[
        MenuItem(
            "Orders",
            "/orders",
            "receipt",
            parent_name="Product Catalog",  # by its name: another service's will do if there is none of our own
            order_number=5,
            required_permissions=["order.view"],
            description="Who ordered what",
            is_page=True,
            labels={"de": "Bestellungen", "pl": "Zamówienia"},
            badge=Badge("/api/v1/orders/open-count", refresh_interval=15),
        ),
        MenuItem(
            "Running low",
            "/orders/running-low",
            "trending_down",
            parent_name="product-service:/products/reports",  # by service and key: also when its name becomes another
            required_permissions=["order.view", "inventory.view"],
            description="Products that may be out of stock soon",
            labels={"de": "Bald vergriffen", "pl": "Kończące się"},
        ),
    ],
    components=[
        UIComponent(
            name="Order List",
            component_type="page",
            route_path="/orders",
            api_endpoint="/api/v1/orders",
            permissions=["order.view"],
            props={"columns": ["id", "customer", "placed_at", "total"], "row_link": "/orders/:id"},
            metadata={"title": "Orders", "breadcrumb": ["Catalog", "Orders"]},
        ),
    ],
    widgets=[
        UIWidget(
            name="Recent Orders",
            widget_type="table",
            api_endpoint="/api/v1/orders/recent",
            refresh_interval=15,
            permissions=["order.view"],
            config={
                "title": "Recent Orders",
                "columns": [
                    {"name": "customer"},
                    {"name": "total", "format": "currency", "currency": "EUR"},
                    {"name": "placed_at", "label": "Placed", "format": "datetime"},
                ],
                "empty_text": "Nobody has ordered anything yet.",
                "link": "/orders",
            },
        ),
    ],
)
