"""What a service shows, declared piece by piece."""

import pytest

from xerpium_sdk.service import XerpiumService
from xerpium_sdk.ui import Badge, InvalidManifest, Manifest, MenuItem, UIComponent, UIWidget


@pytest.fixture
def made() -> XerpiumService:
    return XerpiumService("shop", "1.0.0")


def test_the_short_words_declare_what_the_long_ones_do(made: XerpiumService) -> None:
    made.menu("Sales", "/sales", "sell", order=5, permissions=["sale.view"], labels={"pl": "Sprzedaż"}, is_page=True)
    made.menu("Open", "/sales/open", parent="Sales", badge="/api/v1/sales/open-count", description="To be delivered")
    made.page("Sale List", "/sales", "/api/v1/sales", permissions=["sale.view"], title="Sales", columns=["id", "total"])
    made.form("Sale Form", "/sales/:id", "/api/v1/sales/{id}", fields=[{"name": "customer", "type": "text"}])
    made.widget("Sales", "chart", "/api/v1/sales/stats", size="small", refresh_interval=60, chart_type="pie")
    made.badge("Sales", "/api/v1/sales/count", refresh_interval=15)
    fields = [{"name": "customer", "type": "text"}]
    sales = MenuItem(
        "Sales", "/sales", "sell", order_number=5, required_permissions=["sale.view"], labels={"pl": "Sprzedaż"},
        is_page=True, badge=Badge("/api/v1/sales/count", 15),
    )  # fmt: skip
    badge = Badge("/api/v1/sales/open-count")
    assert made.manifest == Manifest(
        menus=[
            sales,
            MenuItem("Open", "/sales/open", parent_name="Sales", badge=badge, description="To be delivered"),
        ],
        components=[
            UIComponent(
                "Sale List",
                "page",
                None,
                "/sales",
                "/api/v1/sales",
                ["sale.view"],
                {"columns": ["id", "total"]},
                {"title": "Sales"},
            ),
            UIComponent("Sale Form", "form", None, "/sales/:id", "/api/v1/sales/{id}", props={"fields": fields}),
        ],
        widgets=[
            UIWidget("Sales", None, "chart", "/api/v1/sales/stats", 60, "small", config={"chart_type": "pie"}),
        ],
    )


def test_a_badge_is_put_beside_the_item_of_a_key_a_path_or_a_name(made: XerpiumService) -> None:
    made.menu("Sales", "/sales", key="sales")
    for number, key in enumerate(("sales", "/sales", "Sales")):
        made.badge(key, f"/{number}")
        assert made.manifest is not None
        assert made.manifest.menus[0].badge == Badge(f"/{number}")
    with pytest.raises(LookupError, match="No menu item '/returns'"):
        made.badge("/returns", "/count")


def test_what_contradicts_itself_is_found_where_it_is_declared(made: XerpiumService) -> None:
    made.menu("Sales", "/sales")
    with pytest.raises(InvalidManifest, match="same path"):
        made.menu("Others", "/sales", key="others")
    assert made.manifest == Manifest(menus=[MenuItem("Sales", "/sales")])


def test_a_manifest_is_added_to(made: XerpiumService) -> None:
    more = XerpiumService("shop", "1.0.0", manifest=Manifest(menus=[MenuItem("Sales", "/sales")], generation=7))
    more.declare(MenuItem("Returns", "/returns"), UIWidget("Count", widget_type="metric", api_endpoint="/count"))
    assert more.manifest is not None
    assert (len(more.manifest.menus), len(more.manifest.widgets), more.manifest.generation) == (2, 1, 7)
    assert made.manifest is None
