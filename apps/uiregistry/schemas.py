"""What props, config and metadata may hold: one JSON Schema a type, published as it is used here. Pure.

The keys that a schema names are typed strictly, for whoever draws the page relies on them. Keys that it does not name
belong to the service: they are kept, and told as warnings, so that a misspelt one does not vanish silently.
A change that could refuse what was accepted before gets a new version beside the old one.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson

from apps.core.errors import FieldError
from apps.core.pointers import below
from apps.events.schemas import DIALECT, Schema, is_shallow
from apps.menus.paths import endpoint_fault

__all__ = [
    "CHOICE_TYPES",
    "COMPONENT_TYPES",
    "FIELD_TYPES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "METADATA",
    "TYPES",
    "VERSION",
    "WIDGET_TYPES",
    "component_faults",
    "component_warnings",
    "document",
    "size_faults",
    "widget_faults",
    "widget_warnings",
]

VERSION = 1
MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
COMPONENT_TYPES = ("page", "widget", "modal", "form")
WIDGET_TYPES = ("chart", "metric", "table", "custom")
METADATA = "metadata"
TYPES = (*COMPONENT_TYPES, *WIDGET_TYPES, METADATA)
CHOICE_TYPES = ("select", "multiselect", "radio")
FIELD_TYPES = (
    "text",
    "textarea",
    "email",
    "url",
    "tel",
    "password",
    "number",
    "integer",
    "currency",
    "percent",
    "date",
    "time",
    "datetime",
    "checkbox",
    "switch",
    *CHOICE_TYPES,
    "file",
    "image",
    "color",
    "hidden",
)
CHART_TYPES = (
    "line",
    "area",
    "bar",
    "horizontal_bar",
    "stacked_bar",
    "pie",
    "doughnut",
    "donut",
    "radar",
    "polar",
    "scatter",
    "bubble",
    "gauge",
    "funnel",
    "heatmap",
)

Json = dict[str, Any]


def _text(longest: int = 200, **more: Any) -> Json:
    return {"type": "string", "maxLength": longest, **more}


def _list(of: Json, most: int) -> Json:
    return {"type": "array", "items": of, "maxItems": most}


def _object(properties: Json, *required: str, **more: Any) -> Json:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {}), **more}


_BOOLEAN: Json = {"type": "boolean"}
_NUMBER: Json = {"type": "number"}
_COUNT: Json = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_SCALAR: Json = {"type": ["string", "number", "boolean", "null"], "maxLength": 1000}
_NAME: Json = _text(100, minLength=1)
_WORD: Json = _text(60, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _:.-]*$")
_COLOR: Json = _text(40, pattern=r"^(?:#[0-9A-Fa-f]{3,8}|[A-Za-z][A-Za-z0-9-]*)$")
_PATH: Json = _text(500, pattern=r"^/[^\s\\]*$")
_SIZE: Json = {"enum": ["small", "medium", "large", "full"]}
_COLUMNS: Json = {"type": "integer", "minimum": 1, "maximum": 12}
_FORMAT: Json = {"enum": ["text", "number", "integer", "currency", "percent", "date", "time", "datetime", "boolean"]}
_CURRENCY: Json = _text(3, pattern="^[A-Z]{3}$")

_HEAD: Json = {"title": _text(), "description": _text(2000), "icon": _WORD}
_OPTION: Json = {
    "anyOf": [
        {"type": ["string", "number"], "maxLength": 200},
        _object({"value": _SCALAR, "label": _text()}, "value"),
    ]
}
_FIELD: Json = _object(
    {
        "name": _text(100, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$"),
        "type": {"enum": list(FIELD_TYPES)},
        "label": _text(),
        "required": _BOOLEAN,
        "read_only": _BOOLEAN,
        "help_text": _text(1000),
        "placeholder": _text(),
        "default": _SCALAR,
        "min": {"type": ["number", "string"], "maxLength": 40},
        "max": {"type": ["number", "string"], "maxLength": 40},
        "step": {"type": "number", "exclusiveMinimum": 0},
        "min_length": _COUNT,
        "max_length": _COUNT,
        "pattern": _text(200),
        "currency": _CURRENCY,
        "options": {**_list(_OPTION, 500), "description": "The choices; or a source."},
        "source": {**_PATH, "description": "An endpoint of the service that lists the choices; or options."},
        "value_field": _NAME,
        "label_field": _NAME,
        "accept": _text(),
        "rows": {"type": "integer", "minimum": 1, "maximum": 100},
        "width": _COLUMNS,
        "section": _text(),
    },
    "name",
    "type",
    **{
        "if": {"properties": {"type": {"enum": list(CHOICE_TYPES)}}, "required": ["type"]},
        "then": {"oneOf": [{"required": ["options"]}, {"required": ["source"]}]},
        "else": {"properties": {"options": False, "source": False}},
    },
)
_ACTION: Json = _object(
    {"name": _NAME, "label": _text(), "icon": _WORD, "path": _PATH, "permission": _NAME, "color": _COLOR}, "name"
)
_COLUMN: Json = {
    "anyOf": [
        _NAME,
        _object(
            {
                "name": _NAME,
                "label": _text(),
                "format": _FORMAT,
                "align": {"enum": ["left", "center", "right"]},
                "width": {"type": ["integer", "string"], "maxLength": 20},
                "sortable": _BOOLEAN,
                "currency": _CURRENCY,
            },
            "name",
        ),
    ]
}
_OWN: Json = {"type": "object", "description": "Whatever the service wants: nothing looks at it."}
_PERSONAL: Json = {
    **_BOOLEAN,
    "description": "The data is about whoever looks: it is fetched with a token that names the person, and kept for"
    " that person alone. Otherwise all who have the same rights in a company share one answer.",
}

_PROPERTIES: Mapping[str, Json] = {
    "page": {
        **_HEAD,
        "subtitle": _text(),
        "layout": _WORD,
        "actions": _list(_ACTION, 50),
        "columns": _list(_COLUMN, 100),
        "widgets": _list(_NAME, 100),
        "page_size": {"type": "integer", "minimum": 1, "maximum": 500},
        "searchable": _BOOLEAN,
        "row_link": _PATH,
        "options": _OWN,
    },
    "widget": {**_HEAD, "color": _COLOR, "size": _SIZE, "actions": _list(_ACTION, 50), "options": _OWN},
    "modal": {
        **_HEAD,
        "size": _SIZE,
        "closable": _BOOLEAN,
        "confirm_label": _text(),
        "cancel_label": _text(),
        "actions": _list(_ACTION, 50),
        "options": _OWN,
    },
    "form": {
        **_HEAD,
        "fields": _list(_FIELD, 200),
        "layout": _WORD,
        "columns": _COLUMNS,
        "method": {"enum": ["POST", "PUT", "PATCH"]},
        "submit_label": _text(),
        "cancel_label": _text(),
        "success_message": _text(),
        "success_path": _PATH,
        "options": _OWN,
    },
    "chart": {
        **_HEAD,
        "personal": _PERSONAL,
        "chart_type": {"enum": list(CHART_TYPES)},
        "color_scheme": _WORD,
        "colors": _list(_COLOR, 50),
        "label_field": _NAME,
        "value_field": _NAME,
        "x_label": _text(),
        "y_label": _text(),
        "series": _list(_object({"name": _text(), "field": _NAME, "color": _COLOR}, "field"), 50),
        "legend": _BOOLEAN,
        "stacked": _BOOLEAN,
        "unit": _text(20),
        "format": _FORMAT,
        "currency": _CURRENCY,
        "link": _PATH,
        "options": _OWN,
    },
    "metric": {
        **_HEAD,
        "personal": _PERSONAL,
        "color": _COLOR,
        "value_field": _NAME,
        "unit": _text(20),
        "prefix": _text(20),
        "suffix": _text(20),
        "format": _FORMAT,
        "currency": _CURRENCY,
        "precision": {"type": "integer", "minimum": 0, "maximum": 10},
        "target": _NUMBER,
        "trend": _BOOLEAN,
        "thresholds": _list(_object({"value": _NUMBER, "color": _COLOR}, "value", "color"), 20),
        "link": _PATH,
        "options": _OWN,
    },
    "table": {
        **_HEAD,
        "personal": _PERSONAL,
        "columns": _list(_COLUMN, 100),
        "max_rows": {"type": "integer", "minimum": 1, "maximum": 1000},
        "sortable": _BOOLEAN,
        "searchable": _BOOLEAN,
        "empty_text": _text(),
        "row_link": _PATH,
        "link": _PATH,
        "options": _OWN,
    },
    "custom": {
        **_HEAD,
        "personal": _PERSONAL,
        "module_url": _text(2000, pattern=r"^https://[^\s\\@]+$"),
        "integrity": _text(200, pattern=r"^sha(?:256|384|512)-[A-Za-z0-9+/=]+$"),
        "height": {"type": "integer", "minimum": 1, "maximum": 10_000},
        "options": _OWN,
    },
    METADATA: {
        **_HEAD,
        "breadcrumb": _list({"anyOf": [_text(), _object({"label": _text(), "path": _PATH}, "label")]}, 20),
        "keywords": _list(_text(60), 50),
        "tags": _list(_text(60), 50),
        "help_url": _text(2000, pattern=r"^https?://[^\s\\@]+$"),
        "version": _text(100),
        "author": _text(),
        "options": _OWN,
    },
}
_WORDS: Mapping[str, str] = {
    "page": "Props of a page",
    "widget": "Props of a widget that a service draws itself",
    "modal": "Props of a modal",
    "form": "Props of a form",
    "chart": "Config of a chart",
    "metric": "Config of a metric",
    "table": "Config of a table",
    "custom": "Config of a widget that a module of the service draws",
    METADATA: "Metadata of a component of any type",
}


@cache
def document(kind: str) -> Json:
    """Return the schema of one of `TYPES`, as it is published. Nobody may change it.

    Raises:
        KeyError: there is no such type.
    """
    return {
        "$schema": DIALECT,
        "$id": f"urn:xerpium:ui:{kind}:{VERSION}",
        "title": _WORDS[kind],
        "version": VERSION,
        **_object(dict(_PROPERTIES[kind])),
    }


def size_faults(values: Mapping[str, Any]) -> list[FieldError]:
    """Return what is too large or too deep of an item; only its objects can be either."""
    faults = [
        FieldError(below("", name), "too_deep", f"At most {MAX_DEPTH} levels.")
        for name in ("props", "config", METADATA)
        if isinstance(values.get(name), dict) and not is_shallow(values[name], MAX_DEPTH - 1)
    ]
    objects = {name: values[name] for name in ("props", "config", METADATA) if name in values}
    if not faults and len(orjson.dumps(objects, default=str)) > MAX_BYTES:
        faults.append(FieldError("", "too_large", f"An item has at most {MAX_BYTES // 1024} KiB."))
    return faults


def component_faults(component_type: str, props: Any, metadata: Any) -> list[FieldError]:
    """Return what is wrong with ``props`` and ``metadata`` of a component of one of `COMPONENT_TYPES`."""
    faults = _faults(component_type, props, "/props")
    if component_type == "form":
        faults += _field_faults(props)
    return faults + _faults(METADATA, metadata, "/metadata")


def widget_faults(widget_type: str, config: Any) -> list[FieldError]:
    """Return what is wrong with ``config`` of a widget of one of `WIDGET_TYPES`."""
    return _faults(widget_type, config, "/config")


def component_warnings(component_type: str, props: Any, metadata: Any) -> list[FieldError]:
    """Return the keys of ``props`` and ``metadata`` that no schema knows."""
    return [
        *_unknown(document(component_type), props, "/props"),
        *_unknown(document(METADATA), metadata, "/metadata"),
    ]


def widget_warnings(widget_type: str, config: Any) -> list[FieldError]:
    """Return the keys of ``config`` that its schema does not know."""
    return list(_unknown(document(widget_type), config, "/config"))


@cache
def _compiled(kind: str) -> Schema:
    return Schema(document(kind))


def _faults(kind: str, value: Any, pointer: str) -> list[FieldError]:
    return [_said(fault, pointer) for fault in _compiled(kind).faults(value)]


def _said(fault: FieldError, pointer: str) -> FieldError:
    """Say in the words of the UI what JSON Schema can only say of alternatives."""
    where = pointer + fault.pointer
    if fault.code == "oneOf":
        return FieldError(where, "options_or_source", "A choice has either options or a source, and not both.")
    if fault.code == "falseSchema":
        return FieldError(where, "no_choice", f"Only {', '.join(CHOICE_TYPES)} have options or a source.")
    return FieldError(where, fault.code, fault.message)


def _field_faults(props: Any) -> list[FieldError]:
    """Return names that stand twice in a form, and sources that lead somewhere else."""
    fields = props.get("fields") if isinstance(props, Mapping) else None
    faults: list[FieldError] = []
    seen: set[str] = set()
    for index, field in enumerate(fields if isinstance(fields, list) else ()):
        if not isinstance(field, Mapping):
            continue
        pointer, name, source = f"/props/fields/{index}", field.get("name"), field.get("source")
        if isinstance(name, str) and name in seen:
            faults.append(FieldError(f"{pointer}/name", "repeated", "Another field of this form has the same name."))
        elif isinstance(name, str):
            seen.add(name)
        if isinstance(source, str) and source.startswith("/") and (words := endpoint_fault(source)):
            faults.append(FieldError(f"{pointer}/source", "endpoint", words))
    return faults


def _unknown(schema: Any, value: Any, pointer: str) -> Iterator[FieldError]:
    """Yield the keys that nothing in ``schema`` names; a schema that names none takes any."""
    if not isinstance(schema, Mapping):
        return
    for option in schema.get("anyOf", ()):
        if option.get("type") == "object" and isinstance(value, Mapping):
            yield from _unknown(option, value, pointer)
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from _unknown(schema.get("items"), part, below(pointer, index))
    known = schema.get("properties")
    if known is None or not isinstance(value, Mapping):
        return
    for name, part in value.items():
        if name in known:
            yield from _unknown(known[name], part, below(pointer, name))
        else:
            message = f"The schema does not know “{name[:100]}”; it is kept as it is."
            yield FieldError(below(pointer, name), "unknown_key", message)
