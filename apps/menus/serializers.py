"""What the routes of menus take. What the fields of an item may hold is decided by `apps.menus.declaring`."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from apps.core.errors import FieldError, InvalidInput
from apps.core.names import SERVICE_PATTERN
from apps.core.pagination import ListQuery
from apps.core.serializers import Query, QueryText, StrictSerializer, Text, service_name
from apps.menus.declaring import (
    MAX_ICON,
    MAX_KEY,
    MAX_NAME,
    MAX_ORDER,
    MAX_PERMISSION,
    MAX_PERMISSIONS,
    MAX_TEXT,
    item_faults,
    name_fault,
)
from apps.menus.models import ALL, ANY, KINDS, SCOPES
from apps.menus.paths import MAX_ENDPOINT, MAX_PATH, MAX_URL, hidden_character, path_fault
from apps.menus.validators import PERMISSION_PATTERN, permission

__all__ = [
    "ChangedItemSerializer",
    "ClaimQuery",
    "DriftQuery",
    "HandoverSerializer",
    "ItemQuery",
    "ItemSerializer",
    "MenuItemInManifestSerializer",
    "OverlayQuery",
    "OverlaySerializer",
    "OverlayWhereQuery",
]

INT64 = 2**63


def _judged(judge: Any, code: str) -> Any:
    def validate(value: str) -> None:
        if words := judge(value):
            raise ValidationError(words, code)

    return validate


def _printable(value: str) -> str | None:
    return "No hidden characters, please." if hidden_character(value) else None


def _company(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=INT64 - 1, required=False, **options)


def _flag(words: str) -> serializers.BooleanField:
    return serializers.BooleanField(required=False, help_text=words)


def _text(length: int, words: str, **options: Any) -> Text:
    return Text(max_length=length, required=False, help_text=words, **options)


class BadgeSerializer(StrictSerializer):
    """A number beside an item."""

    endpoint = Text(max_length=MAX_ENDPOINT, help_text="Where the service tells it, as an `api_endpoint`.")
    refresh_interval = serializers.IntegerField(
        required=False, help_text="0 (by hand), or 5 to 86400 seconds; 60 unless it says otherwise."
    )


class MenuItemInManifestSerializer(StrictSerializer):
    """One item as a manifest has it."""

    name = Text(max_length=MAX_NAME)
    path = _text(MAX_PATH, "Where it leads, such as `/products`; parameters are written `:id`.")
    url = _text(MAX_URL, "An https link elsewhere, in place of a path.")
    key = _text(MAX_KEY, "What the service calls it; by default its path. The same key is the same item.")
    icon = _text(MAX_ICON, "A Material Symbol, or the name that Feather has for it.", allow_blank=True)
    parent_name = _text(
        MAX_KEY, "The name of an item, of the same service or else of any; or its key, or `service:key`."
    )
    parent_id = serializers.IntegerField(
        min_value=1, max_value=INT64 - 1, required=False, help_text="The parent, by its id."
    )
    order_number = serializers.IntegerField(
        min_value=-MAX_ORDER, max_value=MAX_ORDER, required=False, help_text="Among its siblings; 100 by default."
    )
    before = _text(MAX_KEY, "The key of a sibling that it stands in front of.")
    after = _text(MAX_KEY, "The key of a sibling that it stands behind.")
    required_permissions = serializers.ListField(
        child=Text(permission, max_length=MAX_PERMISSION, pattern=PERMISSION_PATTERN),
        required=False,
        max_length=MAX_PERMISSIONS,
        help_text="What somebody needs to see it.",
    )
    permission_mode = serializers.ChoiceField(
        choices=[ALL, ANY], required=False, help_text="Whether all of them are needed (by default), or any."
    )
    labels = serializers.DictField(
        child=Text(max_length=MAX_NAME), required=False, help_text="Its name by locale, such as `pl` or `pt-BR`."
    )
    badge = BadgeSerializer(required=False)
    is_page = _flag("Shown also when all that is below it is hidden; off by default.")
    is_active = _flag("On unless it says otherwise.")
    description = _text(MAX_TEXT, "For people.", allow_blank=True)
    company_id = _company(help_text="Absent: the company that the caller is in, or all companies.")

    @classmethod
    def read(cls, data: Any, *, partial: bool = False) -> dict[str, Any]:
        """Return what was sent, checked and without nulls.

        Raises:
            InvalidInput: with a pointer for every fault: those of its rules beside those of its types.
        """
        faults: list[FieldError] = []
        values: dict[str, Any] = {}
        try:
            values = super().read(data, partial=partial)
        except InvalidInput as error:
            faults += error.errors
        if isinstance(data, Mapping):
            told = {fault.pointer for fault in faults}
            faults += [fault for fault in item_faults(data, partial=partial) if fault.pointer not in told]
        if faults:
            raise InvalidInput(errors=faults)
        return values


class ItemSerializer(MenuItemInManifestSerializer):
    """``POST menu-items``."""

    service_name = Text(service_name, max_length=100, pattern=SERVICE_PATTERN, help_text="Who declares it: the caller.")


class ChangedItemSerializer(MenuItemInManifestSerializer):
    """What PUT and PATCH take for an item."""

    service_name = _text(100, "As it is: an item keeps its owner.")
    company_id = _company(help_text="As it is.")
    key = _text(MAX_KEY, "As it is: an item keeps its key.")


class OverlaySerializer(StrictSerializer):
    """What an operator says of an item in place of its service; what is absent is left to the service."""

    name = Text(_judged(name_fault, "text"), max_length=MAX_NAME, required=False)
    icon = Text(_judged(_printable, "text"), max_length=MAX_ICON, required=False, allow_blank=True)
    parent_id = serializers.IntegerField(
        min_value=0, max_value=INT64 - 1, required=False, help_text="The item above it; 0 is the top."
    )
    order_number = serializers.FloatField(
        min_value=-MAX_ORDER,
        max_value=MAX_ORDER,
        required=False,
        help_text="Among its siblings; 1.5 is between 1 and 2.",
    )
    hidden = _flag("Whether it is left out, with all that is below it.")
    pinned = _flag("Whether it is marked, for front ends that show such items first.")
    reason = Text(
        _judged(_printable, "text"), max_length=300, required=False, allow_blank=True, help_text="Why, for people."
    )


class HandoverSerializer(StrictSerializer):
    """To whom a path is given."""

    kind = serializers.ChoiceField(choices=KINDS, help_text="Whether the path of menu items or of components is meant.")
    path = Text(_judged(path_fault, "path"), max_length=MAX_PATH)
    company_id = _company(help_text="Absent: the company that the caller is in, or all companies.")
    service_name = Text(service_name, max_length=100, pattern=SERVICE_PATTERN, help_text="Who has it from now on.")


def _number(words: str = "") -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, max_value=INT64 - 1, required=False, help_text=words)


class ItemQuery(ListQuery):
    """The filters of the list of items."""

    service_name = QueryText(max_length=100, required=False)
    company_id = _company(help_text="Those of this company alone, not those of all companies.")
    key = QueryText(max_length=MAX_KEY, required=False)
    name = QueryText(max_length=MAX_NAME, required=False)
    path = QueryText(max_length=MAX_PATH, required=False, help_text="However it is written.")
    parent_id = _number("Its children; 0: those at the top.")
    pending = serializers.BooleanField(required=False, help_text="Waiting for a parent.")
    displaced = serializers.BooleanField(required=False)
    is_active = serializers.BooleanField(required=False)
    q = QueryText(max_length=100, required=False, help_text="Part of the name, the key or the path.")


class OverlayQuery(ListQuery):
    """The filters of the list of overlays."""

    scope = serializers.ChoiceField(choices=SCOPES, required=False)
    scope_id = _number()
    company_id = _company()
    item_id = _number()
    service_name = QueryText(max_length=100, required=False)


class OverlayWhereQuery(Query):
    """In which company an overlay of a role or a person holds."""

    company_id = _company(help_text="Of a role or a person: where it holds. Absent: in the caller's, or in all.")


class DriftQuery(ListQuery):
    """The filters of the list of drifted overlays."""

    service_name = QueryText(max_length=100, required=False)
    company_id = _company()
    scope = serializers.ChoiceField(choices=SCOPES, required=False)


class ClaimQuery(ListQuery):
    """The filters of the lists of conflicts and handovers."""

    kind = serializers.ChoiceField(choices=KINDS, required=False)
    company_id = _company()
    service_name = QueryText(max_length=100, required=False, help_text="Who has the path, or wants it.")
    path = QueryText(max_length=MAX_PATH, required=False, help_text="However it is written.")
