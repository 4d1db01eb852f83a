"""The audit, roles and operators as one sees them in headless Chromium, whole and intact or broken."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core import sealing, verification
from apps.core.audit import Actor, record
from apps.core.models import AuditCheck, AuditEntry
from apps.serviceauth.models import Company, Operator, Role, RoleAssignment
from tests.support.browser import Look, Windows, chromium, looks, screenshot, windows, wrong_with
from tests.support.database import transactional_db

__all__ = ["chromium", "transactional_db", "windows"]

pytestmark = pytest.mark.browser

LONG = "a-service-with-a-name-of-sixty-letters-to-see-what-is-cut-of"


@pytest.fixture
def anna(windows: Windows) -> User:
    """An operator who may do everything, in a hub where a good deal was done."""
    user = User.objects.create_superuser("anna", password="a-long-password")
    Operator.objects.create(user=user, user_number=42)
    Company.objects.create(id=2, name="Acme & Söhne", last_event_at=timezone.now())
    for number in range(8):
        before = {"weight": 100, "tags": ["a"], "token": "x", "notes": "kept as it was"}
        after = {"weight": 100 - number, "tags": ["a", "b"], "token": "y", "reason": "a disk is nearly full " * number}
        who = Actor("service", LONG, 5) if number % 2 else Actor("operator", "anna")
        record("drained", "instance", f"orders/{number}", company_id=2, before=before, after=after, by=who)
    for name, company in (("reader", None), ("clerk", 2), (LONG, 3)):
        patterns = [f"{name}.part{part}.*" for part in range(9)]
        role = Role.objects.create(name=name, company_id=company, permissions=patterns)
        for person in (5, 6, 7001):
            RoleAssignment.objects.create(role=role, user_id=person, company_id=company, created_by="operator:anna")
    sealing.seal_all()
    verification.check_some(now=timezone.now())
    record("resumed", "instance", "orders/1", company_id=2, by=Actor("operator", "anna"))
    return user


@looks()
def test_every_page_is_whole_and_can_be_read(windows: Windows, anna: User, look: Look) -> None:
    window = windows.open(anna, theme=look.theme, size=look.size)
    entry = AuditEntry.objects.filter(object_id="orders/7").latest("pk").pk
    faults = {}
    pages = {
        "audit": "core/auditentry/",
        "audit-entry": f"core/auditentry/{entry}/change/",
        "audit-none": "core/auditentry/?actor=nobody-of-that-name",
        "roles": "serviceauth/role/",
        "role": f"serviceauth/role/{Role.objects.latest('pk').pk}/change/",
        "assignments": "serviceauth/roleassignment/",
        "user": f"auth/user/{anna.pk}/change/",
    }
    for name, path in pages.items():
        window.open(f"/admin/{path}")
        # Django's own form of a user is not ours to judge.
        faults[name] = wrong_with(window, name, look, is_ours=name != "user")
    assert faults == {name: [] for name in faults}


def test_a_broken_chain_is_seen_at_once(windows: Windows, anna: User) -> None:
    AuditCheck.objects.update(fault="Entry 4 or its seal 4 was changed.")
    window = windows.open(anna)
    for name, path in {"audit-broken": "/admin/core/auditentry/", "home-broken": "/admin/"}.items():
        page = window.open(path)
        screenshot(window, name)
        assert page.get_by_text("Entry 4 or its seal 4 was changed.").first.is_visible()
    assert window.faults == []
