"""Whose rows a caller may see and change: the one place that all apps ask (contract, "Companies"; decision 0022).

Two questions, in this order. Is the row in sight? What is another company's looks like what was never there, so the
caller of these functions raises its own `NotFound`, in the same words for both. May the caller change it? It has to be
of the caller's company, or of everybody where the caller is in no company, and a service changes only what is its own:
what is in sight and not the caller's is a 403.

Operators, and callers of an open hub, may name any service.
"""

from collections.abc import Iterable

from apps.core.access import Principal
from apps.core.errors import FieldError, NotAllowed
from apps.core.tenancy import Companies, scope_of

__all__ = [
    "actor_of",
    "company_for",
    "is_service_itself",
    "may_change",
    "require_change",
    "require_company",
    "require_own",
    "sight",
]


def sight(caller: Principal) -> Companies:
    """Return the companies whose rows ``caller`` may see, besides everybody's: the one that it is in, or all of its."""
    return scope_of(caller).companies


def actor_of(caller: Principal, service: str | None = None) -> str:
    """Return who acts, as histories name it: ``service:orders``, ``operator:ann``, ``user:5 via shop``.

    A caller of an open hub is the ``service`` that it names, if it names one.
    """
    if caller.kind == "open" and service:
        return f"service:{service}"
    if caller.kind == "user":
        return f"{caller.name} via {caller.actors[0]}" if caller.actors else caller.name
    return f"{caller.kind}:{caller.name}"


def is_service_itself(caller: Principal, service: str) -> bool:
    """Return whether it is ``service`` that asks, and not somebody who looks after it."""
    return caller.kind == "open" or caller.speaks_for == service


def require_own(caller: Principal, named: Iterable[tuple[str, str]]) -> None:
    """Let a caller through who speaks in its own name; ``named`` are pointers and the services named there.

    Raises:
        NotAllowed: it names another service; every place is listed.
    """
    own = caller.speaks_for
    if own is None:
        return
    message = f"You are {own or caller.name}: nobody speaks in another's name."
    if faults := [FieldError(pointer, "not_yours", message) for pointer, name in named if name != own]:
        raise NotAllowed(message, errors=faults)


def company_for(caller: Principal, company_id: int | None) -> int | None:
    """Return the company that a new row is of: the one named, else the one that the caller is in; None: everybody's.

    An operator of one company means that one.
    """
    if company_id is not None:
        return company_id
    if caller.company_id is None and caller.kind == "operator" and caller.companies != "*":
        return next(iter(caller.companies)) if len(caller.companies) == 1 else None
    return caller.company_id


def require_company(caller: Principal, named: Iterable[tuple[str, int | None]]) -> None:
    """Let a caller through who makes rows of companies that it acts for; ``named`` are pointers and companies.

    None is what `company_for` makes of it.

    Raises:
        NotAllowed: it names another company, or none where it has to; every place is listed.
    """
    scope = scope_of(caller)
    faults = [
        FieldError(pointer, "not_your_company", _not_your_company(company_id))
        for pointer, company_id in named
        if not scope.writes(company_for(caller, company_id))
    ]
    if faults:
        raise NotAllowed(faults[0].message, errors=faults)


def _not_your_company(company_id: int | None) -> str:
    return "You do not act for this company." if company_id is not None else "Name one of your companies."


def may_change(caller: Principal, *, service: str, company_id: int | None) -> bool:
    """Return whether ``caller`` may change a row of ``service`` that is of ``company_id`` (None: everybody's)."""
    return caller.speaks_for in (None, service) and scope_of(caller).writes(company_id)


def require_change(caller: Principal, *, service: str, company_id: int | None) -> None:
    """Let a caller through who may change a row that it sees, of ``service`` and of ``company_id`` (None: everybody's).

    Raises:
        NotAllowed: it is another service's, or everybody's and the caller is in a company.
    """
    if caller.speaks_for not in (None, service):
        raise NotAllowed(
            f"This belongs to {service}, and you are {caller.speaks_for or caller.name}.", code="not_yours"
        )
    if not scope_of(caller).writes(company_id):
        whose = "all companies" if company_id is None else "another company"
        raise NotAllowed(f"This belongs to {whose}: you change only what is your company's.", code="not_your_company")
