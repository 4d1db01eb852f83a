"""What people may do in a company."""

from collections.abc import Iterable

from django.db.models import Q

from apps.core.tenancy import company, use
from apps.serviceauth.models import RoleAssignment

__all__ = ["permissions_of", "roles_of"]


def permissions_of(user_id: int, company_id: int) -> tuple[str, ...]:
    """Return the patterns of permissions, such as ``product.*``, that a person has in a company; sorted, each once.

    They come from the company's own roles and from those of all companies, given in this company or in all of them.
    One query, in the company's own scope whoever asks: another company's role cannot be among them.
    """
    here = Q(company_id=company_id) | Q(company_id__isnull=True)
    role_here = Q(role__company_id=company_id) | Q(role__company_id__isnull=True)
    with use(company(company_id)):
        found: Iterable[list[str]] = RoleAssignment.objects.filter(here, role_here, user_id=user_id).values_list(
            "role__permissions", flat=True
        )
        return tuple(sorted({pattern for patterns in found for pattern in patterns}))


def roles_of(user_id: int, company_id: int) -> tuple[tuple[int, str], ...]:
    """Return the roles that a person has in a company, each (id, name), by name; each once.

    Given in this company or in all of them, as `permissions_of` finds them. One query.
    """
    here = Q(company_id=company_id) | Q(company_id__isnull=True)
    role_here = Q(role__company_id=company_id) | Q(role__company_id__isnull=True)
    with use(company(company_id)):
        found: Iterable[tuple[int, str]] = RoleAssignment.objects.filter(here, role_here, user_id=user_id).values_list(
            "role_id", "role__name"
        )
        return tuple(sorted(set(found), key=lambda role: (role[1], role[0])))
