"""Which roles there are, what they give, and to whom: for pages on which operators choose among them."""

from dataclasses import dataclass

from apps.serviceauth.models import Role, RoleAssignment

__all__ = ["KnownRole", "people_with_roles", "roles_known"]


@dataclass(frozen=True, slots=True)
class KnownRole:
    """A role in sight; ``company_id`` is whose it is, None is all companies'."""

    id: int
    name: str
    company_id: int | None
    permissions: tuple[str, ...]


def roles_known() -> list[KnownRole]:
    """Return the roles in sight of the running code, by name."""
    found = Role.objects.order_by("name", "id").values_list("id", "name", "company_id", "permissions")
    return [KnownRole(pk, name, company_id, tuple(given)) for pk, name, company_id, given in found]


def people_with_roles(*, limit: int) -> list[int]:
    """Return the numbers of people who have a role in sight of the running code, at most ``limit``, ascending."""
    return list(RoleAssignment.objects.order_by("user_id").values_list("user_id", flat=True).distinct()[:limit])
