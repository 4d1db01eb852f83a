"""What a caller may do on the bus besides what `apps.core.ownership` says: which dead letters it decides on."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from apps.core.access import Principal
from apps.core.errors import FieldError, NotAllowed
from apps.core.tenancy import scope_of
from apps.events.groups import groups_of, is_group_of

__all__ = ["deciding_on", "filters_of", "require_own_group"]


def deciding_on(caller: Principal) -> Q:
    """Return the condition of the dead letters that ``caller`` may decide on, of those that it sees.

    A service decides on what its own groups gave up; an operator on anybody's; both only on what is of a company that
    they write for.
    """
    own = Q() if caller.speaks_for is None else groups_of(caller.speaks_for)
    scope = scope_of(caller)
    if scope.companies == "*":
        return own
    of_companies = Q(company_id__in=scope.companies)
    return own & (of_companies | Q(company_id=None) if scope.writes_global else of_companies)


def require_own_group(caller: Principal, group: str | None) -> None:
    """Let a caller through who names a group of its own, or none.

    Raises:
        NotAllowed: it is a service, and the group is another's.
    """
    own = caller.speaks_for
    if own is not None and group is not None and not is_group_of(own, group):
        message = f"You are {own} and decide for the groups {own}, {own}-group and {own}-group-…"
        raise NotAllowed(message, errors=[FieldError("/group", "not_yours", message)])


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list's filters without what turns its pages."""
    return {name: value for name, value in query.items() if name not in ("limit", "cursor")}
