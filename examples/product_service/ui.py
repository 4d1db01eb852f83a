"""What the product service shows in the application: its menu, its pages and its widgets, all in one object."""

from xerpium_sdk.ui import Badge, Manifest, MenuItem, UIComponent, UIWidget

VIEW, EDIT, REPORT, STOCK = "product.view", "product.edit", "product.report", "inventory.view"
CATALOG = "Product Catalog"

MENUS = [
    MenuItem(
        CATALOG,
        "/products",
        "package",
        order_number=200,
        required_permissions=[VIEW],
        description="All about products and how they are sorted",
        labels={"de": "Produktkatalog", "pl": "Katalog produktów"},
    ),
    MenuItem(
        "Products",
        "/products/list",
        "box",
        parent_name=CATALOG,
        order_number=1,
        required_permissions=[VIEW],
        description="Products, their prices and their stock",
        labels={"de": "Produkte", "pl": "Produkty"},
        badge=Badge("/api/v1/products/low-stock/count", refresh_interval=30),
    ),
    MenuItem(
        "Categories",
        "/products/categories",
        "folder",
        parent_name=CATALOG,
        order_number=2,
        required_permissions=[VIEW],
        description="What belongs together",
        labels={"de": "Kategorien", "pl": "Kategorie"},
    ),
    MenuItem(
        "Pricing",
        "/products/pricing",
        "dollar-sign",
        parent_name=CATALOG,
        order_number=3,
        required_permissions=[EDIT],
        description="Prices and margins",
        labels={"de": "Preise", "pl": "Ceny"},
    ),
    MenuItem(
        "Product Reports",
        "/products/reports",
        "bar-chart",
        parent_name=CATALOG,
        order_number=10,
        required_permissions=[REPORT],
        description="What sells, and what does not",
        is_page=True,  # others hang theirs below it, which not everybody may see
        labels={"de": "Berichte", "pl": "Raporty"},
    ),
]

COMPONENTS = [
    UIComponent(
        name="Product List",
        component_type="page",
        route_path="/products/list",
        api_endpoint="/api/v1/products",
        permissions=[VIEW],
        props={"columns": ["sku", "name", "price", "stock"], "row_link": "/products/edit/:id", "searchable": True},
        metadata={"title": "Products", "description": "Everything that is sold", "breadcrumb": ["Catalog", "Products"]},
    ),
    UIComponent(
        name="Product Form",
        component_type="form",
        route_path="/products/edit/:id",
        api_endpoint="/api/v1/products/{id}",
        permissions=[EDIT],
        props={
            "method": "PUT",
            "fields": [
                {"name": "name", "type": "text", "label": "Name", "required": True},
                {"name": "sku", "type": "text", "label": "SKU", "required": True, "pattern": "^[A-Z0-9-]{2,32}$"},
                {
                    "name": "category_id",
                    "type": "select",
                    "label": "Category",
                    "required": True,
                    "source": "/api/v1/categories",
                    "value_field": "id",
                    "label_field": "name",
                },
                {"name": "price", "type": "currency", "label": "Price", "required": True, "currency": "EUR"},
                {"name": "stock", "type": "integer", "label": "In stock", "min": 0},
                {"name": "reorder_level", "type": "integer", "label": "Reorder at", "min": 0},
            ],
        },
        metadata={"title": "Edit product", "breadcrumb": ["Catalog", "Products", "Edit"]},
    ),
]

WIDGETS = [
    UIWidget(
        name="Product Count",
        widget_type="metric",
        api_endpoint="/api/v1/products/stats/count",
        size="small",
        permissions=[VIEW],
        config={"title": "Total Products", "icon": "package", "color": "blue", "link": "/products/list"},
    ),
    UIWidget(
        name="Low Stock Alert",
        widget_type="table",
        api_endpoint="/api/v1/products/low-stock",
        refresh_interval=60,
        permissions=[STOCK],
        config={
            "title": "Low Stock Products",
            "columns": [
                {"name": "name", "label": "Product"},
                {"name": "sku", "label": "SKU"},
                {"name": "current_stock", "label": "In stock", "format": "integer"},
                {"name": "minimum_stock", "label": "Reorder at", "format": "integer"},
            ],
            "max_rows": 10,
            "empty_text": "Nothing runs low.",
        },
    ),
    UIWidget(
        name="Product Categories",
        widget_type="chart",
        api_endpoint="/api/v1/categories/stats",
        permissions=[VIEW],
        config={"title": "Products by Category", "chart_type": "pie", "color_scheme": "category20"},
    ),
]

MANIFEST = Manifest(menus=MENUS, components=COMPONENTS, widgets=WIDGETS)
