"""What the routes of components and widgets answer: the shapes for the OpenAPI document, and what makes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.schema import page_of
from apps.uiregistry import rules, schemas
from apps.uiregistry.models import SIZES, Component, Widget

__all__ = [
    "SCHEMA",
    "ComponentOut",
    "ComponentPage",
    "DataOut",
    "ResolvedOut",
    "SchemaListOut",
    "WidgetOut",
    "WidgetPage",
    "component",
    "schema_list",
    "widget",
]


@extend_schema_field({})
class AnyOut(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value."""


class DoubtOut(serializers.Serializer[Any]):
    """What was accepted and may not be what was meant."""

    pointer = serializers.CharField(help_text="RFC 6901 pointer into what was declared.")
    code = serializers.CharField(help_text="For programs.")
    message = serializers.CharField(help_text="For people.")


class _ItemOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    service_name = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True, help_text="Null: for all companies.")
    api_endpoint = serializers.CharField()
    permissions = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    service_status = serializers.CharField(
        allow_null=True, help_text="What is wrong with its service, if anything: `degraded` or `unhealthy`."
    )
    warnings = DoubtOut(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ComponentOut(_ItemOut):
    """A page, form, modal or widget of a service's own."""

    component_type = serializers.ChoiceField(choices=schemas.COMPONENT_TYPES)
    route_path = serializers.CharField()
    props = serializers.DictField()
    metadata = serializers.DictField()
    displaced = serializers.BooleanField(help_text="An operator gave its route to another service: it is not shown.")


class WidgetOut(_ItemOut):
    """A widget for dashboards."""

    widget_type = serializers.ChoiceField(choices=schemas.WIDGET_TYPES)
    refresh_interval = serializers.IntegerField(help_text="Seconds; 0: by hand.")
    size = serializers.ChoiceField(choices=SIZES)
    config = serializers.DictField()


class ResolvedOut(serializers.Serializer[Any]):
    """What is at a path."""

    component = ComponentOut()
    params = serializers.DictField(child=serializers.CharField(), help_text="Of the route, by name, unescaped.")


class DataOut(serializers.Serializer[Any]):
    """What a service says, and when it said so."""

    # The field takes the place of the property.
    data = AnyOut(help_text="The service's answer, as it is.")  # type: ignore[assignment]  # a serializer's own property has the same name
    fetched_at = serializers.DateTimeField(help_text="When the hub got it.")
    stale = serializers.BooleanField(help_text="It is older than it should be: the service does not answer now.")
    error = serializers.CharField(allow_null=True, help_text="Why it is stale, for people.")


class SchemaEntryOut(serializers.Serializer[Any]):
    """One of the schemas."""

    type = serializers.CharField()
    version = serializers.IntegerField()
    of = serializers.ChoiceField(choices=["props", "config", "metadata"], help_text="What it is the schema of.")
    id = serializers.CharField(help_text="Its `$id`.")
    title = serializers.CharField()


class SchemaListOut(serializers.Serializer[Any]):
    """All schemas there are."""

    schemas = SchemaEntryOut(many=True)


SCHEMA = {"type": "object", "additionalProperties": True, "description": "A JSON Schema (2020-12)."}

ComponentPage = page_of(ComponentOut)
WidgetPage = page_of(WidgetOut)

Warnings = Sequence[Mapping[str, Any]]


def component(row: Component, marks: Mapping[str, str | None], warnings: Warnings | None = None) -> dict[str, Any]:
    """Return a component as an answer has it; ``marks`` are those of services, ``warnings`` if they are known."""
    return {
        **_item(row, marks),
        "component_type": row.component_type,
        "route_path": row.route_path,
        "props": row.props,
        "metadata": row.metadata,
        "displaced": row.displaced,
        "warnings": _told(rules.component_warnings(row.declared)) if warnings is None else warnings,
    }


def widget(row: Widget, marks: Mapping[str, str | None], warnings: Warnings | None = None) -> dict[str, Any]:
    """Return a widget as an answer has it; ``marks`` are those of services, ``warnings`` if they are known."""
    return {
        **_item(row, marks),
        "widget_type": row.widget_type,
        "refresh_interval": row.refresh_interval,
        "size": row.size,
        "config": row.config,
        "warnings": _told(rules.widget_warnings(row.declared)) if warnings is None else warnings,
    }


def schema_list() -> dict[str, Any]:
    """Return which schemas there are."""
    return {"schemas": [_schema_entry(kind) for kind in schemas.TYPES]}


def _schema_entry(kind: str) -> dict[str, Any]:
    document = schemas.document(kind)
    of = "props" if kind in schemas.COMPONENT_TYPES else "config" if kind in schemas.WIDGET_TYPES else kind
    return {"type": kind, "version": schemas.VERSION, "of": of, "id": document["$id"], "title": document["title"]}


def _item(row: Component | Widget, marks: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "service_name": row.service_name,
        "company_id": row.company_id,
        "api_endpoint": row.api_endpoint,
        "permissions": row.permissions,
        "is_active": row.is_active,
        "service_status": marks.get(row.service_name),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _told(found: Iterable[Any]) -> list[dict[str, str]]:
    return [{"pointer": one.pointer, "code": one.code, "message": one.message} for one in found]
