"""The menus of services of today, against the hub over HTTP: nothing of their code changes but the hub's address.

The code is taken out of the document in which it is described, where that lies beside this checkout (or where
SEED_DOCUMENT says). Run again, as after a restart, it finds everything as it left it.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from apps.menus.models import MenuItem, Overlay
from tests.support.seed_code import DOCUMENT, code_of
from tests.support.server import serving

pytestmark = pytest.mark.usefixtures("hub")

TITLE = "menu_integration.py"
ADDRESS = "http://menu-access-service:8004"
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
        module = ModuleType("seed_menus")
        monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
        exec(compile(code.replace(ADDRESS, address), TITLE, "exec"), vars(module))
        module.address = address  # type: ignore[attr-defined]  # for the test alone
        yield module


def stored() -> list[tuple[str, str | None, int, int]]:
    rows = MenuItem.objects.filter(archived_at=None).select_related("parent").order_by("order_number", "pk")
    return [(row.name, row.parent.name if row.parent else None, row.order_number, row.pk) for row in rows]


def test_their_menus_are_registered_and_again_after_a_restart(seed: Any) -> None:
    assert seed.register_product_menus() is True
    first = stored()
    assert [row[:3] for row in first] == [
        ("Products", "Product Catalog", 1),
        ("Categories", "Product Catalog", 2),
        ("Pricing", "Product Catalog", 3),
        ("Product Reports", "Product Catalog", 10),
        ("Product Catalog", None, 200),
    ]
    Overlay.objects.create(
        item_id=first[0][3], scope="global", scope_id=0, values={"name": "Goods"}, base={"name": "Products"}, actor="x"
    )
    assert seed.register_product_menus() is True
    assert stored() == first
    assert Overlay.objects.get().values == {"name": "Goods"}


def test_they_may_register_children_first_and_take_everything_back(seed: Any) -> None:
    client = seed.MenuRegistrationClient(seed.address, "product-service")
    child = seed.MenuItem(name="Products", path="/products/list", icon="box", parent_name="Product Catalog")
    parent = seed.MenuItem(name="Product Catalog", path="/products", icon="package")
    assert client.register_menu_items([child, parent]) == {"Products": True, "Product Catalog": True}
    assert [row[:2] for row in stored()] == [("Products", "Product Catalog"), ("Product Catalog", None)]
    by_id = seed.MenuItem(name="Prices", path="/prices", icon="dollar-sign", parent_id=stored()[1][3])
    assert client.register_menu_item(by_id) is True
    assert client.register_menu_item(seed.MenuItem(name="Bad", path="no path", icon="")) is False
    assert len(client.registered_items) == 3
    client.unregister_all_items()
    assert stored() == []
