"""The trail of operators: who came in, who did not, whose rights were changed, whichever way it was done."""

import io
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.core.access import Principal
from apps.core.models import AuditEntry
from apps.core.tenancy import acting
from apps.serviceauth.models import Operator
from apps.serviceauth.services import user_token_issue
from apps.serviceauth.verifying import InvalidToken, verify
from tests.support.operators import logged_in

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
GUESS = "a-wrong-guess-of-a-password"


@pytest.fixture
def bob() -> User:
    user = User.objects.create_user("bob", password=PASSWORD, is_staff=True)
    AuditEntry.objects.all()
    return user


def trail(after: int = 0) -> list[tuple[str, str, str]]:
    found = AuditEntry.objects.filter(pk__gt=after).order_by("pk")
    return [(entry.action, entry.object_type, entry.object_id) for entry in found]


def mark() -> int:
    return AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def last(action: str) -> AuditEntry:
    found: AuditEntry = AuditEntry.objects.filter(action=action).latest("pk")
    return found


def sign_in(name: str = "bob", password: str = PASSWORD) -> Client:
    browser = Client(REMOTE_ADDR="192.0.2.7")
    browser.post("/admin/login/", {"username": name, "password": password})
    return browser


def test_who_comes_in_and_leaves_is_noted_with_the_address(bob: User) -> None:
    begun = mark()
    browser = sign_in()
    browser.post("/admin/logout/")

    assert trail(begun) == [("signed_in", "operator", "bob"), ("signed_out", "operator", "bob")]
    entry = last("signed_in")
    assert (entry.actor_kind, entry.actor, entry.source) == ("operator", "bob", "192.0.2.7")
    assert entry.after == {"means": "password"}
    assert entry.request_id


def test_who_fails_is_noted_and_what_was_typed_is_not(bob: User) -> None:
    begun = mark()
    sign_in(password=GUESS)
    sign_in(name=GUESS, password="x")

    assert trail(begun) == [
        ("sign_in_failed", "operator", "bob"),
        ("sign_in_failed", "operator", "a name that nobody has"),
    ]
    assert last("sign_in_failed").actor_kind == "visitor"
    assert not any(GUESS in repr(vars(entry)) for entry in AuditEntry.objects.all())


def test_a_lock_out_is_noted_once_however_long_somebody_goes_on(bob: User) -> None:
    begun = mark()
    for _ in range(settings.LOGIN_FAILURE_LIMIT + 3):
        sign_in(password=GUESS)

    actions = [action for action, *_ in trail(begun)]
    assert actions.count("locked_out") == 1
    assert actions.count("sign_in_failed") == settings.LOGIN_FAILURE_LIMIT - 1


def test_a_wrong_code_and_a_right_one_are_noted(bob: User) -> None:
    device = TOTPDevice.objects.create(user=bob, confirmed=True)
    begun = mark()
    browser = sign_in()
    browser.post("/admin/login/code/", {"code": "000000" if totp(device.bin_key) else ""})

    assert trail(begun) == [("second_factor_failed", "operator", "bob")]

    TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    browser.post("/admin/login/code/", {"code": f"{totp(device.bin_key):06}"})
    assert last("signed_in").after == {"means": "password and code"}


def test_a_changed_password_is_noted_without_either(bob: User) -> None:
    begun = mark()
    fields = {"old_password": PASSWORD, "new_password1": "another long one", "new_password2": "another long one"}
    answer = logged_in(bob).post("/admin/password_change/", fields)

    assert answer.status_code == 302
    assert trail(begun) == [("password_changed", "operator", "bob")]
    entry = last("password_changed")
    assert (entry.before, entry.after) == (None, None)


def test_a_hash_that_is_only_renewed_is_no_changed_password(bob: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    begun = mark()
    sign_in()

    bob.refresh_from_db()
    assert bob.password.startswith("scrypt")
    assert trail(begun) == [("signed_in", "operator", "bob")]


def test_a_command_leaves_the_same_trail_as_a_page() -> None:
    call_command("createsuperuser", "--noinput", username="root", email="", stdout=io.StringIO())

    entry = last("operator_created")
    assert entry.object_id == "root"
    assert entry.after is not None
    assert entry.after["is_superuser"] is True


def test_rights_that_are_given_and_taken_are_noted(bob: User) -> None:
    looking = Permission.objects.get(codename="view_service", content_type__app_label="registry")
    group = Group.objects.create(name="on call")
    begun = mark()
    group.permissions.add(looking)
    bob.groups.add(group)
    bob.groups.add(group)  # again: nothing happens
    bob.user_permissions.set([looking])
    bob.user_permissions.clear()
    group.user_set.clear()
    bob.is_superuser = True
    bob.save()
    Operator.objects.create(user=bob, companies=[2])
    group.delete()
    bob.delete()

    assert trail(begun) == [
        ("rights_given", "group", "on call"),
        ("rights_given", "operator", "bob"),
        ("rights_given", "operator", "bob"),
        ("rights_taken", "operator", "bob"),
        ("rights_taken", "group", "on call"),
        ("operator_changed", "operator", "bob"),
        ("companies_changed", "operator", "bob"),
        ("group_deleted", "group", "on call"),
        ("operator_deleted", "operator", "bob"),
    ]
    assert last("rights_taken").before == {"people": ["bob"]}
    assert last("operator_changed").before == {"is_superuser": False}
    assert last("companies_changed").after == {"companies": [2]}
    assert AuditEntry.objects.filter(action="rights_given").first().after == {"permissions": ["registry.view_service"]}


@pytest.mark.parametrize("loss", ["switched off", "no staff", "fewer companies", "another person", "deleted"])
def test_an_operator_who_loses_his_way_in_loses_the_tokens_of_his_person(bob: User, loss: str) -> None:
    row = Operator.objects.create(user=bob, user_number=5)
    who = Principal("operator", "bob", scopes=frozenset())
    with acting(who):
        issued = user_token_issue(operator=who, company_id=7, now=timezone.now())
    bob.first_name = "Bob"
    bob.save()
    assert verify(issued.access_token).user_id == 5
    if loss == "deleted":
        bob.delete()
    elif loss == "fewer companies":
        row.companies = [8]
        row.save()
    elif loss == "another person":
        row.user_number = 6
        row.save()
    else:
        bob.is_active, bob.is_staff = loss != "switched off", loss != "no staff"
        bob.save()
    with pytest.raises(InvalidToken):
        verify(issued.access_token)
