"""What a caller may do with menus besides what `apps.core.ownership` says, and what addresses of overlays mean."""

from collections.abc import Mapping
from typing import Any

from apps.core.access import Principal
from apps.core.errors import FieldError, InvalidInput, NotAllowed, NotFound
from apps.core.ownership import company_for, require_company
from apps.menus.models import COMPANY, GLOBAL, SCOPES, USER
from apps.menus.overlays import USER_FIELDS

__all__ = ["filters_of", "require_operator", "require_overlay_of", "scope_number", "where_of"]


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list's filters without what turns its pages."""
    return {name: value for name, value in query.items() if name not in ("limit", "cursor")}


def require_operator(caller: Principal) -> None:
    """Let an operator through, or a caller of an open hub, who may do what operators do.

    Raises:
        NotAllowed: it is a service, or a person through one.
    """
    if caller.kind not in ("operator", "open"):
        raise NotAllowed("This is for operators to decide.", code="operators_only")


def require_overlay_of(caller: Principal, scope: str, scope_id: int, fields: Mapping[str, Any] | None = None) -> None:
    """Let through who may say what counts in a scope: operators, and people for themselves.

    Raises:
        NotAllowed: it is a service, another person, or a person who wants what only operators change.
    """
    if caller.kind != "user" or scope != USER or caller.user_id is None:
        require_operator(caller)
        return
    if scope_id != caller.user_id:
        raise NotAllowed("You change your own menu, and nobody else's.", code="operators_only")
    faults = [
        FieldError(f"/{name}", "operators_only", "This is for operators to decide.")
        for name in fields or ()
        if name not in (*USER_FIELDS, "reason")
    ]
    if faults:
        raise NotAllowed(faults[0].message, errors=faults, code="operators_only")


def scope_number(scope: str, text: str) -> int:
    """Return the number in an address of overlays; for ``global`` any will do, and ``-``.

    Raises:
        NotFound: there is no such scope.
        InvalidInput: it is none.
    """
    if scope not in SCOPES:
        raise NotFound(f"The scopes are {', '.join(SCOPES)}.")
    if scope == GLOBAL:
        return 0
    if text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**63 and len(text) < 20:
        return int(text)
    raise InvalidInput("A scope has the number of its company, role or person.", code="invalid_scope")


def where_of(caller: Principal, scope: str, scope_id: int, company_id: int | None) -> int | None:
    """Return in which company what is said in a scope holds.

    Args:
        caller: who says it.
        scope: ``global``, ``company``, ``role`` or ``user``.
        scope_id: its number.
        company_id: the one that is asked for, for roles and people.

    Raises:
        NotAllowed: the caller does not act for it, or for all.
        InvalidInput: a company is named where that says nothing.
    """
    if scope in (GLOBAL, COMPANY):
        of = scope_id if scope == COMPANY else None
        if company_id not in (None, of):
            words = "Only what is said of roles and people holds in a company that is named besides."
            raise InvalidInput(errors=[FieldError("?company_id", "contradiction", words)])
        require_all = scope == GLOBAL and company_for(caller, None) is not None
        if require_all:
            raise NotAllowed("This holds for all companies: you act for yours.", code="not_your_company")
        require_company(caller, [("", of)])
        return of
    require_company(caller, [("?company_id", company_id)])
    return company_for(caller, company_id)
