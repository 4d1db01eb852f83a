"""What the routes of manifests answer: the shapes for the OpenAPI document, and the functions that make them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.schema import page_of
from apps.uiregistry.manifest import SECTIONS
from apps.uiregistry.models import ManifestRevision

__all__ = [
    "AppliedOut",
    "DifferenceOut",
    "ManifestOut",
    "RevisionOut",
    "RevisionPage",
    "WholeRevisionOut",
    "revision",
    "whole_revision",
]


_KINDS = "`menu`, `component` or `widget`."


@extend_schema_field({})
class AnyOut(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value."""


class ManifestOut(serializers.Serializer[Any]):
    """A manifest as PUT takes it."""

    schema_version = serializers.IntegerField()
    version = serializers.CharField(help_text="0.0.0 where only single items were declared.")
    generation = serializers.IntegerField()
    menus = serializers.ListField(child=serializers.DictField())
    components = serializers.ListField(child=serializers.DictField())
    widgets = serializers.ListField(child=serializers.DictField())


class EntryOut(serializers.Serializer[Any]):
    """What became of an item."""

    kind = serializers.CharField(help_text=_KINDS)
    key = serializers.CharField(help_text="Of pages, forms and widgets: their name.")
    id = serializers.IntegerField(allow_null=True, help_text="Null in a dry run, where there is none yet.")


class UpdatedOut(EntryOut):
    """An item that says something else now."""

    # The field takes the place of the property.
    fields = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]  # a serializer's own property has the same name


class KeptOut(UpdatedOut):
    """An item whose service says something else than operators do, whose word stands."""

    scopes = serializers.ListField(child=serializers.CharField(), help_text="Where operators said so.")


class WarningOut(serializers.Serializer[Any]):
    """What was accepted and may not be what was meant."""

    pointer = serializers.CharField(help_text="RFC 6901 pointer into the body.")
    code = serializers.CharField(help_text="For programs.")
    message = serializers.CharField(help_text="For people.")


class AppliedOut(serializers.Serializer[Any]):
    """What was done, or would be."""

    revision = serializers.IntegerField(help_text="That of menu trees since this change; before it in a dry run.")
    generation = serializers.IntegerField(help_text="The stored one: the greatest so far.")
    changed = serializers.BooleanField(help_text="Off: the same was there already.")
    created = EntryOut(many=True, help_text="Those that came back from the archive too.")
    updated = UpdatedOut(many=True)
    removed = EntryOut(many=True)
    kept_by_overlay = KeptOut(many=True)
    pending = EntryOut(many=True, help_text="Those that wait for their parent.")
    warnings = WarningOut(many=True)


class CountsOut(serializers.Serializer[Any]):
    """How many items there were."""

    menus = serializers.IntegerField()
    components = serializers.IntegerField()
    widgets = serializers.IntegerField()


class RevisionOut(serializers.Serializer[Any]):
    """One state that a manifest was in."""

    number = serializers.IntegerField()
    digest = serializers.CharField(help_text="SHA-256 of what it says; equal where two say the same.")
    cause = serializers.CharField(help_text="`put`, `items`, `restored from N` or `removed`.")
    actor = serializers.CharField(help_text="Who brought it about.")
    created_at = serializers.DateTimeField()
    version = serializers.CharField(allow_null=True, help_text="Null where everything was taken back.")
    generation = serializers.IntegerField(allow_null=True)
    counts = CountsOut()
    current = serializers.BooleanField(help_text="Whether it is the last one.")


class WholeRevisionOut(RevisionOut):
    """One state with all that it says."""

    body = ManifestOut(allow_null=True, help_text="Null where everything was taken back.")


class NamedOut(serializers.Serializer[Any]):
    """An item that only one of two states has."""

    kind = serializers.CharField(help_text=_KINDS)
    key = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    item = serializers.DictField(help_text="What it says.")


class FieldOut(serializers.Serializer[Any]):
    """A field that differs; `before` or `after` is missing where it was or is not said."""

    field = serializers.CharField(help_text="The way to it, such as `config/title`.")
    before = AnyOut(required=False)
    after = AnyOut(required=False)


class ChangedOut(serializers.Serializer[Any]):
    """An item that says something else."""

    kind = serializers.CharField(help_text=_KINDS)
    key = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    # The field takes the place of the property.
    fields = FieldOut(many=True)  # type: ignore[assignment]  # a serializer's own property has the same name


@extend_schema_field({"type": ["integer", "string", "null"]})
class AgainstOut(serializers.Field[Any, Any, Any, Any]):
    """A number, `current`, or null where there is none before."""


class DifferenceOut(serializers.Serializer[Any]):
    """What leads from the one state to the other."""

    number = serializers.IntegerField(help_text="The state that this leads to.")
    against = AgainstOut(help_text="The state that it leads from: its number, `current`, or null for nothing.")
    version = FieldOut(allow_null=True, help_text="Null where both have the same.")
    added = NamedOut(many=True)
    removed = NamedOut(many=True)
    changed = ChangedOut(many=True)
    reordered = serializers.ListField(
        child=serializers.CharField(),
        help_text="Kinds whose items stand in another order; that alone changes no menu.",
    )


RevisionPage = page_of(RevisionOut)


def revision(row: ManifestRevision) -> dict[str, Any]:
    """Return a state of a manifest as lists show it; ``row`` is one of `apps.uiregistry.selectors.manifests`."""
    found: Any = row
    return {
        "number": row.number,
        "digest": row.digest,
        "cause": row.cause,
        "actor": row.actor,
        "created_at": row.created_at,
        "version": found.version,
        "generation": found.generation,
        "counts": {section: getattr(found, section) for section in SECTIONS},
        "current": row.number == row.manifest.number,
    }


def whole_revision(row: ManifestRevision) -> dict[str, Any]:
    """Return a state of a manifest with all that it says."""
    return {**revision(row), "body": row.body}
