"""Whose a route is: who gets what it declares, who is shown when one is free again, and what operators decide."""

import datetime as dt
from collections.abc import Collection, Sequence

from django.db.models import QuerySet

from apps.core.errors import FieldError
from apps.menus import services as menus
from apps.menus.models import COMPONENT
from apps.menus.services import Judged, Place, Wanted
from apps.uiregistry.models import Component

__all__ = ["RouteTaken", "owners_at", "routes_judge", "routes_settle", "routes_show"]


class RouteTaken(menus.PathTaken):
    """Raised when another service has a route."""

    code = "route_taken"

    def __init__(self, judged: Judged) -> None:
        words = {claim.path: f"The route {claim.path} belongs to {claim.owner}." for claim in judged.claims}
        told = zip(judged.faults, judged.claims, strict=True)
        faults = [FieldError(fault.pointer, self.code, words[claim.path]) for fault, claim in told]
        super().__init__(Judged(judged.displaced, faults, judged.claims))


def routes_judge(service_name: str, wanted: Sequence[Wanted]) -> Judged:
    """Return which routes a service gets of those that it wants, and who has the others."""
    owners = owners_at({one.place for one in wanted}, other_than=service_name) if wanted else {}
    return menus.claims_judge(kind=COMPONENT, service_name=service_name, wanted=wanted, owners=owners)


def owners_at(places: Collection[Place], *, other_than: str) -> dict[Place, str]:
    """Return which service other than this one shows a component at each of ``places``, where one does."""
    rows = _at(places).filter(displaced=False).exclude(service_name=other_than)
    return {(key, company): name for key, company, name in rows.values_list("route_key", "company_id", "service_name")}


def routes_settle(*, service_name: str, has: Collection[Place], left: Collection[Place], now: dt.datetime) -> None:
    """Let others have what a service left, and forget what there is nothing to decide about any more.

    Args:
        service_name: who declared something.
        has: the places that it declares.
        left: those that it declared before.
        now: when.
    """
    menus.conflicts_settle(kind=COMPONENT, claimant=service_name, has=has, left=left)
    if left:
        _show_next(left, now)


def _show_next(places: Collection[Place], now: dt.datetime) -> None:
    """Show what was displaced at places that are free now, unless they are somebody else's by an operator's word."""
    rows = list(_at(places))
    if not any(row.displaced for row in rows):
        return
    given = menus.handovers_at(COMPONENT, places)
    taken = {(row.route_key, row.company_id) for row in rows if not row.displaced}
    shown = []
    for row in rows:
        place = (row.route_key, row.company_id)
        if row.displaced and place not in taken and given.get(place, row.service_name) == row.service_name:
            taken.add(place)
            shown.append(row.pk)
    Component.objects.filter(pk__in=shown).update(displaced=False, updated_at=now)


def routes_show(*, place: Place, service: str | None, now: dt.datetime) -> None:
    """Show at ``place`` the component of ``service``, or (None) the first one that was declared, and no other."""
    rows = list(_at([place]))
    shown = next((row.pk for row in rows if service in (None, row.service_name)), None)
    changed = [row.pk for row in rows if row.displaced != (row.pk != shown)]
    # The one that is shown comes last: two at a time cannot be.
    Component.objects.filter(pk__in=[pk for pk in changed if pk != shown]).update(displaced=True, updated_at=now)
    if shown in changed:
        Component.objects.filter(pk=shown).update(displaced=False, updated_at=now)


def _at(places: Collection[Place]) -> QuerySet[Component]:
    return Component.objects.filter(menus.at_places(places), archived_at=None).order_by("pk")
