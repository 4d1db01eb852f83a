"""Who may declare, see and put back whose manifest, and what companies see of each other's."""

from typing import Any

import pytest

from apps.core.access import OpenHub, Principal
from apps.menus.models import MenuItem
from apps.uiregistry.models import Manifest
from tests.support.api import Api
from tests.support.operators import staff, superuser
from tests.uiregistry.manifests import NETWORK, PATH, Caller, manifest, menu, put

pytestmark = pytest.mark.django_db

ONE = {"menus": [menu(1)], "components": [], "widgets": []}


def test_a_service_has_a_manifest_in_each_company_and_one_for_everybody() -> None:
    everybody, seven, eight = Caller("orders"), Caller("orders", company_id=7), Caller("orders", company_id=8)
    put(everybody, manifest(**ONE))
    put(seven, manifest(menus=[menu(7)], components=[], widgets=[]))
    for caller, number in ((everybody, 1), (seven, 7)):
        assert [item["path"] for item in caller.get(PATH).json()["menus"]] == [f"/items/{number}"]
    assert eight.get(PATH).status_code == 404
    assert eight.get(f"{PATH}/revisions").status_code == 404
    assert MenuItem.objects.get(key="/items/7").company_id == 7
    assert seven.send("DELETE", PATH).status_code == 204
    assert everybody.get(PATH).status_code == 200
    assert sorted(Manifest.objects.values_list("company_id", flat=True), key=str) == [7, None]


def test_nobody_writes_anothers() -> None:
    put(Caller("orders", company_id=7), manifest())
    for token, status, code in (
        ({"company_id": 7}, 403, "not_allowed"),
        ({"company_id": 8}, 404, "not_found"),
        ({}, 404, "not_found"),
    ):
        caller = Caller("shop", **token)
        for verb, path, body in (
            ("PUT", PATH, manifest(generation=99)),
            ("DELETE", PATH, None),
            ("POST", f"{PATH}/revisions/1/restore", None),
        ):
            answer = caller.send(verb, path, body)
            assert (answer.status_code, answer.json()["code"]) == (status, code), (token, verb)
    unknown = Caller("shop", company_id=8).send("PUT", "/services/nobody/manifest", manifest())
    hidden = Caller("shop", company_id=8).send("PUT", PATH, manifest())
    assert unknown.json()["detail"].replace("nobody", "orders") == hidden.json()["detail"]


def test_everybodys_is_not_changed_from_within_a_company() -> None:
    put(Caller("orders"), manifest(**ONE))
    caller = Caller("shop", company_id=7)
    assert caller.send("PUT", PATH, manifest()).status_code == 403
    # A company's caller works on its company's, and there is none.
    assert caller.get(PATH).status_code == 404


