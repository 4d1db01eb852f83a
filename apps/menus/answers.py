"""What the routes of menus answer: the shapes for the OpenAPI document, and the functions that make them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.schema import page_of
from apps.menus.lifetimes import Lifetime
from apps.menus.models import ALL, ANY, KINDS, SCOPES, Conflict, Handover, Overlay
from apps.menus.overlays import FIELDS, has_drifted
from apps.menus.selectors.items import ItemView, declared_values

__all__ = [
    "ConflictOut",
    "ConflictPage",
    "DriftPage",
    "HandoverOut",
    "HandoverPage",
    "ItemOut",
    "ItemPage",
    "OverlayOut",
    "OverlayPage",
    "conflict",
    "drift",
    "handover",
    "item",
    "overlay",
]


@extend_schema_field({})
class AnyOut(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value."""


class BadgeOut(serializers.Serializer[Any]):
    """A number beside an item."""

    endpoint = serializers.CharField()
    refresh_interval = serializers.IntegerField()


class ChangesOut(serializers.Serializer[Any]):
    """What an operator says; only what is said is there."""

    name = serializers.CharField(required=False)
    icon = serializers.CharField(required=False)
    parent_id = serializers.IntegerField(required=False, help_text="0 is the top.")
    order_number = serializers.FloatField(required=False)
    hidden = serializers.BooleanField(required=False)
    pinned = serializers.BooleanField(required=False)


class EffectiveOut(serializers.Serializer[Any]):
    """What counts, for everybody or for the company of the caller."""

    name = serializers.CharField()
    icon = serializers.CharField()
    parent_id = serializers.IntegerField(help_text="0 is the top.")
    order_number = serializers.FloatField()
    hidden = serializers.BooleanField()
    pinned = serializers.BooleanField()


class ItemOverlayOut(serializers.Serializer[Any]):
    """What is changed of an item in one scope."""

    scope = serializers.ChoiceField(choices=SCOPES)
    scope_id = serializers.IntegerField()
    company_id = serializers.IntegerField(allow_null=True)
    # The field takes the place of the property.
    fields = ChangesOut()  # type: ignore[assignment]  # a serializer's own property has the same name


class ItemWarningOut(serializers.Serializer[Any]):
    """What was accepted and may not be what was meant."""

    pointer = serializers.CharField(help_text="RFC 6901 pointer into the item.")
    code = serializers.CharField(help_text="For programs.")
    message = serializers.CharField(help_text="For people.")


