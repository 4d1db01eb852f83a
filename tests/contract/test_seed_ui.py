"""The pages and widgets of services of today, against the hub over HTTP: nothing changes but the hub's address.

The code is taken out of the document in which it is described, where that lies beside this checkout (or where
SEED_DOCUMENT says). Run again, as after a restart, it finds everything as it left it.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.db import connection

from apps.uiregistry.models import Component, Widget
from tests.support.api import Api
from tests.support.seed_code import DOCUMENT, code_of
from tests.support.server import serving
from tests.uiregistry.backends import register
from tests.uiregistry.backends import serving as answering

pytestmark = pytest.mark.usefixtures("hub")

TITLE = "ui_integration.py"
ADDRESS = "http://ui-registry-service:8008"
"""The hub's address as the document has it."""


@pytest.fixture
def seed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The document's module, talking to a hub of the test's own."""
    if not DOCUMENT.is_file():
        pytest.skip("the document with the clients of before is not beside this checkout (SEED_DOCUMENT names it)")
    pytest.importorskip("requests")
    code = code_of(DOCUMENT, TITLE)
    assert ADDRESS in code
    with serving() as (host, port):
        address = f"http://{host}:{port}"
        module = ModuleType("seed_ui")
        monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
        exec(compile(code.replace(ADDRESS, address), TITLE, "exec"), vars(module))
        module.address = address  # type: ignore[attr-defined]  # for the test alone
        yield module


def stored() -> list[tuple[str, int]]:
    rows = [*Component.objects.filter(archived_at=None), *Widget.objects.filter(archived_at=None)]
    return [(row.name, row.pk) for row in rows]


def test_their_pages_and_widgets_are_registered_and_again_after_a_restart(seed: Any) -> None:
    assert seed.register_product_ui_components() is True
    first = stored()
    assert [name for name, _ in first] == [
        "Product List",
        "Product Form",
        "Product Count",
        "Low Stock Alert",
        "Product Categories",
    ]
    assert seed.register_product_ui_components() is True
    assert stored() == first

    api = Api()
    for collection in ("components", "widgets"):
        for row in api.get(f"/{collection}").json()["results"]:
            assert row["warnings"] == [], row
    widgets = {row["name"]: row for row in api.get("/widgets").json()["results"]}
    assert (widgets["Product Count"]["refresh_interval"], widgets["Low Stock Alert"]["refresh_interval"]) == (30, 60)
    form = api.get("/ui/resolve?path=/products/edit/42").json()
    assert (form["component"]["name"], form["params"]) == ("Product Form", {"id": "42"})
    assert form["component"]["props"]["fields"][2] == {"name": "list_price", "type": "currency", "required": True}
    page = api.get("/ui/resolve?path=/Products/List/").json()["component"]
    assert page["metadata"]["breadcrumb"] == ["Catalog", "Products"]


def test_their_widgets_show_what_the_service_says(seed: Any) -> None:
    with answering() as backend:
        register(backend, "product-service")
        assert seed.register_product_ui_components() is True
        backend.answers({"count": 12})
        api = Api()
        for row in api.get("/widgets").json()["results"]:
            assert api.get(f"/widgets/{row['id']}/data").json()["data"] == {"count": 12}
        assert backend.paths == [
            "/api/v1/products/stats/count",
            "/api/v1/products/low-stock",
            "/api/v1/categories/stats",
        ]
    connection.close()


def test_they_are_told_no_where_something_is_wrong(seed: Any) -> None:
    client = seed.UIRegistryClient(seed.address, "product-service")
    page = seed.UIComponent("Page", "page", "product-service", "/page", "/api/v1/page/")
    assert client.register_component(page) is True
    assert client.register_component(seed.UIComponent("Other", "page", "other-service", "/page/", "/api/")) is False
    assert client.register_component(seed.UIComponent("Bad", "window", "product-service", "/bad", "/api/")) is False
    assert client.register_widget(seed.UIWidget("Count", "product-service", "metric", "/api/", 3)) is False
    assert client.register_widget(seed.UIWidget("Count", "product-service", "metric", "/api/")) is True
    assert len(client.registered_components) == len(client.registered_widgets) == 1
