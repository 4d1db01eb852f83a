"""What the hub knows about companies."""

from collections.abc import Iterable

from apps.serviceauth.models import Company

__all__ = ["company_names"]


def company_names(ids: Iterable[int]) -> dict[int, str]:
    """Return the names of those companies among ``ids`` that are known."""
    return dict(Company.objects.filter(pk__in=set(ids)).values_list("pk", "name"))
