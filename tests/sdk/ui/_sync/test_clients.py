# Generated from tests/sdk/ui/_async/test_clients.py by tools/unasync.py; change that file, not this one.
"""Declaring items one by one, with the methods of the first clients and with those that raise."""

import logging

import pytest

from tests.sdk.hub import problem
from tests.sdk.ui.hub import UIHub
from xerpium_sdk.registry import Backoff, Conflict, HubClient, Invalid, NotFound, Retry
from xerpium_sdk.ui import MenuItem, MenuRegistrationClient, UIComponent, UIRegistryClient, UIWidget

AT_ONCE = Retry(attempts=3, backoff=Backoff(base=0.001, cap=0.001))
CATALOG = MenuItem("Catalogue", "/products", "package", order_number=200, required_permissions=["product.view"])
PRICES = MenuItem("Pricing", "/products/pricing", "dollar-sign", "Catalogue")
FORM = UIComponent("Form", "form", "product-service", "/products/edit/:id", "/api/v1/products/{id}")
COUNT = UIWidget("Count", "product-service", "metric", "/api/v1/products/stats/count", size="small")


def test_items_are_declared_and_taken_back(hub: UIHub) -> None:
    menus = MenuRegistrationClient(menu_service_url=hub.url + "/", service_name="product-service")
    assert menus.register_menu_items([CATALOG, PRICES]) == {"Catalogue": True, "Pricing": True}
    assert menus.register_menu_item(CATALOG) is True
    assert (menus.registered_items, menus.menu_service_url) == ([1, 2], hub.url)
    assert hub.requests("POST", "menu-items/")[1].body == {
        "name": "Pricing",
        "path": "/products/pricing",
        "icon": "dollar-sign",
        "parent_name": "Catalogue",
        "order_number": 100,
        "required_permissions": [],
        "is_active": True,
        "service_name": "product-service",
    }
    assert menus.unregister_all_items() is True
    assert (menus.registered_items, hub.items["menu-items"]) == ([], {})
    assert menus.unregister_all_items() is True, "nothing is left to take back"


def test_what_cannot_be_taken_back_stays_to_be_tried_again(hub: UIHub, caplog: pytest.LogCaptureFixture) -> None:
    with MenuRegistrationClient(hub.url, "product-service") as menus:
        menus.register_menu_items([CATALOG, PRICES])
        hub.answers = [problem(403, detail="It is another service's.", errors=[])]
        assert menus.unregister_all_items() is False
        assert menus.registered_items == [1]
        assert "menu-items 1 of product-service is not taken back: 403 It is another service's." in caplog.text
        del hub.items["menu-items"][1]
        assert menus.unregister_all_items() is True, "what is not there any more is taken back"


def test_the_log_says_what_was_refused_and_why(hub: UIHub, caplog: pytest.LogCaptureFixture) -> None:
    with MenuRegistrationClient(hub.url, "product-service") as menus:
        taken = "The path /products is shop-service's."
        fault = {"pointer": "/path", "code": "path_taken", "message": taken}
        hub.answers = [problem(409, code="path_taken", detail=taken, errors=[fault])]
        assert menus.register_menu_items([CATALOG, PRICES]) == {"Catalogue": False, "Pricing": True}
        assert f"Menu item 'Catalogue' of product-service is not declared: 409 {taken}; /path: {taken}" in caplog.text
        hub.answers = [problem(422)]
        assert menus.register_menu_items([CATALOG, CATALOG]) == {"Catalogue": False}, "one of that name is not"


def test_errors_can_be_had_as_errors(hub: UIHub) -> None:
    with MenuRegistrationClient(hub.url, "product-service") as menus:
        hub.answers = [problem(409, code="path_taken"), problem(422)]
        with pytest.raises(Conflict) as caught:
            menus.declare(CATALOG)
        assert caught.value.problem.code == "path_taken"
        with pytest.raises(Invalid):
            menus.declare(CATALOG)
        with pytest.raises(TypeError, match="set has no JSON form"):
            menus.declare(MenuItem("Wrong", "/wrong", labels={"de": {"a"}}))  # type: ignore[dict-item]
        assert menus.register_menu_item(MenuItem("Wrong", "/wrong", labels={"de": {"a"}})) is False  # type: ignore[dict-item]
        declared = menus.declare(CATALOG)
        assert (declared.id, declared.document["path"]) == (1, "/products")
        menus.withdraw(declared.id)
        assert menus.registered_items == []
        with pytest.raises(NotFound):
            menus.withdraw(declared.id)


