"""What the product service shows in the application: its menu, its pages and its widgets."""

from .service import service

VIEW, EDIT, REPORT, STOCK = (["product.view"], ["product.edit"], ["product.report"], ["inventory.view"])
CATALOG = "Product Catalog"

service.menu(CATALOG, "/products", "package", order=200, permissions=VIEW, labels={"pl": "Katalog produktów"})
service.menu("Products", "/products/list", "box", parent=CATALOG, order=1, permissions=VIEW, labels={"pl": "Produkty"})
service.badge("Products", "/api/v1/products/low-stock/count", refresh_interval=30)
service.menu("Categories", "/products/categories", "folder", parent=CATALOG, order=2, permissions=VIEW)
service.menu("Pricing", "/products/pricing", "dollar-sign", parent=CATALOG, order=3, permissions=EDIT)
# It is a page: others hang theirs below it, which not everybody may see.
service.menu(
    "Product Reports", "/products/reports", "bar-chart", parent=CATALOG, order=10, permissions=REPORT, is_page=True
)

service.page(
    "Product List",
    "/products/list",
    "/api/v1/products",
    permissions=VIEW,
    title="Products",
    columns=["sku", "name", "price", "stock"],
    row_link="/products/edit/:id",
    searchable=True,
)
CATEGORIES = {"source": "/api/v1/categories", "value_field": "id", "label_field": "name"}
service.form(
    "Product Form",
    "/products/edit/:id",
    "/api/v1/products/{id}",
    permissions=EDIT,
    title="Edit product",
    method="PUT",
    fields=[
        {"name": "name", "type": "text", "label": "Name", "required": True},
        {"name": "sku", "type": "text", "label": "SKU", "required": True, "pattern": "^[A-Z0-9-]{2,32}$"},
        {"name": "category_id", "type": "select", "label": "Category", "required": True, **CATEGORIES},
        {"name": "price", "type": "currency", "label": "Price", "required": True, "currency": "EUR"},
        {"name": "stock", "type": "integer", "label": "In stock", "min": 0},
        {"name": "reorder_level", "type": "integer", "label": "Reorder at", "min": 0},
    ],
)

service.widget(
    "Product Count",
    "metric",
    "/api/v1/products/stats/count",
    size="small",
    permissions=VIEW,
    title="Total Products",
    icon="package",
    color="blue",
    link="/products/list",
)
service.widget(
    "Low Stock Alert",
    "table",
    "/api/v1/products/low-stock",
    refresh_interval=60,
    permissions=STOCK,
    title="Low Stock Products",
    columns=[
        {"name": "name", "label": "Product"},
        {"name": "sku", "label": "SKU"},
        {"name": "current_stock", "label": "In stock", "format": "integer"},
        {"name": "minimum_stock", "label": "Reorder at", "format": "integer"},
    ],
    max_rows=10,
    empty_text="Nothing runs low.",
)
service.widget(
    "Product Categories",
    "chart",
    "/api/v1/categories/stats",
    permissions=VIEW,
    title="Products by Category",
    chart_type="pie",
    color_scheme="category20",
)
