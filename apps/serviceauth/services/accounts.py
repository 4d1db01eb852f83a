"""Accounts of services: made, changed, switched off and on again by operators."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.core.errors import Conflict, FieldError, InvalidInput
from apps.core.scopes import DEFAULT_SCOPES
from apps.core.tenancy import Companies
from apps.serviceauth.grants import Giver, companies_faults, is_within, scope_faults
from apps.serviceauth.matching import is_account_name
from apps.serviceauth.models import ServiceAccount
from apps.serviceauth.services.granting import companies_of, giver, locked, record, single_company, told_companies
from apps.serviceauth.services.revoking import revoke_account

__all__ = ["account_create", "account_disable", "account_enable", "account_update"]


@transaction.atomic
def account_create(
    *,
    name: str,
    actor: str,
    companies: Companies = frozenset(),
    scopes: Collection[str] = DEFAULT_SCOPES,
    writes_global: bool = True,
    description: str = "",
    may_act: bool = False,
    act_companies: Companies = frozenset(),
    act_scopes: Collection[str] = (),
) -> ServiceAccount:
    """Make an account that has no key yet.

    Args:
        name: a service's name, or a beginning such as ``acme-*``.
        actor: who makes it.
        companies: those that it may act for; ``"*"`` is all, none is global rows only.
        scopes: what its tokens may be good for.
        writes_global: whether its tokens may name no company; never for an account that an operator of some companies
            makes, because what is global is everybody's.
        description: for people.
        may_act: whether it may act as a person, in ``act_companies`` and with ``act_scopes``.

    Raises:
        InvalidInput: with every fault, such as more than whoever runs this has himself.
        Conflict: the name is taken.
    """
    asked = {
        "companies": companies,
        "scopes": scopes,
        "writes_global": writes_global,
        "may_act": may_act,
        "act_companies": act_companies,
        "act_scopes": act_scopes,
    }
    who = giver()
    faults = [] if is_account_name(name) else [_bad_name(name)]
    faults += _faults(asked, who)
    if faults:
        raise InvalidInput(errors=faults)
    account = ServiceAccount(name=name, description=description, created_by=actor)
    _set(account, asked)
    try:
        with transaction.atomic():
            account.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"There is an account “{name}” already.", code="name_taken") from error
    record("account_created", account, after=_told(account))
    return account


@transaction.atomic
def account_update(*, account: ServiceAccount, actor: str, **changes: Any) -> ServiceAccount:
    """Change some of what `account_create` sets, but the name; what is not named stays. Returns the account as it is.

    Tokens that are out keep what they were issued with until they end, at most an hour, unless rights were taken away:
    then they are void at once.

    Raises:
        InvalidInput: with every fault.
        NotFound: the account is not in sight.
    """
    found = locked(account)
    before = _told(found)
    asked = {
        "companies": companies_of(found),
        "scopes": found.scopes,
        "writes_global": found.writes_global,
        "may_act": found.may_act,
        "act_companies": "*" if found.act_all_companies else frozenset(found.act_companies),
        "act_scopes": found.act_scopes,
    } | {name: value for name, value in changes.items() if name != "description"}
    faults = _faults(asked, giver())
    if faults:
        raise InvalidInput(errors=faults)
    _set(found, asked)
    found.description = changes.get("description", found.description)
    found.save()
    after = _told(found)
    if after != before:
        told = sorted(name for name in after if after[name] != before[name])
        record("account_changed", found, before={n: before[n] for n in told}, after={n: after[n] for n in told})
    if _is_less(before, after):
        reason = "its rights were narrowed"
        revoke_account(found.name, reason=reason, actor=actor, now=timezone.now(), company_id=single_company(found))
    return found


@transaction.atomic
def account_disable(*, account: ServiceAccount, actor: str, now: dt.datetime, reason: str = "") -> bool:
    """Switch an account off: none of its keys gets a token, and its tokens are void. Returns whether it was on."""
    found = locked(account)
    if not found.is_active:
        return False
    found.is_active = False
    found.save(update_fields=["is_active"])
    record("account_disabled", found, before={"is_active": True}, after={"is_active": False, "reason": reason})
    reason = reason or "the account was disabled"
    revoke_account(found.name, reason=reason, actor=actor, now=now, company_id=single_company(found))
    return True


@transaction.atomic
def account_enable(*, account: ServiceAccount, actor: str) -> bool:
    """Switch an account on again, with the keys that it had. Returns whether it was off."""
    found = locked(account)
    if found.is_active:
        return False
    found.is_active = True
    found.save(update_fields=["is_active"])
    record("account_enabled", found, before={"is_active": False}, after={"is_active": True})
    return True


def _bad_name(name: str) -> FieldError:
    message = (
        f"“{name[:100]}” is neither a service's name (lower-case letters, digits, “.”, “_”, “-”) nor a beginning of"
        " names such as acme-*."
    )
    return FieldError("/name", "invalid", message)


def _faults(asked: dict[str, Any], who: Giver) -> list[FieldError]:
    faults = companies_faults("/companies", asked["companies"], who, may_be_none=False)
    faults += scope_faults("/scopes", asked["scopes"], who)
    if asked["writes_global"] and not who.scope.writes_global:
        message = "Only operators of all companies may let a service write what belongs to all companies."
        faults.append(FieldError("/writes_global", "not_yours", message))
    if not asked["writes_global"] and asked["companies"] != "*" and not asked["companies"]:
        message = "An account without companies has nothing but what belongs to all: name a company, or allow that."
        faults.append(FieldError("/writes_global", "required", message))
    if asked["may_act"]:
        faults += companies_faults("/act_companies", asked["act_companies"], who)
        faults += scope_faults("/act_scopes", asked["act_scopes"], who)
        if not is_within(asked["act_companies"], asked["companies"]):
            message = "A service acts for people in companies of its own only."
            faults.append(FieldError("/act_companies", "beyond_account", message))
    return faults


def _set(account: ServiceAccount, asked: dict[str, Any]) -> None:
    account.all_companies = asked["companies"] == "*"
    account.companies = [] if account.all_companies else sorted(asked["companies"])
    account.scopes = sorted(set(asked["scopes"]))
    account.writes_global = asked["writes_global"]
    account.may_act = asked["may_act"]
    account.act_all_companies = asked["may_act"] and asked["act_companies"] == "*"
    named = asked["may_act"] and not account.act_all_companies
    account.act_companies = sorted(asked["act_companies"]) if named else []
    account.act_scopes = sorted(set(asked["act_scopes"])) if asked["may_act"] else []


def _told(account: ServiceAccount) -> dict[str, Any]:
    """Return an account as the audit tells it."""
    return {
        "companies": told_companies(companies_of(account)),
        "scopes": list(account.scopes),
        "writes_global": account.writes_global,
        "description": account.description,
        "may_act": account.may_act,
        "act_companies": "*" if account.act_all_companies else list(account.act_companies),
        "act_scopes": list(account.act_scopes),
    }


def _is_less(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether something was taken away."""

    def lost(name: str) -> bool:
        old, new = before[name], after[name]
        if new == "*" or old == new:
            return False
        return old == "*" or not set(old) <= set(new)

    flags = any(before[name] and not after[name] for name in ("writes_global", "may_act"))
    return flags or any(lost(name) for name in ("companies", "scopes", "act_companies", "act_scopes"))