class ItemOut(serializers.Serializer[Any]):
    """A menu item: what its service declares, and what counts."""

    id = serializers.IntegerField()
    service_name = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True)
    key = serializers.CharField()
    name = serializers.CharField()
    path = serializers.CharField(allow_null=True)
    url = serializers.CharField(allow_null=True)
    icon = serializers.CharField(allow_null=True)
    parent_name = serializers.CharField(allow_null=True, help_text="As it was declared.")
    parent_id = serializers.IntegerField(allow_null=True, help_text="The parent that was found; null while it waits.")
    order_number = serializers.IntegerField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    required_permissions = serializers.ListField(child=serializers.CharField())
    permission_mode = serializers.ChoiceField(choices=[ALL, ANY])
    labels = serializers.DictField(child=serializers.CharField())
    badge = BadgeOut(allow_null=True)
    is_page = serializers.BooleanField()
    is_active = serializers.BooleanField()
    description = serializers.CharField(allow_null=True)
    pending_parent = serializers.BooleanField(help_text="It names a parent that is not there, or is below itself.")
    displaced = serializers.BooleanField(help_text="An operator gave its path to another service.")
    declared = serializers.DictField(help_text="What was sent, without nulls.")
    effective = EffectiveOut()
    overlays = ItemOverlayOut(many=True)
    service_status = serializers.ChoiceField(
        choices=[one.value for one in Lifetime], help_text="How the service lives; `stale` and `left` hide the item."
    )
    warnings = ItemWarningOut(many=True)
    revision = serializers.IntegerField(help_text="Of its last change.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class OverlayOut(ItemOverlayOut):
    """What operators changed of an item in one scope."""

    id = serializers.IntegerField()
    item_id = serializers.IntegerField()
    service_name = serializers.CharField()
    key = serializers.CharField(help_text="The item's.")
    base = ChangesOut(help_text="What the service said of these fields then.")
    reason = serializers.CharField(allow_null=True)
    actor = serializers.CharField()
    updated_at = serializers.DateTimeField()


class DriftedFieldOut(serializers.Serializer[Any]):
    """A field of which the service says something else by now."""

    field = serializers.ChoiceField(choices=FIELDS)
    value = AnyOut(help_text="What the operator wants.")
    base = AnyOut(help_text="What the service said then.")
    declared = AnyOut(help_text="What it says now.")


class DriftOut(OverlayOut):
    """An overlay, and what drifted away from it."""

    drift = DriftedFieldOut(many=True)


class ConflictOut(serializers.Serializer[Any]):
    """A service that wanted what another one has."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=KINDS)
    path = serializers.CharField(help_text="As the claimant wrote it.")
    company_id = serializers.IntegerField(allow_null=True)
    owner = serializers.CharField()
    claimant = serializers.CharField()
    times = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class HandoverOut(serializers.Serializer[Any]):
    """An operator's word on who has a path."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=KINDS)
    path = serializers.CharField(help_text="In lower case, each parameter as `:`.")
    company_id = serializers.IntegerField(allow_null=True)
    service_name = serializers.CharField()
    actor = serializers.CharField()
    at = serializers.DateTimeField()


ItemPage = page_of(ItemOut)
OverlayPage = page_of(OverlayOut)
DriftPage = page_of(DriftOut)
ConflictPage = page_of(ConflictOut)
HandoverPage = page_of(HandoverOut)


def item(view: ItemView) -> dict[str, Any]:
    """Return an item as the wire shows it."""
    row = view.row
    plain = ("service_name", "company_id", "key", "name", "path", "url", "parent_id", "order_number", "before", "after")
    more = ("required_permissions", "permission_mode", "labels", "badge", "is_page", "is_active", "pending_parent")
    return {
        "id": row.pk,
        **{name: getattr(row, name) for name in (*plain, *more)},
        "icon": row.icon or None,
        "parent_name": row.parent_ref if row.parent_ref_kind == "name" else None,
        "description": row.description or None,
        "displaced": row.displaced,
        "declared": row.declared,
        "effective": dict(view.effective),
        "overlays": [_scope(one) for one in view.overlays],
        "service_status": view.lifetime.value,
        "warnings": list(view.warnings),
        "revision": row.revision,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def overlay(row: Overlay) -> dict[str, Any]:
    """Return an overlay as the wire shows it; its item is loaded."""
    return {
        **_scope(row),
        "id": row.pk,
        "item_id": row.item_id,
        "service_name": row.item.service_name,
        "key": row.item.key,
        "base": row.base,
        "reason": row.reason or None,
        "actor": row.actor,
        "updated_at": row.updated_at,
    }


def drift(row: Overlay) -> dict[str, Any]:
    """Return an overlay with what its service says otherwise by now."""
    now = declared_values(row.item)
    found = [
        {"field": name, "value": value, "base": row.base[name], "declared": now[name]}
        for name, value in row.values.items()
        if has_drifted(name, row.values, row.base, now)
    ]
    return {**overlay(row), "drift": found}


def conflict(row: Conflict) -> dict[str, Any]:
    """Return a conflict as the wire shows it."""
    names = ("kind", "path", "company_id", "owner", "claimant", "times", "first_at", "last_at")
    return {"id": row.pk, **{name: getattr(row, name) for name in names}}


def handover(row: Handover) -> dict[str, Any]:
    """Return a handed over path as the wire shows it."""
    names = ("kind", "company_id", "service_name", "actor", "at")
    return {"id": row.pk, "path": row.route_key, **{name: getattr(row, name) for name in names}}


def _scope(row: Overlay) -> dict[str, Any]:
    return {
        "scope": row.scope,
        "scope_id": row.scope_id,
        "company_id": row.company_id,
        "fields": row.values,
    }
