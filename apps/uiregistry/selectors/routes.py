"""Which routes have a page, for whoever links to them."""

from collections import defaultdict

from django.db.models import Q

from apps.uiregistry.models import Component

__all__ = ["routes_of"]


def routes_of(company_id: int | None) -> dict[str, set[str]]:
    """Return the routes of pages that count in a company (None: for everybody), by service."""
    own = Q(company_id=None) if company_id is None else Q(company_id=None) | Q(company_id=company_id)
    rows = Component.objects.filter(own, archived_at=None, displaced=False, is_active=True)
    found: dict[str, set[str]] = defaultdict(set)
    for service, route in rows.values_list("service_name", "route_key"):
        found[service].add(route)
    return dict(found)
