"""Accounts and keys of services, for tests."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.utils import timezone

from apps.core.tenancy import Companies, system, use
from apps.serviceauth.keys import parse_key
from apps.serviceauth.models import ServiceAccount, ServiceKey
from apps.serviceauth.services import account_create, key_issue

NOON = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
HOME = "10.1.2.3"


def account(name: str = "orders", companies: Companies | Collection[int] = "*", **options: Any) -> ServiceAccount:
    """Make an account, of all companies unless a test says otherwise."""
    granted: Companies = "*" if companies == "*" else frozenset(int(number) for number in companies)
    with use(system("test")):
        return account_create(name=name, companies=granted, actor="test", **options)


def key(of: ServiceAccount, *, now: dt.datetime | None = None, **options: Any) -> str:
    """Issue a key and return its text."""
    with use(system("test")):
        return key_issue(account=of, actor="test", now=now or timezone.now(), **options)


def key_row(text: str) -> ServiceKey:
    """Return what is stored of a key."""
    parsed = parse_key(text)
    assert parsed is not None
    with use(system("test")):
        found: ServiceKey = ServiceKey.objects.select_related("account").get(key_id=parsed.key_id)
        return found
