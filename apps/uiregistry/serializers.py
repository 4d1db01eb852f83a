"""What the routes of components and widgets take. What their fields may hold is decided by `apps.uiregistry.rules`."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from apps.core.errors import FieldError, InvalidInput
from apps.core.names import SERVICE_PATTERN
from apps.core.pagination import ListQuery
from apps.core.serializers import Query, QueryText, StrictSerializer, Text, service_name
from apps.menus.declaring import MAX_PERMISSION, MAX_PERMISSIONS
from apps.menus.paths import MAX_ENDPOINT, MAX_PATH, hidden_character
from apps.menus.validators import PERMISSION_PATTERN, permission
from apps.uiregistry import rules
from apps.uiregistry.models import SIZES
from apps.uiregistry.schemas import COMPONENT_TYPES, VERSION, WIDGET_TYPES

__all__ = [
    "ChangedComponentSerializer",
    "ChangedWidgetSerializer",
    "ComponentItemSerializer",
    "ComponentQuery",
    "ComponentSerializer",
    "DataQuery",
    "PreviewQuery",
    "ResolveQuery",
    "SchemaQuery",
    "WidgetItemSerializer",
    "WidgetQuery",
    "WidgetSerializer",
]

INT64 = 2**63


def readable(value: str) -> None:
    """Let through what people can read.

    Raises:
        ValidationError: it holds characters that nobody sees, or nothing else.
    """
    if hidden_character(value) or not value.strip():
        raise ValidationError("A name is made of characters that can be seen.", "text")


class ItemSerializer(StrictSerializer):
    """Base of what reads an item: all its faults at once, those of its rules beside those of its types."""

    @staticmethod
    def judge(item: Mapping[str, Any]) -> list[FieldError]:
        """Return what the rules of its kind say of an item as it was sent."""
        raise NotImplementedError

    @classmethod
    def read(cls, data: Any, *, partial: bool = False) -> dict[str, Any]:
        """Return what was sent, checked and without nulls.

        Raises:
            InvalidInput: with a pointer for every fault.
        """
        faults: list[FieldError] = []
        values: dict[str, Any] = {}
        try:
            values = super().read(data, partial=partial)
        except InvalidInput as error:
            faults += error.errors
        if isinstance(data, Mapping):
            told = {fault.pointer for fault in faults}
            faults += [fault for fault in cls.judge(data) if fault.pointer not in told]
        if faults:
            raise InvalidInput(errors=faults)
        return values


def _name(**options: Any) -> Text:
    return Text(readable, max_length=rules.MAX_NAME, **options)


def _permissions() -> serializers.ListField:
    child = Text(permission, max_length=MAX_PERMISSION, pattern=PERMISSION_PATTERN)
    return serializers.ListField(
        child=child, required=False, max_length=MAX_PERMISSIONS, help_text="Who looks at it needs all of them."
    )


def _endpoint(words: str) -> Text:
    return Text(max_length=MAX_ENDPOINT, help_text=f"{words} A path on the origin of the service's `api_base_url`.")


def _company(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=INT64 - 1, required=False, **options)


class _Owned(StrictSerializer):
    """Whose an item is; in a manifest that is known already."""

    service_name = Text(service_name, max_length=100, pattern=SERVICE_PATTERN, help_text="Who declares it: the caller.")
    company_id = _company(allow_null=True, help_text="Absent: the company that the caller is in, or all companies.")


class _Fixed(StrictSerializer):
    """Whose an item is, where it cannot change any more."""

    service_name = Text(max_length=100, required=False, help_text="As it is: an item keeps its owner.")
    company_id = _company(allow_null=True, help_text="As it is.")


class ComponentItemSerializer(ItemSerializer):
    """One component as a manifest has it."""

    judge = staticmethod(rules.component_faults)

    name = _name(help_text="Unique in the service: a component of the same name is the same component.")
    component_type = serializers.ChoiceField(choices=COMPONENT_TYPES)
    route_path = Text(max_length=MAX_PATH, help_text="Where it is, such as `/products/edit/:id`.")
    api_endpoint = _endpoint("Where its data is, such as `/api/v1/products/{id}`.")
    permissions = _permissions()
    props = serializers.DictField(required=False, help_text="As the schema of its type says (`ui/schemas/{type}`).")
    metadata = serializers.DictField(required=False, help_text="As `ui/schemas/metadata` says.")
    is_active = serializers.BooleanField(required=False, help_text="On unless it says otherwise.")


class ComponentSerializer(_Owned, ComponentItemSerializer):
    """``POST components``."""


class ChangedComponentSerializer(_Fixed, ComponentItemSerializer):
    """PUT and PATCH of a component."""


class WidgetItemSerializer(ItemSerializer):
    """One widget as a manifest has it."""

    judge = staticmethod(rules.widget_faults)

    name = _name(help_text="Unique in the service: a widget of the same name is the same widget.")
    widget_type = serializers.ChoiceField(choices=WIDGET_TYPES)
    api_endpoint = _endpoint("Where its data is.")
    refresh_interval = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=rules.MAX_INTERVAL,
        help_text="Seconds for which data is kept: 30 unless it says otherwise, at least 5; 0: until somebody asks.",
    )
    size = serializers.ChoiceField(choices=SIZES, required=False, help_text="`medium` unless it says otherwise.")
    permissions = _permissions()
    config = serializers.DictField(required=False, help_text="As the schema of its type says (`ui/schemas/{type}`).")
    is_active = serializers.BooleanField(required=False, help_text="On unless it says otherwise.")


class WidgetSerializer(_Owned, WidgetItemSerializer):
    """``POST widgets``."""


class ChangedWidgetSerializer(_Fixed, WidgetItemSerializer):
    """PUT and PATCH of a widget."""


# --- Query parameters -------------------------------------------------------------------------------------------------


def _truth(**options: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=["true", "false"], required=False, **options)


class _ItemQuery(ListQuery):
    service_name = QueryText(max_length=100, required=False)
    name = QueryText(max_length=200, required=False)
    company_id = _company()
    is_active = _truth()
    q = QueryText(max_length=100, required=False, help_text="Part of a name, a service or an address.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Read yes and no as such."""
        return _read_truth(attrs, "is_active")