def test_warnings_and_missing_parents_are_logged(hub: UIHub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "xerpium_sdk.ui")
    icon = {"pointer": "/icon", "code": "unknown_icon", "message": "There is no such icon."}
    parent = {"pointer": "/parent_name", "code": "pending_parent", "message": "“Catalogue” is not there."}
    hub.extras = {"pending_parent": True, "warnings": [icon, parent]}
    with MenuRegistrationClient(hub.url, "product-service") as menus:
        declared = menus.declare(PRICES)
    assert declared.pending_parent
    assert [fault.code for fault in declared.warnings] == ["unknown_icon", "pending_parent"]
    assert [(one.levelname, one.message) for one in caplog.records if one.name == "xerpium_sdk.ui"][1:] == [
        ("WARNING", "Of the menu item 'Pricing' the hub says: /icon: There is no such icon."),
        ("INFO", "Of the menu item 'Pricing' the hub says: /parent_name: “Catalogue” is not there."),
    ]


def test_not_now_is_tried_again_and_nobody_there_is_no_error_of_the_program(
    hub: UIHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.answers = [problem(503), problem(429)]
    with HubClient(hub.url, retry=AT_ONCE) as client:
        assert MenuRegistrationClient(client, "product-service").register_menu_item(CATALOG) is True
        assert len(hub.calls) == 3
        hub.stop()
        assert MenuRegistrationClient(client, "product-service").register_menu_item(CATALOG) is False
    assert f"No answer from the hub at {hub.url}" in caplog.text


def test_components_and_widgets(hub: UIHub, caplog: pytest.LogCaptureFixture) -> None:
    with UIRegistryClient(ui_registry_url=hub.url, service_name="product-service") as ui:
        assert ui.register_component(FORM) is True
        assert ui.register_widget(COUNT) is True
        assert ui.register_widget(UIWidget("Low", widget_type="table", api_endpoint="/api/v1/low")) is True
        assert (ui.registered_components, ui.registered_widgets, ui.ui_registry_url) == ([1], [2, 3], hub.url)
        assert hub.requests("POST", "widgets/")[1].body["service_name"] == "product-service"
        hub.answers = [problem(422), problem(409, detail="That route is taken.", errors=[])]
        assert ui.register_widget(COUNT) is False
        assert ui.register_component(FORM) is False
        assert "Widget 'Count' of product-service is not declared: 422" in caplog.text
        assert "Component 'Form' of product-service is not declared: 409 That route is taken." in caplog.text
        hub.answers = [problem(422)]
        with pytest.raises(Invalid):
            ui.declare(FORM)
        hub.answers = [problem(403)]
        assert ui.unregister_all() is False
        assert (ui.registered_components, ui.registered_widgets) == ([], [2])
        assert ui.unregister_all() is True
    assert hub.requests("POST", "components/")[0].body == {
        "name": "Form",
        "component_type": "form",
        "service_name": "product-service",
        "route_path": "/products/edit/:id",
        "api_endpoint": "/api/v1/products/{id}",
        "is_active": True,
    }


def test_tokens_come_from_the_environment(hub: UIHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XERPIUM_SERVICE_KEY", "xrp_test")
    hub.good_token = "token-1"
    menus = MenuRegistrationClient(hub.url, "product-service", company_id=7)
    assert menus.register_menu_item(CATALOG) is True
    asked = hub.requests("POST", "service-auth/token")[0].body
    assert (asked["service_name"], asked["company_id"]) == ("product-service", 7)
    assert hub.calls[-1].body["company_id"] == 7


def test_a_company_is_named_to_an_open_hub_too(hub: UIHub) -> None:
    with UIRegistryClient(hub.url, "product-service", company_id=7) as ui:
        ui.declare(COUNT)
    assert hub.calls[0].body["company_id"] == 7
    with MenuRegistrationClient(hub.url, "product-service", company_id=7) as menus:
        menus.declare(MenuItem("Theirs", "/theirs", company_id=8))
    assert hub.calls[1].body["company_id"] == 8
