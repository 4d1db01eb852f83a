"""Components and widgets over REST."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.menus.models import Conflict
from apps.registry.models import Instance
from tests.support import services
from tests.support.api import Api, faults_of
from tests.support.tokens import bearer, token_for
from tests.uiregistry.declared import component, widget
from xerpium_sdk.wire.registry import Status

COLLECTIONS = {"components": component, "widgets": widget}


def as_service(name: str = "products", **options: Any) -> dict[str, Any]:
    return {"headers": bearer(token_for(name, companies="*", **options))}


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_the_life_of_an_item(api: Api, kind: str) -> None:
    body = {**COLLECTIONS[kind]("List"), "service_name": "products"}
    made = api.post(f"/{kind}/", body)
    assert made.status_code == 201, made.content
    at = f"/{kind}/{made.json()['id']}"
    again = api.post(f"/{kind}", {**body, "permissions": ["product.view"]})
    assert (again.status_code, again.json()["id"]) == (201, made.json()["id"])
    assert again.json()["permissions"] == ["product.view"]
    assert api.get(at).json() == again.json()

    changed = api.send("PATCH", at, {"name": "All", "permissions": None})
    assert (changed.status_code, changed.json()["name"]) == (200, "All")
    assert changed.json()["permissions"] == ["product.view"]
    put = api.send("PUT", at + "/", {**body, "name": "All"})
    assert (put.status_code, put.json()["permissions"]) == (200, [])

    assert api.delete(at).status_code == 204
    assert api.delete(at).status_code == api.get(at).status_code == api.send("PATCH", at, {}).status_code == 404
    assert api.get(f"/{kind}").json()["results"] == []
    assert api.post(f"/{kind}", {**body, "name": "All"}).json()["id"] == made.json()["id"]


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_every_fault_is_named_at_once(api: Api, kind: str) -> None:
    body = {**COLLECTIONS[kind]("List"), "service_name": "Not a name", "permissions": ["a.*", 3], "colour": "red"}
    body |= {"name": " ", "api_endpoint": "//elsewhere/x", "is_active": "yes", "company_id": 0}
    assert faults_of(api.post(f"/{kind}", body)) == {
        ("/service_name", "name"),
        ("/permissions/0", "wildcard"),
        ("/permissions/1", "invalid_type"),
        ("/colour", "unknown_field"),
        ("/name", "text"),
        ("/api_endpoint", "endpoint"),
        ("/is_active", "invalid_type"),
        ("/company_id", "min_value"),
    }
    assert ("/name", "required") in faults_of(api.post(f"/{kind}", {}))
    nothing = {name: None for name in ("props", "metadata", "config", "permissions") if name not in body}
    known = {name: None for name in nothing if (name == "config") == (kind == "widgets") or name == "permissions"}
    assert api.post(f"/{kind}", {**COLLECTIONS[kind](), "service_name": "a", **known}).status_code == 201


def test_faults_of_props_stand_where_they_are(api: Api) -> None:
    fields = [{"name": "a", "type": "select"}, {"name": "a", "type": "text"}]
    body = component("Form", component_type="form", service_name="products", props={"fields": fields})
    assert faults_of(api.post("/components", body)) == {
        ("/props/fields/0", "options_or_source"),
        ("/props/fields/1/name", "repeated"),
    }
    ok = component("Form", component_type="form", service_name="products", props={"feilds": []})
    answer = api.post("/components", ok).json()
    assert [warning["pointer"] for warning in answer["warnings"]] == ["/props/feilds"]
    assert api.get(f"/components/{answer['id']}").json()["props"] == {"feilds": []}


def test_one_route_has_one_owner(api: Api) -> None:
    api.post("/components", component("Edit", route_path="/edit/:id", service_name="sales"))
    taken = api.post("/components", component("Edit", route_path="/Edit/:pk/", service_name="products"))
    assert (taken.status_code, taken.json()["code"]) == (409, "route_taken")
    assert "sales" in taken.json()["detail"]
    assert [fault["pointer"] for fault in taken.json()["errors"]] == ["/route_path"]
    for _ in range(2):
        api.post("/components", component("Edit", route_path="/edit/:pk", service_name="products"))
    noted = Conflict.objects.get()
    assert (noted.kind, noted.claimant, noted.owner, noted.times) == ("component", "products", "sales", 3)
    own = api.post("/components", component("Other", route_path="/edit/:key", service_name="sales"))
    assert faults_of(own) == {("/route_path", "route_repeated")}
    taken_name = api.post("/components", component("New", service_name="sales")).json()["id"]
    named = api.send("PATCH", f"/components/{taken_name}", {"name": "Edit"})
    assert (named.status_code, named.json()["code"]) == (409, "name_taken")


def test_nobody_declares_in_anothers_name(api: Api) -> None:
    made = api.post("/widgets", {**widget(), "service_name": "sales"}).json()["id"]
    sent = {**widget("Mine"), "service_name": "sales"}
    for answer in (
        api.post("/widgets", sent, **as_service()),
        api.send("PATCH", f"/widgets/{made}", {"size": "large"}, **as_service()),
        api.delete(f"/widgets/{made}", **as_service()),
    ):
        assert answer.status_code == 403
    assert api.get(f"/widgets/{made}", **as_service()).status_code == 200
    assert faults_of(api.send("PATCH", f"/widgets/{made}", {"service_name": "b", "company_id": 7})) == {
        ("/service_name", "fixed"),
        ("/company_id", "fixed"),
    }


def test_another_companys_item_is_not_there(api: Api) -> None:
    seven, eight = as_service(company_id=7), as_service(company_id=8)
    made = api.post("/components", component(service_name="products"), **seven).json()
    assert made["company_id"] == 7
    at = f"/components/{made['id']}"
    missing = api.get("/components/999999", **eight).json()
    for verb, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        refused = api.send(verb, at, body, **eight)
        assert (refused.status_code, refused.json()["detail"]) == (404, missing["detail"])
    assert api.get("/components", **eight).json()["results"] == []
    named = api.post("/components", component(service_name="products", company_id=8), **as_service())
    assert named.json()["company_id"] == 8
    assert api.post("/components", component(service_name="products", company_id=8), **seven).status_code == 403


def test_lists_have_filters(api: Api) -> None:
    for number in range(3):
        api.post("/widgets", {**widget(f"W{number}"), "service_name": "sales", "is_active": number != 1})
    api.post("/widgets", {**widget("Chart", widget_type="chart", size="large"), "service_name": "products"})
    api.post("/components", component("Edit", route_path="/edit/:id", service_name="products"))

    def names(path: str) -> list[str]:
        return [one["name"] for one in api.get(path).json()["results"]]

    assert names("/widgets?service_name=sales&is_active=true") == ["W0", "W2"]
    assert names("/widgets?widget_type=chart&size=large&q=CHA") == ["Chart"]
    assert names("/widgets?name=W1") == ["W1"]
    assert names("/components?route_path=/EDIT/:key") == ["Edit"]
    assert names("/components?component_type=form") == []
    page = api.get("/widgets?limit=3").json()
    assert names(f"/widgets?cursor={page['next']}") == ["Chart"]
    assert faults_of(api.get("/widgets?colour=red")) == {("?colour", "unknown_parameter")}


def test_schemas_are_published_with_their_versions(api: Api) -> None:
    listed = api.get("/ui/schemas/").json()["schemas"]
    assert [one["type"] for one in listed][:4] == ["page", "widget", "modal", "form"]
    for one in listed:
        document = api.get(f"/ui/schemas/{one['type']}")
        assert document.json()["$id"] == one["id"]
        assert document.headers["ETag"]
    assert api.get("/ui/schemas/form?version=1").status_code == 200
    assert faults_of(api.get("/ui/schemas/form?version=2")) == {("?version", "max_value")}
    assert api.get("/ui/schemas/nothing").status_code == 404


# --- What is at a path ------------------------------------------------------------------------------------------------


def test_a_path_leads_to_a_component_and_its_parameters(api: Api) -> None:
    for name, path in (("Form", "/products/edit/:id"), ("New", "/products/edit/new"), ("Home", "/")):
        api.post("/components", component(name, route_path=path, service_name="products"))
    found = api.get("/ui/resolve?path=/products/edit/42").json()
    assert (found["component"]["name"], found["params"]) == ("Form", {"id": "42"})
    assert api.get("/ui/resolve?path=/Products/edit/NEW/").json()["component"]["name"] == "New"
    assert api.get("/ui/resolve?path=/").json()["component"]["name"] == "Home"
    assert api.get("/ui/resolve?path=/products").status_code == 404
    assert api.get("/ui/resolve?path=/products/edit/a%252Fb%25zz").json()["params"] == {"id": "a/b%zz"}
    for path in ("products", "/a?b", "/a%23b"):
        assert faults_of(api.get("/ui/resolve", QUERY_STRING=f"path={path}")) == {("?path", "path")}
    assert faults_of(api.get("/ui/resolve")) == {("?path", "required")}


def test_a_page_is_for_those_who_have_its_permissions(api: Api) -> None:
    made = api.post("/components", component(service_name="products", permissions=["product.view", "a"])).json()
    refused = api.get("/ui/resolve?path=/list", **as_service())
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
    assert "product.view" in refused.json()["detail"]
    assert api.get("/ui/resolve?path=/list").json()["component"]["id"] == made["id"]
    assert api.get("/ui/resolve?path=/list&permissions=product.*,a").status_code == 200
    assert api.get("/ui/resolve?path=/list&permissions=product.*").status_code == 403
    as_somebody = api.get("/ui/resolve?path=/list&permissions=*", **as_service())
    assert (as_somebody.status_code, as_somebody.json()["code"]) == (403, "operators_only")
    api.send("PATCH", f"/components/{made['id']}", {"is_active": False})
    assert api.get("/ui/resolve?path=/list").status_code == 404


def test_a_companys_page_takes_the_place_of_everybodys(api: Api) -> None:
    api.post("/components", component("All", route_path="/list", service_name="products"))
    own = component("Own", route_path="/list", service_name="custom", company_id=7)
    api.post("/components", own)
    names = {
        where: api.get(f"/ui/resolve?path=/list{where}").json()["component"]["name"]
        for where in ("", "&company_id=7", "&company_id=8")
    }
    assert names == {"": "All", "&company_id=7": "Own", "&company_id=8": "All"}
    assert api.get("/ui/resolve?path=/list", **as_service(company_id=7)).json()["component"]["name"] == "Own"


def test_a_page_goes_and_returns_with_its_service(api: Api) -> None:
    api.post("/components", component(service_name="products"))
    assert api.get("/ui/resolve?path=/list").json()["component"]["service_status"] is None
    services.run("products", [Status.UNHEALTHY])
    assert api.get("/ui/resolve?path=/list").json()["component"]["service_status"] == "unhealthy"
    Instance.objects.update(status=Status.STALE)
    assert api.get("/ui/resolve?path=/list").status_code == 404
    Instance.objects.update(status=Status.DEREGISTERED)
    assert api.get("/ui/resolve?path=/list").status_code == 404
    services.run("products", [Status.HEALTHY])
    assert api.get("/ui/resolve?path=/list").status_code == 200


def test_an_operator_of_a_company_looks_into_that_one(api: Api, settings: Any) -> None:
    settings.HUB_OPEN = False
    api.post("/components", component(service_name="products"), **as_service(company_id=7))
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("eve"))
    operator = Api(browser)
    assert operator.get("/ui/resolve?path=/list").status_code == 404
    assert operator.get("/ui/resolve?path=/list&company_id=7").status_code == 200
