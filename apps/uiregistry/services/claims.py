"""Whose a route is: what operators decided, and who is refused what another service has."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from apps.core.errors import Conflict, FieldError
from apps.menus.models import COMPONENT, Handover

__all__ = ["Claim", "refused", "winners"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A route that a service wants and another one has: where it says so, as what, its shape, and who has it."""

    pointer: str
    path: str
    route_key: str
    owner: str


def winners(route_keys: Collection[str], company_id: int | None) -> dict[str, str]:
    """Return to which service operators gave each of ``route_keys`` in a company; one query."""
    found = Handover.objects.filter(kind=COMPONENT, route_key__in=route_keys, company_id=company_id)
    return dict(found.values_list("route_key", "service_name"))


def refused(claims: Sequence[Claim], *, claimant: str, company_id: int | None) -> Conflict:
    """Return the refusal of a declaration that wants what others have, with every place."""
    errors = [FieldError(one.pointer, "route_taken", f"{one.path} is a route of {one.owner}.") for one in claims]
    return Conflict(errors[0].message, errors=errors, code="route_taken")