class ComponentQuery(_ItemQuery):
    """Filters of ``GET components``."""

    component_type = serializers.ChoiceField(choices=COMPONENT_TYPES, required=False)
    route_path = QueryText(
        max_length=MAX_PATH, required=False, help_text="Of this shape, whatever parameters are called."
    )


class WidgetQuery(_ItemQuery):
    """Filters of ``GET widgets``."""

    widget_type = serializers.ChoiceField(choices=WIDGET_TYPES, required=False)
    size = serializers.ChoiceField(choices=SIZES, required=False)


class PreviewQuery(Query):
    """With which operators ask what somebody else would see."""

    company_id = _company(help_text="Operators only: look in this company.")
    as_user = serializers.IntegerField(
        min_value=1, max_value=INT64 - 1, required=False, help_text="Operators only: with what this person may do."
    )
    permissions = QueryText(
        max_length=4000, required=False, help_text="Operators only: with these permissions, commas between them."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Read a list as such."""
        if "permissions" in attrs:
            attrs["permissions"] = [name for part in attrs["permissions"].split(",") if (name := part.strip())]
        return attrs


class ResolveQuery(PreviewQuery):
    """``GET ui/resolve``."""

    path = QueryText(max_length=2000, help_text="Where somebody is, such as `/products/edit/42`.")

    def validate_path(self, value: str) -> str:
        """Let through what a browser may be at.

        Raises:
            ValidationError: it is no path.
        """
        if not value.startswith("/") or "?" in value or "#" in value:
            raise ValidationError("A path begins with “/” and has neither query nor fragment.", "path")
        return value


class DataQuery(PreviewQuery):
    """``GET widgets/{id}/data`` and ``GET menus/{id}/badge``."""

    refresh = _truth(help_text="Ask the service now, whatever is kept.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Read yes and no, and lists, as such."""
        return _read_truth(super().validate(attrs), "refresh")


def _read_truth(attrs: dict[str, Any], name: str) -> dict[str, Any]:
    if name in attrs:
        attrs[name] = attrs[name] == "true"
    return attrs


class SchemaQuery(Query):
    """``GET ui/schemas/{type}``."""

    version = serializers.IntegerField(
        min_value=1, max_value=VERSION, required=False, help_text="The newest if absent."
    )
