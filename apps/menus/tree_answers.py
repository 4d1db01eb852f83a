"""What the routes of menu trees answer: shapes for the OpenAPI document, and the functions that make them."""

from typing import Any, NamedTuple

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.etags import matches
from apps.menus.explaining import Reason
from apps.menus.kept import Rendered, accepts_gzip
from apps.menus.models import ALL, ANY, SCOPES
from apps.menus.selectors.trees import Explanation

__all__ = ["CACHE_CONTROL", "Chosen", "ExplanationOut", "TreeOut", "chosen", "explanation"]

CACHE_CONTROL = "private, no-cache"
VARY = "Accept-Encoding"


@extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/TreeNodeOut"}})
class NodesField(serializers.ListField):
    """Nodes below a node."""


class NodeBadgeOut(serializers.Serializer[Any]):
    """A number beside an item, which its service knows."""

    endpoint = serializers.CharField()
    refresh_interval = serializers.IntegerField(required=False)


class TreeNodeOut(serializers.Serializer[Any]):
    """An item that the viewer sees, with what it sees below it."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    name = serializers.CharField(help_text="In the language asked for, if there is one.")
    path = serializers.CharField(allow_null=True, help_text="Null: it leads elsewhere, see `url`.")
    icon = serializers.CharField()
    service_name = serializers.CharField()
    badge = NodeBadgeOut(allow_null=True)
    url = serializers.CharField(required=False, help_text="Only where it leads elsewhere.")
    service_status = serializers.ChoiceField(
        choices=["degraded", "unhealthy"], required=False, help_text="Only where its service is not well."
    )
    pinned = serializers.BooleanField(required=False, help_text="Only where it is pinned.")
    children = NodesField()


class TreeOut(serializers.Serializer[Any]):
    """What somebody sees of a company's menu."""

    revision = serializers.IntegerField(help_text="Of the last change of everybody's items or of this company's own.")
    items = TreeNodeOut(many=True)


class GrantOut(serializers.Serializer[Any]):
    """A permission that the item requires."""

    permission = serializers.CharField()
    granted_by = serializers.CharField(allow_null=True, help_text="The pattern that gives it; null: none does.")


class RequirementOut(serializers.Serializer[Any]):
    """What the item requires."""

    mode = serializers.ChoiceField(choices=[ALL, ANY])
    permissions = GrantOut(many=True)


class CountingOverlayOut(serializers.Serializer[Any]):
    """What operators changed of it for this viewer."""

    scope = serializers.ChoiceField(choices=SCOPES)
    scope_id = serializers.IntegerField()
    fields = serializers.DictField()  # type: ignore[assignment]  # a serializer's own property has the same name
    actor = serializers.CharField(allow_null=True, help_text="Who did; told to operators only.")


@extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/ReasonOut"}})
class ReasonsField(serializers.ListField):
    """Why an item above is not shown."""


class ReasonOut(serializers.Serializer[Any]):
    """One reason; what does not apply is absent."""

    code = serializers.ChoiceField(
        choices=[
            "inactive",
            "archived",
            "service_gone",
            "pending_parent",
            "cycle",
            "displaced",
            "replaced",
            "hidden",
            "permission_missing",
            "ancestor",
            "no_visible_children",
        ]
    )
    message = serializers.CharField()
    item_id = serializers.IntegerField(required=False, help_text="The item above, or the one in its place.")
    scope = serializers.ChoiceField(choices=SCOPES, required=False)
    scope_id = serializers.IntegerField(required=False)
    actor = serializers.CharField(required=False, help_text="Who hid it; told to operators only.")
    permissions = serializers.ListField(child=serializers.CharField(), required=False)
    reasons = ReasonsField(required=False)


class ExplanationOut(serializers.Serializer[Any]):
    """Why somebody sees an item, or does not."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    name = serializers.CharField()
    service_name = serializers.CharField()
    revision = serializers.IntegerField()
    company_id = serializers.IntegerField(allow_null=True, help_text="The company into whose tree it was looked.")
    shown = serializers.BooleanField()
    reasons = ReasonOut(many=True, help_text="Every reason why it is not shown; none when it is.")
    requirement = RequirementOut()
    overlays = CountingOverlayOut(many=True)


class Chosen(NamedTuple):
    """The answer for one request: the whole, plain or packed, or 304 for who has it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def chosen(
    rendered: Rendered, *, accept_encoding: str = "", if_none_match: str | None = None, stale: float | None = None
) -> Chosen:
    """Return what a tree is answered with.

    Who has either form of it has it: then the tag is the one of the form that it has.

    Args:
        rendered: the tree; with its packed form, if that is asked for and worth the while.
        accept_encoding: what the client takes.
        if_none_match: what it has.
        stale: for how many seconds nobody could confirm the tree.
    """
    is_packed = rendered.packed is not None and accepts_gzip(accept_encoding)
    etag = rendered.etag(packed=is_packed)
    other = rendered.etag(packed=not is_packed)
    headers = [("Cache-Control", CACHE_CONTROL), ("Vary", VARY)]
    if stale is not None:
        headers.append(("X-Menus-Stale", str(int(stale))))
    if if_none_match is not None:
        known = next((tag for tag in (etag, other) if matches(if_none_match, tag)), None)
        if known is not None:
            return Chosen(304, [("ETag", known), *headers], b"")
    coding = [("Content-Encoding", "gzip")] if is_packed else []
    body = rendered.packed if is_packed and rendered.packed else rendered.body
    return Chosen(200, [("Content-Type", "application/json"), *coding, ("ETag", etag), *headers], body)


def explanation(found: Explanation, company_id: int | None, *, names_actors: bool) -> dict[str, Any]:
    """Return an explanation as the wire shows it; who changed what is told to operators only."""
    row = found.item
    return {
        "id": row.pk,
        "key": row.key,
        "name": row.name,
        "service_name": row.service_name,
        "revision": found.revision,
        "company_id": company_id,
        "shown": not found.reasons,
        "reasons": [_reason(reason, names_actors) for reason in found.reasons],
        "requirement": {
            "mode": found.permission_mode,
            "permissions": [{"permission": name, "granted_by": by} for name, by in found.permissions],
        },
        "overlays": [
            {
                "scope": one.scope,
                "scope_id": one.scope_id,
                "fields": one.fields,
                "actor": one.actor if names_actors else None,
            }
            for one in found.overlays
        ],
    }


def _reason(reason: Reason, names_actors: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "item_id": reason.item_id,
        "scope": reason.scope,
        "scope_id": reason.scope_id,
        "actor": reason.actor if names_actors else None,
        "permissions": list(reason.permissions) or None,
        "reasons": [_reason(inner, names_actors) for inner in reason.reasons] or None,
    }
    present = {name: value for name, value in told.items() if value is not None}
    return {"code": reason.code, "message": reason.message, **present}
