"""Who looks at widgets, pages and dashboards, and what they may see.

A token of a person sees by the person's permissions, a service's by its own. Operators, and callers of an open hub, see
everything, unless they ask what somebody else would see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.access import Principal
from apps.core.errors import FieldError, NotAllowed
from apps.core.ownership import company_for
from apps.core.scopes import covers
from apps.core.tenancy import scope_of
from apps.serviceauth import selectors as access

__all__ = ["PREVIEW", "Viewer", "viewer_of"]

PREVIEW = ("permissions", "as_user", "company_id")
"""Parameters with which operators ask what somebody else would see."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks.

    Attributes:
        grants: patterns of permissions, such as ``product.*``.
        company_id: the company in which they look; None: what is for everybody alone.
        user_id: the person; None when it is nobody in particular.
        roles: the roles that the person has there, each (id, name).
    """

    grants: tuple[str, ...]
    company_id: int | None = None
    user_id: int | None = None
    roles: tuple[tuple[int, str], ...] = ()

    def may(self, permissions: Iterable[str]) -> bool:
        """Whether the grants give all of ``permissions``."""
        return all(any(covers(pattern, permission) for pattern in self.grants) for permission in permissions)

    def is_of(self, company_id: int | None) -> bool:
        """Whether a row of ``company_id`` (None: everybody's) is shown where this viewer looks."""
        return company_id is None or company_id == self.company_id


def viewer_of(
    caller: Principal,
    *,
    permissions: Sequence[str] | None = None,
    as_user: int | None = None,
    company_id: int | None = None,
) -> Viewer:
    """Return who looks when ``caller`` asks, with the parameters of `PREVIEW`.

    Raises:
        NotAllowed: the caller may not look as somebody else, or not into this company.
    """
    asked: dict[str, Any] = {"permissions": permissions, "as_user": as_user, "company_id": company_id}
    if caller.kind not in ("operator", "open"):
        if faults := [
            FieldError(f"?{name}", "operators_only", "Only operators look as somebody else.")
            for name in PREVIEW
            if asked[name] is not None
        ]:
            raise NotAllowed(faults[0].message, errors=faults, code="operators_only")
        return _as(caller.permissions, caller.company_id, caller.user_id)
    company = company_for(caller, company_id)
    if company is not None and not scope_of(caller).reads(company):
        message = "You do not act for this company."
        raise NotAllowed(message, errors=[FieldError("?company_id", "not_your_company", message)])
    if as_user is None:
        return Viewer(("*",) if permissions is None else tuple(permissions), company)
    viewer = _as((), company, as_user)
    grants = tuple(permissions) if permissions is not None else _grants(as_user, company)
    return Viewer(grants, company, as_user, viewer.roles)


def _as(grants: tuple[str, ...], company_id: int | None, user_id: int | None) -> Viewer:
    roles = () if user_id is None or company_id is None else access.roles_of(user_id, company_id)
    return Viewer(grants, company_id, user_id, tuple(roles))


def _grants(user_id: int, company_id: int | None) -> tuple[str, ...]:
    return () if company_id is None else access.permissions_of(user_id, company_id)
