"""Manifests as services sent them, and every state that they were in."""

from collections.abc import Mapping
from typing import Any

from django.db.models import BigIntegerField, F, Func, IntegerField, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from apps.core.errors import NotFound
from apps.core.tenancy import Companies
from apps.menus.selectors.declared import items_declared
from apps.uiregistry.differences import Difference, difference
from apps.uiregistry.manifest import NO_VERSION, SECTIONS, body_of
from apps.uiregistry.models import Component, Manifest, ManifestRevision, Widget

__all__ = [
    "body_in_sight",
    "head",
    "is_known",
    "manifest_body",
    "manifests",
    "revision",
    "revision_difference",
    "revisions",
    "rows_declared",
]

Body = dict[str, Any]


def manifests() -> QuerySet[Manifest]:
    """Return the heads of all manifests in sight, by service."""
    return Manifest.objects.order_by("service_name", "id")


def head(service_name: str, company_id: int | None) -> Manifest | None:
    """Return what is noted of a manifest beside its items; None where nothing is."""
    return Manifest.objects.filter(service_name=service_name, company_id=company_id).first()


def is_known(service_name: str) -> bool:
    """Return whether a service has declared anything that is in sight of the running code."""
    return Manifest.objects.filter(service_name=service_name).exists()


def rows_declared(service_name: str, declared_in: int | None) -> dict[str, list[Mapping[str, Any]]]:
    """Return what a service declares from within a company (None: from none), by section, as it was sent."""
    found = {"menus": items_declared(service_name, declared_in)}
    for section, model in (("components", Component), ("widgets", Widget)):
        rows = model.objects.filter(service_name=service_name, declared_in=declared_in, archived_at=None)
        found[section] = list(rows.order_by("position", "id").values_list("declared", flat=True))
    return found


def manifest_body(service_name: str, company_id: int | None, of: Manifest | None = None) -> Body | None:
    """Return what PUT would take to make what is there now; None when nothing is.

    Args:
        service_name: whose.
        company_id: the company from within which it was declared; None: from none.
        of: its head, where that is known already.
    """
    of = of or head(service_name, company_id)
    rows = rows_declared(service_name, company_id)
    if not any(rows.values()) and (of is None or of.generation is None):
        return None
    return body_of(of.version if of else NO_VERSION, of.generation if of else None, rows)


def revisions(service_name: str, company_id: int | None, *, companies: Companies) -> QuerySet[ManifestRevision]:
    """Return the states that a manifest was in, newest first, without their bodies.

    Each has ``version`` and ``generation`` (None where everything was taken back) and, of the items that who acts for
    ``companies`` sees, how many there were: ``menus``, ``components``, ``widgets``.
    """
    found = ManifestRevision.objects.filter(manifest__service_name=service_name, manifest__company_id=company_id)
    counted = {section: _count(section, companies) for section in SECTIONS}
    return (
        found.select_related("manifest")
        .defer("body")
        .annotate(version=KT("body__version"), generation=Cast(KT("body__generation"), BigIntegerField()), **counted)
        .order_by("-number")
    )


class _Count(Func):
    """How many items a section of a body has."""

    template = "(SELECT count(*) FROM jsonb_array_elements(coalesce(%(expressions)s, '[]')) AS item WHERE %(in_sight)s)"
    arg_joiner = " -> "
    output_field = IntegerField()


def _count(section: str, companies: Companies) -> _Count:
    if companies == "*":
        in_sight = "true"
    else:
        numbers = ",".join(str(int(company)) for company in sorted(companies))
        in_sight = f"item->'company_id' IS NULL OR (item->>'company_id')::bigint = ANY ('{{{numbers}}}')"
    return _Count(F("body"), Value(section), in_sight=in_sight)


def revision(service_name: str, company_id: int | None, number: int, *, companies: Companies) -> ManifestRevision:
    """Return one state of a manifest, as `revisions` does and with what of its body is in sight.

    Raises:
        NotFound: there is none of this number, or no longer.
    """
    found = revisions(service_name, company_id, companies=companies).defer(None).filter(number=number).first()
    if found is None:
        raise NotFound(f"There is no revision {number} of the manifest of {service_name!r}.")
    found.body = body_in_sight(found.body, companies)
    return found


def revision_difference(
    service_name: str, company_id: int | None, number: int, against: int | str | None, *, companies: Companies
) -> tuple[int | str | None, Difference]:
    """Return against what a revision was compared, and what leads from that to the revision.

    Args:
        service_name: whose manifest it is of.
        company_id: from within which company it was declared.
        number: the revision.
        against: the number of another one, ``"current"`` for what is there now, None for the revision before; where
            there is none before, that is None too, and everything was added.
        companies: those in the caller's sight.

    Raises:
        NotFound: there is no such revision.
    """
    after = revision(service_name, company_id, number, companies=companies).body
    if against == "current":
        return against, difference(manifest_body(service_name, company_id), after)
    if against is None:
        earlier = revisions(service_name, company_id, companies=companies).filter(number__lt=number)
        against = earlier.values_list("number", flat=True).first()
        if against is None:
            return None, difference(None, after)
    against = int(against)
    before = revision(service_name, company_id, against, companies=companies).body
    return against, difference(before, after)


def body_in_sight(body: Mapping[str, Any] | None, companies: Companies) -> Body | None:
    """Return a body with the items of everybody and of ``companies``: others' are not there for who asks."""
    if body is None:
        return None
    if companies == "*":
        return dict(body)
    lists = {
        section: [item for item in body[section] if item.get("company_id") in (None, *companies)]
        for section in SECTIONS
    }
    return {**body, **lists}
