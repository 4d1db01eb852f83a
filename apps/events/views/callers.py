"""What a caller may do on the bus: in whose name it speaks, for which companies, and who decides on dead letters.

An operator, and a caller of an open hub, may name any service; a service with credentials is only itself.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.core.access import Principal
from apps.core.errors import FieldError, NotAllowed

__all__ = ["actor_of", "company_for", "filters_of", "owner_asking", "require_company", "require_decider", "require_own"]

_ANYBODY = frozenset({"operator", "open"})


def actor_of(caller: Principal, service: str | None = None) -> str:
    """Return who acts, for what is announced and kept: an open caller is the service that it names, if it names one."""
    if caller.kind == "open" and service:
        return f"service:{service}"
    return f"{caller.kind}:{caller.name}"


def owner_asking(caller: Principal) -> str | None:
    """Return the service that asks to change what is its own; None for callers who may change anybody's."""
    return None if caller.kind in _ANYBODY else caller.name


def require_own(caller: Principal, named: Iterable[tuple[str, str]]) -> None:
    """Let a caller through who speaks in its own name; ``named`` are pointers and the services named there.

    Raises:
        NotAllowed: it names another service; every place is listed.
    """
    if caller.kind in _ANYBODY:
        return
    message = f"You are {caller.name}: nobody speaks in another's name."
    if faults := [FieldError(pointer, "not_yours", message) for pointer, name in named if name != caller.name]:
        raise NotAllowed(message, errors=faults)


def company_for(caller: Principal, company_id: int | None) -> int | None:
    """Return the company that a row will be of: what the caller named, or the only one that it acts for."""
    if company_id is None and caller.companies != "*" and len(caller.companies) == 1:
        return next(iter(caller.companies))
    return company_id


def require_company(caller: Principal, named: Iterable[tuple[str, int | None]]) -> None:
    """Let a caller through who names companies that it acts for; ``named`` are pointers and the companies named there.

    Raises:
        NotAllowed: it names another; every place is listed.
    """
    if caller.companies == "*":
        return
    message = "You do not act for this company."
    faults = [
        FieldError(pointer, "not_your_company", message)
        for pointer, company_id in named
        if company_id is not None and company_id not in caller.companies
    ]
    if faults:
        raise NotAllowed(message, errors=faults)


def require_decider(caller: Principal) -> None:
    """Let through who may decide on dead letters.

    Raises:
        NotAllowed: it is a service: another group's failures are not its business.
    """
    if caller.kind not in _ANYBODY:
        raise NotAllowed("Operators decide on dead letters.")


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list's filters without what turns its pages."""
    return {name: value for name, value in query.items() if name not in ("limit", "cursor")}
