"""What the pages of accounts show: gathered once, in words."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.companies import company_names
from apps.core.scopes import SCOPES
from apps.core.tenancy import Companies
from apps.serviceauth.models import EnrolmentToken, ServiceAccount, ServiceKey
from apps.serviceauth.services.granting import companies_of
from apps.serviceauth.standing import account_standing, maker
from apps.serviceauth.timeline import draw

__all__ = ["account_page", "account_url", "companies_html", "deed_url"]

MOST_ENDED = 8
"""Keys that are over are kept for the audit; the page shows the last of them."""
MOST_ENROLMENTS = 10


def account_url(pk: int) -> str:
    """Return the address of an account's page."""
    return reverse("admin:serviceauth_serviceaccount_change", args=[pk])


def deed_url(deed: str, pk: int) -> str:
    """Return the address of the page that does something to an account, a key or a token."""
    return reverse(f"admin:serviceauth_{deed}", args=[pk])


def companies_html(companies: Companies, shown: int = 3, names: Mapping[int, str] | None = None) -> SafeString:
    """Return companies as small tags with their names, and how many more there are.

    ``names`` are those that are known; None: they are looked up.
    """
    if companies == "*":
        return format_html("{}", "all companies")
    if not companies:
        return format_html('<span class="hub-quiet">{}</span>', "no company")
    numbers = sorted(companies)
    names = company_names(numbers[:shown]) if names is None else names
    told = [(f"{number} {names.get(number, '')}".strip(),) for number in numbers[:shown]]
    tags = format_html_join(" ", '<span class="hub-tag" title="company {0}">{0}</span>', told)
    if len(numbers) <= shown:
        return tags
    rest = ", ".join(str(number) for number in numbers[shown:])
    return format_html('{} <span class="hub-quiet" title="{}">+{}</span>', tags, rest, len(numbers) - shown)


def account_page(account: Any, keys: list[ServiceKey], now: dt.datetime) -> dict[str, Any]:
    """Return what the page of ``account`` shows; ``keys`` are all of its keys, the newest first."""
    standing = account_standing(keys, now, is_active=account.is_active)
    live = [key for key in keys if (key.disabled_at is None and (key.expires_at is None or key.expires_at > now))]
    ended = sorted((key for key in keys if key not in live), key=_end, reverse=True)
    shown = [*live, *ended[:MOST_ENDED]]
    picture = draw(shown, now)
    enrolments = account.enrolments.select_related("key").order_by("-created_at")[:MOST_ENROLMENTS]
    return {
        "account": account,
        "standing": standing,
        "now": now,
        "picture": picture,
        "rows": [_key_row(key, bar, account) for key, bar in zip(shown, picture.bars, strict=True)],
        "more_ended": len(ended) - MOST_ENDED,
        "enrolments": [_enrolment(token, now) for token in enrolments],
        "companies": companies_html(companies_of(account), shown=12),
        "act_companies": companies_html("*" if account.act_all_companies else frozenset(account.act_companies), 12),
        "scopes": [(name, meaning, name in account.scopes) for name, meaning in SCOPES.items()],
        "act_scopes": [(name, SCOPES.get(name, "")) for name in account.act_scopes],
        "last_use": max((key for key in keys if key.last_used_at), key=_last_use, default=None),
    }


def _key_row(key: ServiceKey, bar: Any, account: ServiceAccount) -> dict[str, Any]:
    limits = []
    if key.companies is not None:
        limits.append(("companies", companies_html(frozenset(key.companies))))
    if key.scopes is not None:
        limits.append(("scopes", _tags(key.scopes)))
    if key.networks:
        limits.append(("works from", _tags(key.networks)))
    return {
        "key": key,
        "bar": bar,
        "standing": bar.standing,
        "by": maker(key.created_by),
        "limits": limits,
        "may_rotate": bar.standing.is_live and key.replaced_at is None and account.is_active,
    }


def _enrolment(token: EnrolmentToken, now: dt.datetime) -> dict[str, Any]:
    if token.tried_again_at:
        state, tone = "used twice", "red"
    elif token.used_at:
        state, tone = "used", "green"
    elif token.expires_at <= now:
        state, tone = "ended unused", "faint"
    else:
        state, tone = "waiting", "violet"
    return {"token": token, "state": state, "tone": tone, "by": maker(token.created_by), "waits": state == "waiting"}


def _tags(texts: Iterable[str]) -> SafeString:
    return format_html_join(" ", '<span class="hub-tag" title="{0}">{0}</span>', ((text,) for text in texts))


def _end(key: ServiceKey) -> dt.datetime:
    return min(moment for moment in (key.disabled_at, key.expires_at) if moment is not None)


def _last_use(key: Any) -> dt.datetime:
    used: dt.datetime = key.last_used_at
    return used