@pytest.mark.parametrize("company_id", [8, 9])
def test_another_companys_is_not_named(company_id: int) -> None:
    put(Caller("orders", company_id=8), manifest())
    caller = Caller("orders", company_id=7)
    assert caller.send("PUT", f"{PATH}?company_id={company_id}", manifest()).status_code == 403
    answer = caller.get(f"{PATH}?company_id={company_id}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "'orders' has no manifest here.")
    assert caller.send("POST", f"{PATH}/revisions/1/restore?company_id={company_id}").status_code == 403


def test_an_account_without_a_company_names_one_of_its_own() -> None:
    caller = Caller("orders", companies=[7, 8])
    put(caller, manifest(**ONE), "?company_id=7")
    assert Manifest.objects.get().company_id == 7
    assert caller.get(f"{PATH}?company_id=7").json() == manifest(**ONE)
    assert caller.get(PATH).status_code == 404
    assert caller.send("PUT", f"{PATH}?company_id=9", manifest()).status_code == 403


def test_states_hold_nothing_of_companies_that_are_not_in_sight() -> None:
    orders, shop = Caller("orders", companies=[7, 8]), Caller("shop", companies=[8])
    put(orders, manifest(menus=[menu(1), menu(7, company_id=7), menu(8, company_id=8)], components=[], widgets=[]))
    for path in (PATH, f"{PATH}/revisions", f"{PATH}/revisions/1", f"{PATH}/revisions/1/difference"):
        answer = shop.get(path)
        assert answer.status_code == 200, answer.content
        assert b"/items/7" not in answer.content
        assert orders.get(path).content != answer.content or path.endswith("revisions")
    assert [item["path"] for item in shop.get(PATH).json()["menus"]] == ["/items/1", "/items/8"]
    (listed,) = shop.get(f"{PATH}/revisions").json()["results"]
    assert listed["counts"]["menus"] == 2
    assert orders.get(f"{PATH}/revisions").json()["results"][0]["counts"]["menus"] == 3


def test_a_narrower_token_neither_sees_nor_prunes_what_is_another_companys() -> None:
    wide, narrow = Caller("orders", companies=[7, 8]), Caller("orders", companies=[8])
    body = manifest(menus=[menu(1), menu(7, company_id=7), menu(8, company_id=8)], components=[], widgets=[])
    put(wide, body)
    seen = narrow.get(PATH).json()
    assert [item["path"] for item in seen["menus"]] == ["/items/1", "/items/8"]
    assert not put(narrow, seen)["changed"]
    put(narrow, {**seen, "generation": 42, "menus": [menu(1)]})
    assert [item["path"] for item in wide.get(PATH).json()["menus"]] == ["/items/1", "/items/7"]
    assert len(wide.get(f"{PATH}/revisions/2").json()["body"]["menus"]) == 2
    assert narrow.send("POST", f"{PATH}/revisions/1/restore").json()["changed"]
    assert wide.get(PATH).json()["menus"] == body["menus"]


@pytest.mark.parametrize(
    ("scopes", "verb", "missing"),
    [
        (["ui:read"], "PUT", "ui:write"),
        (["ui:write"], "PUT", "menus:write"),
        (["menus:write"], "DELETE", "ui:write"),
        (["ui:write", "menus:write"], "GET", "ui:read"),
    ],
)
def test_scopes(scopes: list[str], verb: str, missing: str) -> None:
    answer = Caller("orders", scopes=scopes).send(verb, PATH, manifest() if verb == "PUT" else None)
    assert answer.status_code == 403
    assert f'scope="{missing}"' in answer["WWW-Authenticate"]


def test_operators_put_and_restore_any_and_name_the_company() -> None:
    operator = Api(superuser())
    put(operator, manifest(**ONE), "?company_id=7", REMOTE_ADDR=NETWORK)
    put(operator, manifest(**ONE, generation=42, version="2.0.0"), "?company_id=7", REMOTE_ADDR=NETWORK)
    path = f"{PATH}/revisions/1/restore?company_id=7"
    assert operator.post(path, REMOTE_ADDR=NETWORK).json()["changed"]
    listed = operator.get(f"{PATH}/revisions?company_id=7", REMOTE_ADDR=NETWORK).json()["results"]
    assert {one["actor"] for one in listed} == {"operator:anna"}


def test_operators_need_the_permission_of_manifests() -> None:
    put(Api(superuser()), manifest(**ONE), REMOTE_ADDR=NETWORK)
    looker = Api(staff("ben", "view_manifest", app="uiregistry"))
    assert looker.get(PATH, REMOTE_ADDR=NETWORK).status_code == 200
    assert looker.delete(PATH, REMOTE_ADDR=NETWORK).status_code == 403
    changer = Api(staff("cleo", "change_manifest", app="uiregistry"))
    assert changer.delete(PATH, REMOTE_ADDR=NETWORK).status_code == 204


def test_an_operator_of_a_company_works_on_that_companys(monkeypatch: pytest.MonkeyPatch) -> None:
    put(Caller("orders", company_id=8), manifest(**ONE))
    put(Caller("orders"), manifest(menus=[menu(5)], components=[], widgets=[]))
    ann = Principal("operator", "ann", companies=frozenset({7}))
    monkeypatch.setattr(OpenHub, "authenticate", lambda self, request: (ann, None))
    api: Any = Api()
    assert api.get(PATH).status_code == 404
    put(api, manifest(menus=[menu(2)], components=[], widgets=[]))
    assert Manifest.objects.filter(company_id=7).exists()
    assert api.get(f"{PATH}?company_id=8").status_code == 404
    assert api.send("PUT", f"{PATH}?company_id=8", manifest()).status_code == 403
