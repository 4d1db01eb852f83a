"""The pages of service accounts in headless Chromium: a key is shown once, and every page is whole."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from apps.core import guesses
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import parse_key
from apps.serviceauth.models import ServiceAccount, ServiceKey
from tests.support.accounts import DAY, HOUR, account, key, key_row
from tests.support.browser import (
    NARROW,
    Look,
    Windows,
    anna,
    chromium,
    inaccessible,
    looks,
    screenshot,
    windows,
    wrong_with,
)
from tests.support.database import transactional_db

__all__ = ["anna", "chromium", "transactional_db", "windows"]

pytestmark = pytest.mark.browser

LONG = "a-service-with-a-name-of-sixty-letters-to-see-what-is-cut-of"
BASE = "/admin/serviceauth/serviceaccount/"


@pytest.fixture
def crowd(windows: Windows) -> ServiceAccount:
    """Accounts in every state; the one that is returned has keys of every kind."""
    now = timezone.now()
    orders = account("orders", [1, 2], description="Takes orders", may_act=True, act_companies=frozenset({1}))
    begin = now - 60 * DAY
    plain = key(orders, now=begin, label="shop", networks=["10.0.0.0/8"])
    used(plain, now - dt.timedelta(minutes=3))
    old = key(orders, now=begin, label="warehouse", expires_at=begin + 90 * DAY)
    used(old, now - dt.timedelta(minutes=1))
    services.key_rotate(key=key_row(old), overlap=services.OVERLAPS[3], actor="operator:anna", now=now - DAY)
    ending = key(orders, now=begin, label="batch", scopes=["events:publish"], expires_at=now + 5 * DAY)
    used(ending, now - HOUR)
    leaked = key(orders, now=begin)
    services.key_report_leak(text=leaked, source="198.51.100.7", now=now - 2 * DAY)
    gone = key(orders, now=begin, label="laptop of bob")
    services.key_disable(key=key_row(gone), reason="bob left", actor="operator:anna", now=now - 30 * DAY)
    account("products", "*")
    account(LONG, [7])
    off = account("legacy", [])
    services.account_disable(account=off, actor="operator:anna", now=now)
    token = services.enrolment_create(account=orders, actor="operator:anna", now=now)
    services.enrolment_redeem(text=token, service_name="orders", source="10.0.0.4", now=now)
    with pytest.raises(BadCredentials):
        services.enrolment_redeem(text=token, service_name="orders", source="203.0.113.5", now=now)
    services.enrolment_create(account=orders, actor="operator:anna", now=now)
    for _ in range(40):
        guesses.note("key", "orders", "10.0.0.9")
    return orders


def used(text: str, at: dt.datetime, source: str = "10.0.0.4") -> None:
    services.authenticate_key(service_name="orders", service_key=text, source=source, now=at)


def pages(orders: ServiceAccount) -> dict[str, str]:
    """Return the address of every kind of page."""
    live_key = ServiceKey.objects.get(label="shop").pk
    long = ServiceAccount.objects.get(name=LONG).pk
    return {
        "home": "/admin/",
        "accounts": BASE,
        "account": f"{BASE}{orders.pk}/change/",
        "account-empty": f"{BASE}{long}/change/",
        "add": f"{BASE}add/",
        "rights": f"{BASE}{orders.pk}/rights/",
        "issue": f"{BASE}{orders.pk}/issue/",
        "enrol": f"{BASE}{orders.pk}/enrol/",
        "rotate": f"{BASE}keys/{live_key}/rotate/",
        "disable-key": f"{BASE}keys/{live_key}/disable/",
        "disable": f"{BASE}{orders.pk}/disable/",
    }


@looks()
def test_every_page_is_whole_and_open_to_everybody(
    windows: Windows, anna: User, crowd: ServiceAccount, look: Look
) -> None:
    window = windows.open(anna, theme=look.theme, size=look.size)
    faults = {}
    for name, path in pages(crowd).items():
        window.open(path)
        faults[name] = wrong_with(window, f"access-{name}", look)
    assert faults == {name: [] for name in faults}


def test_a_key_is_shown_once(windows: Windows, anna: User) -> None:
    mine = account("orders", [1, 2])
    window = windows.open(anna, permissions=["clipboard-read", "clipboard-write"])
    page = window.open(f"{BASE}{mine.pk}/change/")
    expect(page.get_by_text("It has no key, so its service gets no token.")).to_be_visible()
    page.get_by_role("link", name="Issue a key").first.click()
    page.get_by_label("Label").fill("shop")
    page.get_by_role("button", name="Issue the key").click()
    expect(page.get_by_text("It is shown only now.")).to_be_visible()
    text = page.locator("#secret").inner_text()
    assert parse_key(text)
    screenshot(window, "access-shown-light-1280")
    assert inaccessible(window) == []
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == text

    page.reload()
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    assert text not in page.content()
    for step in ("go_back", "go_forward"):
        getattr(page, step)()
        assert text not in page.content()
    assert ServiceKey.objects.get().label == "shop"
    assert window.faults == []
    assert services.authenticate_key(
        service_name="orders", service_key=text, source="10.0.0.4", now=timezone.now()
    ).companies == {1, 2}


def test_a_shown_key_fits_a_phone_in_the_dark(windows: Windows, anna: User) -> None:
    mine = account(LONG, [1])
    window = windows.open(anna, theme="dark", size=NARROW)
    page = window.open(f"{BASE}{mine.pk}/enrol/")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#secret")).to_be_visible()
    screenshot(window, "access-shown-dark-390")
    assert (window.overflow(), inaccessible(window), window.faults) == (0, [], [])
