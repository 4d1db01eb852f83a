"""What the SDK declares, against the hub itself on a socket; and the golden examples from the hub's side."""

import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.core.access import Principal
from apps.registry.live import live
from apps.serviceauth.services import viewer_token_issue
from tests.support import accounts
from tests.support.api import Api
from tests.support.database import transactional_db
from tests.support.server import serving
from tests.support.wait import wait_until
from xerpium_sdk.auth import ServiceAuthClient, TokenVerifier
from xerpium_sdk.auth.gate import require
from xerpium_sdk.registry import (
    Backoff,
    Conflict,
    HubClient,
    Invalid,
    Member,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Registration,
)
from xerpium_sdk.ui import (
    Manifest,
    ManifestClient,
    MenuItem,
    MenuRegistrationClient,
    Outcome,
    UIComponent,
    UIRegistryClient,
    UIWidget,
)
from xerpium_sdk.wire import examples

__all__ = ["transactional_db"]

pytestmark = pytest.mark.timeout(120)
SOON = Backoff(base=0.05, cap=0.1)
SHOP = Registration(name="shop", version="1.4.2", host="127.0.0.1", port=8101)
ROOT = MenuItem("Sales", "/sales", "sell")
ITEMS = [ROOT, *(MenuItem(f"Page {number}", f"/sales/{number}", parent_name="Sales") for number in range(8))]


@pytest.fixture
def hub_url(transactional_db: None) -> Iterator[str]:
    """An open hub."""
    with serving() as (host, port):
        yield f"http://{host}:{port}"
    live.stop()


@pytest.fixture
def example_manifests(monkeypatch: pytest.MonkeyPatch) -> dict[str, Manifest]:
    """What the example services bring."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[3] / "examples")
    return {name: importlib.import_module(f"{name}_service.ui").service.manifest for name in ("product", "order")}


def paths(api: Api, **filters: str) -> dict[str, Any]:
    """Return the hub's menu items by path."""
    answer = api.get("/menu-items?" + "&".join(f"{name}={value}" for name, value in filters.items()))
    return {item["path"]: item for item in answer.json()["results"]}


def test_golden_examples_are_what_the_hub_takes_and_gives(hub_url: str) -> None:
    api, manifest = Api(), examples.load("manifest")
    put = api.send("PUT", "/services/order-service/manifest", manifest)
    assert (put.status_code, put.json()["changed"], len(put.json()["created"])) == (200, True, 4)
    assert set(put.json()) == set(examples.load("manifest_result"))
    assert api.get("/services/order-service/manifest").json() == manifest
    (revision,) = api.get("/services/order-service/manifest/revisions").json()["results"]
    assert set(examples.load("manifest_revision")) <= set(revision)
    for collection, name in (("menu-items", "menu_item"), ("menu-items", "menu_item_minimal")):
        document = examples.load(name) | {"service_name": "another-service", "path": f"/{name}"}
        answer = api.post(f"/{collection}/", document)
        assert answer.status_code == 201, answer.content
        assert document.items() <= answer.json().items()
    for collection, name in (("components", "component"), ("widgets", "widget")):
        document = examples.load(name)
        answer = api.post(f"/{collection}/", document)
        assert answer.status_code == 201, answer.content
        assert document.items() <= answer.json().items()


def test_single_items_are_declared_refused_and_taken_back(hub_url: str) -> None:
    with MenuRegistrationClient(hub_url, "shop") as menus, MenuRegistrationClient(hub_url, "other") as others:
        assert menus.register_menu_items(ITEMS[:2]) == menus.register_menu_items(ITEMS[:2])
        assert menus.register_menu_item(MenuItem("Odd", "/odd", "no-such-icon", parent_name="Nobody")) is True
        declared = menus.declare(MenuItem("Odd", "/odd", "no-such-icon", parent_name="Nobody"))
        assert declared.pending_parent
        assert [warning.code for warning in declared.warnings] == ["unknown_icon", "pending_parent"]
        assert len(menus.registered_items) == 3
        with pytest.raises(Conflict) as caught:
            others.declare(MenuItem("Ours", "/Sales/"))
        assert caught.value.problem.code == "path_taken"
        assert "shop" in str(caught.value)
        with pytest.raises(Invalid):
            others.declare(MenuItem("Ours", "sales"))
        assert menus.unregister_all_items() is True
        with pytest.raises(NotFound):
            menus.withdraw(declared.id)
    with UIRegistryClient(hub_url, "shop") as ui:
        count = UIWidget("Count", "shop", "metric", "/api/v1/count", config={"title": "Count", "colour": "red"})
        assert [warning.code for warning in ui.declare(count).warnings] == ["unknown_key"]
        assert ui.register_component(UIComponent("Form", "form", "shop", "/sales/:id", "/api/v1/sales/{id}")) is True
        assert ui.register_component(UIComponent("Form", "form", "shop", "/sales/:id", "https://evil.example")) is False
        assert ui.unregister_all() is True


