"""What the routes of manifests take: one document with everything of a service, and all its faults at once."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from apps.core.errors import FieldError, InvalidInput
from apps.core.names import SEMVER_PATTERN
from apps.core.pagination import ListQuery
from apps.core.pointers import below, faults
from apps.core.serializers import Query, StrictSerializer, Text, service_name
from apps.menus.serializers import MenuItemInManifestSerializer
from apps.uiregistry.manifest import MAX_GENERATION, MAX_ITEMS, SCHEMA_VERSION, SECTIONS
from apps.uiregistry.serializers import ComponentItemSerializer, WidgetItemSerializer
from xerpium_sdk.wire.versions import is_version

__all__ = [
    "DifferenceQuery",
    "ManifestQuery",
    "ManifestSerializer",
    "PutQuery",
    "RestoreQuery",
    "RestoreSerializer",
    "RevisionQuery",
    "read_manifest",
    "require_name",
]

INT64 = 2**63
MAX_VERSION = 100
ITEMS: dict[str, Any] = {
    "menus": MenuItemInManifestSerializer,
    "components": ComponentItemSerializer,
    "widgets": WidgetItemSerializer,
}


def semver(value: str) -> None:
    """Let through a version of SemVer 2.0.0.

    Raises:
        ValidationError: it is none.
    """
    if not is_version(value):
        raise ValidationError("Not a version of SemVer, such as 1.4.2.", "version")


class _Head(StrictSerializer):
    """What stands in a manifest beside its items."""

    schema_version = serializers.IntegerField(
        min_value=SCHEMA_VERSION,
        max_value=SCHEMA_VERSION,
        help_text="Of this document's form.",
    )
    version = Text(semver, max_length=MAX_VERSION, pattern=SEMVER_PATTERN, help_text="Of the service that says this.")
    generation = serializers.IntegerField(
        min_value=0,
        max_value=MAX_GENERATION,
        help_text="Other content than the stored one needs a greater generation.",
    )


class ManifestSerializer(_Head):
    """Everything that a service has. What it does not name is taken away."""

    menus = MenuItemInManifestSerializer(many=True, required=False, help_text="As `menu-items` takes them.")
    components = ComponentItemSerializer(many=True, required=False, help_text="As `components` takes them.")
    widgets = WidgetItemSerializer(many=True, required=False, help_text="As `widgets` takes them.")


class _Frame(_Head):
    """A manifest whose items are read one by one."""

    menus = serializers.ListField(required=False)
    components = serializers.ListField(required=False)
    widgets = serializers.ListField(required=False)


def require_name(name: Any) -> None:
    """Return where ``name`` can be a service's: manifests are taken before the service registers.

    Raises:
        InvalidInput: it cannot.
    """
    try:
        service_name(str(name))
    except ValidationError as error:
        raise InvalidInput(errors=faults(error.detail, "/service_name")) from None


def read_manifest(data: Any) -> dict[str, Any]:
    """Return a manifest with its items as they were sent, checked and without nulls; its three lists are always there.

    Raises:
        InvalidInput: with a pointer for every fault of every item.
    """
    wrong: list[FieldError] = []
    values: dict[str, Any] = {}
    try:
        values = _Frame.read(data)
    except InvalidInput as error:
        wrong += error.errors
    sent = data if isinstance(data, dict) else {}
    lists = {section: sent[section] for section in SECTIONS if isinstance(sent.get(section), list)}
    total = sum(map(len, lists.values()))
    if total > MAX_ITEMS:
        wrong.append(FieldError("", "too_many", f"A manifest has at most {MAX_ITEMS} items, this one {total}."))
        raise InvalidInput(errors=wrong)
    for section in SECTIONS:
        values[section] = _read_items(section, lists.get(section, []), wrong)
    if wrong:
        raise InvalidInput(errors=wrong)
    return values


def _read_items(section: str, items: list[Any], wrong: list[FieldError]) -> list[dict[str, Any]]:
    found = []
    for index, item in enumerate(items):
        try:
            found.append(ITEMS[section].read(item))
        except InvalidInput as error:
            where = below(f"/{section}", index)
            wrong += [FieldError(where + fault.pointer, fault.code, fault.message) for fault in error.errors]
    return found


class _Company(Query):
    """Whose manifest is meant."""

    company_id = serializers.IntegerField(
        min_value=1,
        max_value=INT64 - 1,
        required=False,
        help_text="Of the manifest declared from within this company. Absent: the one that the caller is in, or none.",
    )


ManifestQuery = _Company


def _switch(help_text: str) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=["true", "false"], default="false", help_text=help_text)


class RestoreQuery(_Company):
    """``POST …/revisions/{n}/restore``."""

    dry_run = _switch("Answer as if, and change nothing.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Read yes and no as such."""
        switches = {"dry_run", "confirm_prune"} & attrs.keys()
        return {**attrs, **{name: attrs[name] == "true" for name in switches}}


class PutQuery(RestoreQuery):
    """``PUT …/manifest``."""

    confirm_prune = _switch("Take away more than half of all items, if that is what the manifest means.")


class RevisionQuery(_Company, ListQuery):
    """``GET …/manifest/revisions``."""


class DifferenceQuery(_Company):
    """``GET …/manifest/revisions/{n}/difference``."""

    against = serializers.RegexField(
        r"^([0-9]{1,9}|current)$",
        required=False,
        help_text="The number of another revision, or `current`; the one before by default.",
    )


class RestoreSerializer(StrictSerializer):
    """The body of an action that needs none: empty, or ``{}``."""
