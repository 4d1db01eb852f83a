"""Access tokens for tests, made as the hub makes them: an account, a key, an authentication, a token."""

import datetime as dt
import secrets
from collections.abc import Collection, Iterable
from dataclasses import replace

from django.conf import settings
from django.utils import timezone

from apps.core.scopes import DEFAULT_SCOPES
from apps.core.tenancy import Companies, system, use
from apps.serviceauth.models import ServiceAccount
from apps.serviceauth.services import Authenticated, account_create, account_update, authenticate_key, key_issue
from apps.serviceauth.services.issuing import Issued, sign, token_issue
from tests.support.accounts import HOME

__all__ = ["bearer", "expired_token_for", "issued_for", "token_for"]

CompaniesAsked = Companies | Iterable[int]


def token_for(
    service: str,
    *,
    companies: CompaniesAsked = (),
    company_id: int | None = None,
    scopes: Collection[str] | None = None,
    user_id: int | None = None,
) -> str:
    """Return a good token of a service.

    Args:
        service: its name, which is its account's too; the account is made, or changed, to be as asked for.
        companies: those that its account acts for; ``"*"`` is all. The one of ``company_id`` is always among them.
        company_id: the company that the token is in; None: in none.
        scopes: what the token is good for; None: what accounts get.
        user_id: the person for whom the service acts; None: for itself.
    """
    issued = issued_for(service, companies=companies, company_id=company_id, scopes=scopes)
    return issued.access_token if user_id is None else _for_person(issued, service, user_id).access_token


def expired_token_for(
    service: str, *, companies: CompaniesAsked = (), company_id: int | None = None, ago: int = 60
) -> str:
    """Return a token of a service that was good until ``ago`` seconds ago."""
    claims = issued_for(service, companies=companies, company_id=company_id).claims
    began = claims.issued_at - settings.TOKEN_LIFETIME_SECONDS - ago
    ended = began + settings.TOKEN_LIFETIME_SECONDS
    with use(system("tests sign a token")):
        return sign(replace(claims, issued_at=began, not_before=began, expires_at=ended), timezone.now()).access_token


def issued_for(
    service: str,
    *,
    companies: CompaniesAsked = (),
    company_id: int | None = None,
    scopes: Collection[str] | None = None,
) -> Issued:
    """Return what a service gets that asks for a token: the token, and what it says. See `token_for`."""
    granted: Companies = "*" if companies == "*" else frozenset(int(one) for one in companies)
    if granted != "*" and company_id is not None:
        granted |= {company_id}
    wanted = frozenset(DEFAULT_SCOPES if scopes is None else scopes)
    with use(system("tests issue a token")):
        proved = _proved(service, granted, wanted)
        return token_issue(service=proved, now=timezone.now(), company_id=company_id, scope=" ".join(sorted(wanted)))


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def _proved(service: str, companies: Companies, scopes: frozenset[str]) -> Authenticated:
    """Return the service after it proved who it is with a new key."""
    account = ServiceAccount.objects.filter(name=service).first()
    if account is None:
        account = account_create(name=service, companies=companies, scopes=scopes, actor="tests")
    else:
        # Only ever more: what takes rights away voids the tokens that are out.
        has: Companies = "*" if account.all_companies else frozenset(account.companies)
        more: Companies = "*" if "*" in (has, companies) else has | companies  # type: ignore[operator]  # both are sets
        account = account_update(
            account=account, companies=more, scopes=scopes | set(account.scopes), writes_global=True, actor="tests"
        )
    narrowed = None if companies == "*" else companies
    key = key_issue(account=account, companies=narrowed, scopes=scopes, actor="tests", now=timezone.now())
    return authenticate_key(service_name=service, service_key=key, source=HOME, now=timezone.now())


def _for_person(issued: Issued, service: str, user_id: int) -> Issued:
    claims = replace(
        issued.claims,
        subject=f"user:{user_id}",
        user_id=user_id,
        actors=(service,),
        token_id=secrets.token_urlsafe(16),
    )
    with use(system("tests sign a token")):
        return sign(claims, dt.datetime.fromtimestamp(claims.issued_at, dt.UTC))
