"""Menu items, components, widgets and manifests: what they default to, and what a manifest finds in itself."""

from dataclasses import asdict
from typing import Any

import pytest

from xerpium_sdk.wire import DecodeError, examples
from xerpium_sdk.wire.manifests import InvalidManifest, Manifest, ManifestResult, ManifestRevision, generation_of
from xerpium_sdk.wire.menus import Badge, MenuItem
from xerpium_sdk.wire.ui import UIComponent, UIWidget
from xerpium_sdk.wire.versions import VersionError

ORDERS = MenuItem("Orders", "/orders", "receipt")


def test_an_item_of_the_first_clients_means_what_it_meant() -> None:
    positional = MenuItem("Pricing", "/p", "dollar-sign", "Catalogue", None, 3, ["product.edit"], False, "Prices")
    named = MenuItem(
        name="Pricing",
        path="/p",
        icon="dollar-sign",
        parent_name="Catalogue",
        order_number=3,
        required_permissions=["product.edit"],
        is_active=False,
        description="Prices",
    )
    assert positional == named
    assert named.to_json() == {
        "name": "Pricing",
        "path": "/p",
        "icon": "dollar-sign",
        "parent_name": "Catalogue",
        "order_number": 3,
        "required_permissions": ["product.edit"],
        "is_active": False,
        "description": "Prices",
    }
    bare = MenuItem("Pricing", "/p", "dollar-sign", required_permissions=None, description=None)
    assert (bare.order_number, bare.is_active, bare.required_permissions) == (100, True, ())


def test_a_minimal_item_gets_the_defaults_of_the_contract() -> None:
    item = MenuItem.from_json(examples.load("menu_item_minimal"))
    assert item.to_json() == examples.load("menu_item_minimal") | {
        "order_number": 100,
        "required_permissions": [],
        "is_active": True,
    }
    assert item.effective_key == "/orders"


def test_components_and_widgets_of_the_first_clients_can_be_sent_as_dictionaries() -> None:
    component = UIComponent(
        name="Form", component_type="form", service_name="shop", route_path="/edit/:id", api_endpoint="/api/v1/x/{id}"
    )
    assert asdict(component) == {
        "name": "Form",
        "component_type": "form",
        "service_name": "shop",
        "route_path": "/edit/:id",
        "api_endpoint": "/api/v1/x/{id}",
        "permissions": None,
        "props": None,
        "metadata": None,
        "is_active": True,
    }
    widget = UIWidget("Count", "shop", "metric", "/api/v1/count", config={"title": "Count"})
    assert widget == UIWidget.from_json(asdict(widget))
    assert (widget.refresh_interval, widget.size, widget.to_json()["config"]) == (30, "medium", {"title": "Count"})


@pytest.mark.parametrize(
    ("item", "key"),
    [
        (ORDERS, "/orders"),
        (MenuItem("A", "/a/"), "/a"),
        (MenuItem("A", "/"), "/"),
        (MenuItem("A", "/a", key="a"), "a"),
        (MenuItem("A", url="https://a.example/x"), "https://a.example/x"),
    ],
    ids=["path", "slash", "root", "key", "url"],
)
def test_the_key_is_what_the_hub_takes_for_it(item: MenuItem, key: str) -> None:
    assert item.effective_key == key


