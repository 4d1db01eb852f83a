"""Who hands on rights in the running code, and how its changes are written down."""

from collections.abc import Collection
from typing import Any

from apps.core import audit
from apps.core.errors import FieldError, NotFound
from apps.core.scopes import OPERATOR_PERMISSIONS, SCOPES
from apps.core.tenancy import Companies
from apps.core.tenancy.context import principal
from apps.core.tenancy.models import required_scope
from apps.serviceauth.grants import Giver
from apps.serviceauth.models import ServiceAccount

__all__ = ["companies_of", "giver", "handing_on_faults", "locked", "record", "single_company", "told_companies"]


def giver() -> Giver:
    """Return what the running code may hand on: an operator no more than he has, the hub itself everything.

    Scopes for which the console has no permission (menus, pages) are about a service's own: whoever may make accounts
    may hand them on.

    Raises:
        NoCompanyContext: nobody said for which companies it runs.
    """
    who, scope = principal(), required_scope(ServiceAccount)
    if who is None or who.scopes == "*":
        return Giver(scope, "*")
    return Giver(scope, who.scopes | (SCOPES.keys() - OPERATOR_PERMISSIONS.keys()))


def handing_on_faults(account: ServiceAccount, scopes: Collection[str]) -> list[FieldError]:
    """Return why whoever runs this may not hand out a key of ``account`` that is good for ``scopes``."""
    who = giver()
    faults = []
    if account.writes_global and not who.scope.writes_global:
        message = "This account writes what belongs to all companies: only operators of all companies issue its keys."
        faults.append(FieldError("/account", "not_yours", message))
    if who.scopes != "*" and not set(scopes) <= who.scopes:
        faults.append(FieldError("/scopes", "not_yours", "The account has scopes that you may not hand on."))
    return faults


def locked(account: ServiceAccount) -> ServiceAccount:
    """Return the account as it is now, held until the transaction ends: two operators change it one after the other.

    Raises:
        NotFound: it is gone, or not in sight.
    """
    found: ServiceAccount | None = ServiceAccount.objects.select_for_update().filter(pk=account.pk).first()
    if found is None:
        raise NotFound
    found.require_writable()
    return found


def companies_of(account: ServiceAccount) -> Companies:
    """Return the companies that an account acts for."""
    return "*" if account.all_companies else frozenset(account.companies)


def told_companies(companies: Companies | Collection[int] | None) -> Any:
    """Return companies as the audit tells them: ``"*"``, or numbers in order; None stays None."""
    return companies if companies is None or companies == "*" else sorted(int(number) for number in companies)


def record(
    action: str,
    account: ServiceAccount,
    *,
    key_id: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write down what was done to an account, or to its key ``key_id``; it is of the company that the account is about.

    An account of several companies, of all or of none is not any single company's: operators of all see its entries.
    """
    kind, name = ("service_key", key_id) if key_id else ("service_account", account.name)
    audit.record(action, kind, name, company_id=single_company(account), before=before, after=after)


def single_company(account: ServiceAccount) -> int | None:
    """Return the one company that an account is about; None when it is not a single one."""
    return account.companies[0] if len(account.companies) == 1 and not account.all_companies else None
