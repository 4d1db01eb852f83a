"""What props, config and metadata may hold, and what is only worth a warning."""

from typing import Any

import jsonschema_rs
import pytest

from apps.events.schemas import schema_faults
from apps.uiregistry import rules, schemas
from tests.uiregistry.declared import component, widget


def form(*fields: Any, **props: Any) -> dict[str, Any]:
    return component("Form", component_type="form", props={"fields": list(fields), **props})


def found(item: dict[str, Any]) -> set[tuple[str, str]]:
    judge = rules.component_faults if "component_type" in item else rules.widget_faults
    return {(fault.pointer, fault.code) for fault in judge(item)}


@pytest.mark.parametrize("kind", schemas.TYPES)
def test_every_schema_is_one_that_events_might_have_and_has_a_version(kind: str) -> None:
    document = schemas.document(kind)
    assert not schema_faults(document)
    assert document["$id"] == f"urn:xerpium:ui:{kind}:{schemas.VERSION}"
    assert jsonschema_rs.Draft202012Validator(document).is_valid({})


def test_what_the_first_services_declare_is_good() -> None:
    fields = [
        {"name": "name", "type": "text", "required": True},
        {"type": "currency", "name": "list_price", "required": True},
        {"name": "category_id", "type": "select", "source": "/api/v1/categories/"},
    ]
    items = [
        form(*fields),
        component(metadata={"title": "Products", "description": "All", "breadcrumb": ["Catalog", "Products"]}),
        widget(config={"title": "Total", "icon": "package", "color": "blue"}),
        widget(widget_type="table", config={"title": "Low", "columns": ["name", "sku"], "max_rows": 10}),
        widget(widget_type="chart", config={"title": "By", "chart_type": "pie", "color_scheme": "category20"}),
    ]
    for item in items:
        assert found(item) == set()
        warn = rules.component_warnings if "component_type" in item else rules.widget_warnings
        assert warn(item) == []


@pytest.mark.parametrize(
    ("field", "pointer", "code"),
    [
        ({"name": "a", "type": "select"}, "", "options_or_source"),
        ({"name": "a", "type": "radio", "options": [1], "source": "/api/a"}, "", "options_or_source"),
        ({"name": "a", "type": "text", "options": ["b"]}, "/options", "no_choice"),
        ({"name": "a", "type": "select", "source": "https://elsewhere/a"}, "/source", "pattern"),
        ({"name": "a", "type": "select", "source": "//elsewhere/a"}, "/source", "endpoint"),
        ({"name": "a", "type": "select", "source": "/api/../a"}, "/source", "endpoint"),
        ({"name": "a", "type": "wysiwyg"}, "/type", "enum"),
        ({"type": "text"}, "/name", "required"),
        ({"name": "1 a", "type": "text"}, "/name", "pattern"),
        ({"name": "a", "type": "text", "required": "yes"}, "/required", "type"),
    ],
)
def test_a_field_of_a_form_is_checked(field: dict[str, Any], pointer: str, code: str) -> None:
    assert found(form({"name": "first", "type": "text"}, field)) == {(f"/props/fields/1{pointer}", code)}


def test_two_fields_of_one_name_are_a_fault() -> None:
    item = form(*({"name": name, "type": "text"} for name in ("a", "b", "a", "a")))
    assert found(item) == {("/props/fields/2/name", "repeated"), ("/props/fields/3/name", "repeated")}


@pytest.mark.parametrize(
    ("item", "pointer", "code"),
    [
        (widget(config={"title": 3}), "/config/title", "type"),
        (widget(config={"personal": 1}), "/config/personal", "type"),
        (widget(widget_type="chart", config={"chart_type": "spiral"}), "/config/chart_type", "enum"),
        (widget(widget_type="table", config={"max_rows": 0}), "/config/max_rows", "minimum"),
        (widget(widget_type="table", config={"columns": [{"label": "x"}]}), "/config/columns/0", "anyOf"),
        (widget(widget_type="custom", config={"module_url": "http://x/y.js"}), "/config/module_url", "pattern"),
        (widget(api_endpoint="/api/v1/{id}"), "/api_endpoint", "endpoint"),
        (widget(api_endpoint="https://elsewhere/"), "/api_endpoint", "endpoint"),
        (widget(refresh_interval=4), "/refresh_interval", "interval"),
        (component(route_path="/a//b"), "/route_path", "path"),
        (component(route_path="/a/:1"), "/route_path", "path"),
        (component(metadata={"breadcrumb": [{"path": "/a"}]}), "/metadata/breadcrumb/0", "anyOf"),
        (component(api_endpoint="/api@elsewhere"), "/api_endpoint", "endpoint"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_known_is_typed_strictly(item: dict[str, Any], pointer: str, code: str) -> None:
    assert found(item) == {(pointer, code)}


def test_an_item_is_bounded_in_depth_and_size() -> None:
    deep: Any = "x"
    for _ in range(schemas.MAX_DEPTH):
        deep = {"a": deep}
    assert found(component(props=deep)) == set()
    assert found(component(props={"a": deep})) == {("/props", "too_deep")}
    assert found(widget(config={"a": "x" * (schemas.MAX_BYTES - 100)})) == set()
    assert found(widget(config={"a": "x" * schemas.MAX_BYTES})) == {("", "too_large")}


def test_unknown_keys_are_kept_and_told_wherever_they_stand() -> None:
    item = form({"name": "a", "type": "text", "tooltip": "x"}, mode="fast", options={"anything": {"goes": 1}})
    item["metadata"] = {"breadcrumb": [{"label": "a", "url": "/b"}], "x/y": 1}
    assert found(item) == set()
    assert {fault.pointer for fault in rules.component_warnings(item)} == {
        "/props/fields/0/tooltip",
        "/props/mode",
        "/metadata/breadcrumb/0/url",
        "/metadata/x~1y",
    }
    told = rules.widget_warnings(widget(widget_type="table", config={"columns": ["a", {"name": "b", "sum": True}]}))
    assert [(fault.pointer, fault.code) for fault in told] == [("/config/columns/1/sum", "unknown_key")]