def test_a_member_brings_its_manifest_and_respects_what_others_decided(
    hub_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "xerpium_sdk.ui")
    with Member(hub_url, SHOP, backoff=SOON, manifest=Manifest(ITEMS)) as member:
        keeper = member.manifest
        assert keeper is not None
        wait_until(lambda: keeper.applied, description="the manifest to be applied")
        assert keeper.settlement is not None
        assert keeper.settlement.result is not None
        assert len(keeper.settlement.result.created) == len(ITEMS)
        keeper.change(Manifest([*ITEMS, MenuItem("More", "/sales/more")]))
        wait_until(
            lambda: keeper.settlement and keeper.settlement.outcome is Outcome.RAISED, description="the next one"
        )
        keeper.change(Manifest([ROOT]))
        wait_until(lambda: isinstance(keeper.trouble, Conflict), description="the guard against emptying a menu")
        assert "confirm_prune=True" in caplog.text
    with ManifestClient(hub_url, "shop", version="1.4.2") as manifests:
        assert len(manifests.get().menus) == len(ITEMS) + 1, "what is declared stays when the service leaves"
        assert len(manifests.dry_run(Manifest([ROOT], version="1.5.0"), confirm_prune=True).removed) == len(ITEMS)
        first = manifests.revisions()[-1]
        assert manifests.restore(first.number).changed
        left = manifests.apply(Manifest([*ITEMS, MenuItem("More", "/sales/more")]))
        assert (left.outcome, len(manifests.get().menus)) == (Outcome.ROLLED_BACK, len(ITEMS))
        assert manifests.apply(Manifest(ITEMS, version="1.4.3")).outcome is Outcome.RAISED
        manifests.remove()
        with pytest.raises(NotFound):
            manifests.get()
        assert manifests.apply(Manifest(ITEMS)).outcome is Outcome.APPLIED


@pytest.mark.parametrize("names", [("product", "order"), ("order", "product")], ids=["parents first", "parents last"])
def test_the_examples_may_start_in_any_order(
    hub_url: str, example_manifests: dict[str, Manifest], names: tuple[str, str]
) -> None:
    for name in names:
        with ManifestClient(hub_url, f"{name}-service", version="1.0.0") as manifests:
            result = manifests.put(example_manifests[name])
            assert {warning.code for warning in result.warnings} <= {"pending_parent"}
            assert bool(result.pending) is (name == names[0] == "order")
    found = paths(Api())
    assert len(found) == 7
    assert not any(item["pending_parent"] for item in found.values())
    above = {path: item["effective"]["parent_id"] for path, item in found.items()}
    assert above["/orders"] == above["/products/list"] == found["/products"]["id"]
    assert above["/orders/running-low"] == found["/products/reports"]["id"]


def test_a_closed_hub_is_spoken_to_with_the_services_token(hub_url: str, settings: Any) -> None:
    settings.HUB_OPEN = False
    key = accounts.key(accounts.account("shop", companies=[7]))
    with ServiceAuthClient(hub_url, "shop", key, company_id=7) as auth, HubClient(hub_url, auth=auth) as hub:
        with Member(hub, SHOP, backoff=SOON, manifest=Manifest(ITEMS)) as member:
            assert member.manifest is not None
            wait_until(lambda: member.manifest and member.manifest.applied, description="the manifest to be applied")
        with pytest.raises(NotAllowed):
            MenuRegistrationClient(hub, "other").declare(ROOT)
        assert MenuRegistrationClient(hub, "shop").declare(ROOT).document["company_id"] == 7
    with ManifestClient(hub_url, "shop", version="1.4.2") as stranger, pytest.raises(NotAuthenticated):
        stranger.get()


def test_the_doors_of_a_service_know_tokens_that_widgets_are_asked_with(hub_url: str) -> None:
    looking = Principal("service", "portal", token_id="t")
    issued = viewer_token_issue(
        viewer=looking,
        service_name="shop",
        company_id=7,
        permissions=["product.*"],
        user_id=None,
        is_personal=False,
        now=timezone.now(),
    )
    context = TokenVerifier(hub_url, "shop").verify(issued.access_token)
    require(context, company=True, permissions=("product.view",))
    assert (context.company_id, context.may("product.view"), context.may("order.view")) == (7, True, False)