def test_a_badge_may_be_a_mapping() -> None:
    item = MenuItem("Orders", "/orders", badge={"endpoint": "/api/v1/orders/open-count"})
    assert item.badge == Badge("/api/v1/orders/open-count", 60)
    with pytest.raises(TypeError, match="refresh"):
        MenuItem("Orders", "/orders", badge={"endpoint": "/x", "refresh": 5})


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (MenuItem, {"path": "/a"}),
        (MenuItem, {"name": "A", "path": "/a", "badge": {"refresh_interval": 5}}),
        (UIComponent, {"name": "A"}),
        (UIWidget, {}),
        (Manifest, {"schema_version": 2}),
        (Manifest, {"menus": [{"path": "/a"}]}),
        (Manifest, {"menus": [{"name": "A"}]}),
        (Manifest, {"menus": 5}),
        (ManifestResult, {"revision": 1, "generation": 1}),
        (ManifestResult, {"revision": 1, "generation": 1, "changed": True, "created": [{}]}),
        (ManifestRevision, {"number": 1}),
        (ManifestRevision, {"number": 1, "cause": "put", "created_at": "yesterday"}),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(kind: Any, document: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        kind.from_json(document)


def test_what_a_newer_hub_says_is_ignored() -> None:
    document = examples.load("menu_item")
    later = document | {"badge": document["badge"] | {"colour": "red"}, "colour": "red"}
    assert MenuItem.from_json(later).to_json() == document
    result = examples.load("manifest_result")
    assert ManifestResult.from_json(result | {"created": [result["created"][0] | {"x": 1}]}).created[0].id == 41


def faults(**parts: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidManifest) as caught:
        Manifest(**parts)
    return [(fault.pointer, fault.message) for fault in caught.value.errors]


def test_what_occurs_twice_is_found_before_anything_is_sent() -> None:
    edit = UIComponent("Edit", "form", route_path="/Orders/edit/:id/", api_endpoint="/x")
    assert faults(
        menus=[ORDERS, MenuItem("Again", "/Orders/"), MenuItem("A", "/a", key="a"), MenuItem("B", "/b", key="a")],
        components=[edit, UIComponent("Change", "form", route_path="/orders/edit/:pk", api_endpoint="/x"), edit],
        widgets=[UIWidget("Count"), UIWidget("Count")],
    ) == [
        ("/menus/3/key", "/menus/2 has the same key."),
        ("/menus/1/path", "/menus/0 has the same path."),
        ("/components/2/name", "/components/0 has the same name."),
        ("/components/1/route_path", "/components/0 has the same route."),
        ("/components/2/route_path", "/components/0 has the same route."),
        ("/widgets/1/name", "/widgets/0 has the same name."),
    ]
    assert faults(menus=[ORDERS, ORDERS]) == [("/menus/1/path", "/menus/0 has the same path.")]


def test_an_item_leads_somewhere_and_to_one_place_only() -> None:
    wrong = [MenuItem("Nowhere"), MenuItem("Both", "/a", url="https://a.example")]
    assert [pointer for pointer, _ in faults(menus=wrong)] == ["/menus/0/path", "/menus/1/path"]


def test_a_company_may_have_a_path_of_its_own() -> None:
    assert len(Manifest(menus=[ORDERS, MenuItem("Ours", "/orders", company_id=7)]).menus) == 2


def test_a_manifest_is_of_a_service_and_a_version() -> None:
    manifest = Manifest(menus=[ORDERS], widgets=[UIWidget("Count", "shop", "metric", "/count")])
    sent = manifest.of("shop", "1.4.2").to_json()
    assert (sent["schema_version"], sent["version"], sent["generation"]) == (1, "1.4.2", 1_004_002)
    assert "service_name" not in sent["widgets"][0]
    assert Manifest(version="2.0.0", generation=7).of("shop", "1.4.2").to_json()["generation"] == 7
    for service, version, words in (
        ("other", "1.0.0", "/widgets/0/service_name: It is said to be of shop, and the manifest is of other."),
        ("shop", None, "/version: Say which version of the service this is."),
        ("shop", "latest", "/generation: Give a generation: 'latest' is no version of SemVer"),
    ):
        with pytest.raises(InvalidManifest) as caught:
            manifest.of(service, version)
        assert str(caught.value).startswith(words)


def test_what_has_no_form_in_json_is_named() -> None:
    manifest = Manifest(components=[UIComponent("Edit", "form", route_path="/e", props={"fields": {1, 2}})])
    with pytest.raises(InvalidManifest, match=r"data\.components\[0\]\.props\.fields: a set has no JSON form"):
        manifest.of("shop", "1.0.0")


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        ("1.4.2", 1_004_002),
        ("0.0.1", 1),
        ("2026.11.28", 2_026_011_028),
        ("1.2000.3", 1_999_003),
        ("2.0.0-rc.1", 2_000_000),
    ],
)
def test_generations_grow_with_versions(version: str, generation: int) -> None:
    assert generation_of(version) == generation


def test_what_is_no_version_has_no_generation() -> None:
    with pytest.raises(VersionError):
        generation_of("1.4")
