"""What the hub knows about companies."""

from collections.abc import Iterable

from apps.serviceauth.models import Company

__all__ = ["company_names", "every_company_name"]


def company_names(ids: Iterable[int]) -> dict[int, str]:
    """Return the names of those companies among ``ids`` that are known."""
    return dict(Company.objects.filter(pk__in=set(ids)).values_list("pk", "name"))


def every_company_name() -> dict[int, str]:
    """Return the names of all companies that are known, ordered by name."""
    return dict(Company.objects.order_by("name", "pk").values_list("pk", "name"))
