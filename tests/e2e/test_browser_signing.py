"""Signing keys and revocations as an operator sees them, in headless Chromium."""

import datetime as dt
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from apps.serviceauth.models import SigningKey
from apps.serviceauth.services import revoke_account, revoke_user, signing_keys_rotate
from apps.serviceauth.trust import trust
from tests.support.browser import Look, Windows, chromium, looks, wrong_with
from tests.support.database import transactional_db

__all__ = ["chromium", "transactional_db"]

pytestmark = pytest.mark.browser

DAY = dt.timedelta(days=1)


@pytest.fixture
def windows(chromium: Browser, live_server: LiveServer) -> Iterator[Windows]:
    """Windows on a hub that has been there for a week: one key of each kind, and something revoked."""
    now = timezone.now()
    for moment in (now - 7 * DAY, now - dt.timedelta(minutes=20), now - dt.timedelta(minutes=1)):
        signing_keys_rotate(now=moment, at_once=moment > now - DAY)
    assert SigningKey.objects.count() == 3
    revoke_account("orders", reason="its rights were narrowed", actor="operator:anna", now=now)
    revoke_user(7, reason="user_deleted", actor="hub", now=now)
    opened = Windows(chromium, live_server.url)
    yield opened
    opened.close()
    trust.forget()


PAGES = {
    "signing-keys": "/admin/serviceauth/signingkey/",
    "withdraw": "/admin/serviceauth/signingkey/{kid}/withdraw/",
    "revocations": "/admin/serviceauth/revocation/",
    "revoke": "/admin/serviceauth/revocation/add/",
}


@looks()
def test_the_pages_are_whole_and_keep_nobody_out(windows: Windows, look: Look) -> None:
    window = windows.open(User.objects.create_superuser("anna"), theme=look.theme, size=look.size)
    kid = SigningKey.objects.values_list("kid", flat=True)[0]
    found = {}
    for name, path in PAGES.items():
        window.open(path.format(kid=kid))
        found[name] = wrong_with(window, name, look)
    assert found == {name: [] for name in PAGES}
