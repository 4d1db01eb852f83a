"""Operators and roles in the admin: who may see, give and take what, and who may not widen what he has."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.core.models import AuditEntry
from apps.serviceauth.models import Operator, Role, RoleAssignment
from apps.serviceauth.selectors import permissions_of
from tests.support.operators import staff, superuser

pytestmark = pytest.mark.django_db

ROLES = ("view_role", "add_role", "change_role", "delete_role")
GIVING = ("view_roleassignment", "add_roleassignment", "delete_roleassignment")
PEOPLE = ("view_user", "add_user", "change_user", "delete_user", "view_group", "change_group")
CANARY = "canary-of-company-3"


@pytest.fixture
def of_two() -> Client:
    """The browser of a superuser who belongs to company 2."""
    browser = superuser("bob")
    Operator.objects.create(user=User.objects.get(username="bob"), companies=[2])
    return browser


@pytest.fixture
def roles() -> dict[int | None, Role]:
    """A role of company 2, one of company 3, one of all; person 5 has each where it is, and the last one in all."""
    made: dict[int | None, Role] = {}
    for number, name in ((None, "reader"), (2, "clerk-of-2"), (3, CANARY)):
        made[number] = Role.objects.create(name=name, company_id=number, permissions=[f"{name}.*"])
        RoleAssignment.objects.create(role=made[number], user_id=5, company_id=number, created_by="test")
    return made


def page(browser: Client, address: str) -> str:
    answer = browser.get(f"/admin/{address}")
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def inline(companies: str, operator: Operator | None = None, **more: Any) -> dict[str, Any]:
    """Return the fields of the form of a user's companies."""
    return {
        "operator-TOTAL_FORMS": "1",
        "operator-INITIAL_FORMS": "1" if operator else "0",
        "operator-0-id": operator.pk if operator else "",
        "operator-0-companies": companies,
        "operator-0-user_number": "",
        **more,
    }


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    fields = {"username": user.username, "is_active": "on", "is_staff": "on", "date_joined_0": "2026-01-01"}
    return fields | {"date_joined_1": "00:00:00", "operator-0-user": user.pk} | changes


def test_whoever_may_do_everything_says_who_belongs_to_which_companies() -> None:
    bob = User.objects.create_user("bob", is_staff=True)
    address = f"/admin/auth/user/{bob.pk}/change/"
    anna = superuser()

    assert anna.post(address, user_form(bob, **inline("3, 2,2"))).status_code == 302
    assert Operator.objects.get().companies == [2, 3]
    assert anna.post(address, user_form(bob, **inline("", Operator.objects.get()))).status_code == 302
    assert Operator.objects.get().companies is None
    refused = anna.post(address, user_form(bob, **inline("2, x", Operator.objects.get())))
    assert refused.status_code == 200
    entries = AuditEntry.objects.filter(action="companies_changed").order_by("pk")
    assert [(entry.actor, entry.after["companies"]) for entry in entries] == [("anna", [2, 3]), ("anna", None)]


def test_whoever_belongs_to_companies_sees_no_operators_and_cannot_widen_his_own(of_two: Client) -> None:
    bob = User.objects.get(username="bob")
    change = f"/admin/auth/user/{bob.pk}/change/"

    for address in ("/admin/auth/user/", "/admin/auth/group/", "/admin/axes/accessattempt/", change):
        assert of_two.get(address).status_code == 403, address
    answer = of_two.post(change, user_form(bob, **inline("", Operator.objects.get())))
    assert answer.status_code == 403
    assert Operator.objects.get().companies == [2]
    assert "auth/user" not in page(of_two, "")


def test_who_is_no_superuser_makes_none_and_changes_none() -> None:
    anna = User.objects.create_superuser("anna", password="x")
    clerk = staff("clerk", *PEOPLE, app="auth")
    other = User.objects.create_user("other", is_staff=True)

    answer = clerk.post(f"/admin/auth/user/{other.pk}/change/", user_form(other, is_superuser="on", **inline("2")))
    assert answer.status_code == 302
    other.refresh_from_db()
    assert not other.is_superuser
    assert not Operator.objects.exists()
    assert clerk.post(f"/admin/auth/user/{anna.pk}/change/", user_form(anna)).status_code == 403
    assert clerk.post(f"/admin/auth/user/{anna.pk}/password/", {"password1": "y" * 12}).status_code == 403
    assert clerk.post(f"/admin/auth/user/{anna.pk}/delete/", {"post": "yes"}).status_code == 403


def test_roles_are_made_changed_and_deleted_with_their_trail() -> None:
    anna = superuser()
    fields = {
        "name": "clerk",
        "company_id": "2",
        "permissions": "product.*\n\n order.view \nproduct.*",
        "description": "",
    }
    assert anna.post("/admin/serviceauth/role/add/", fields).status_code == 302
    role = Role.objects.get()
    assert (role.company_id, role.permissions) == (2, ["order.view", "product.*"])

    change = f"/admin/serviceauth/role/{role.pk}/change/"
    assert anna.post(change, fields | {"permissions": "product.view", "company_id": "3"}).status_code == 302
    role.refresh_from_db()
    assert (role.company_id, role.permissions) == (2, ["product.view"])

    add = "/admin/serviceauth/roleassignment/add/"
    assert anna.post(add, {"user_id": "5", "role": role.pk, "company_id": "2"}).status_code == 302
    assert permissions_of(5, 2) == ("product.view",)
    given = RoleAssignment.objects.get()
    delete = f"/admin/serviceauth/roleassignment/{given.pk}/delete/"
    assert anna.post(delete, {"post": "yes"}).status_code == 302
    assert permissions_of(5, 2) == ()
    assert anna.post("/admin/serviceauth/role/", {
        "action": "delete_selected", "_selected_action": [role.pk], "post": "yes",
    }).status_code == 302  # fmt: skip
    assert not Role.objects.exists()

    told = AuditEntry.objects.filter(object_type__in=["role", "person"]).order_by("pk")
    assert [(entry.action, entry.actor, entry.company_id) for entry in told] == [
        (action, "anna", 2) for action in ("role_created", "role_changed", "role_given", "role_taken", "role_deleted")
    ]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"permissions": "a b"}, "is no permission"),
        ({"permissions": "*.view"}, "is no permission"),
        ({"name": ""}, "required"),
        ({"company_id": "0"}, "whole number from 1"),
        ({"name": "taken"}, "already"),
    ],
    ids=["space", "wildcard", "no name", "no company", "taken"],
)
def test_what_is_wrong_with_a_role_stands_beside_its_fields(fields: dict[str, str], complaint: str) -> None:
    Role.objects.create(name="taken", company_id=2, permissions=["x"])
    sent = {"name": "clerk", "company_id": "2", "permissions": "product.*", "description": ""} | fields
    answer = superuser().post("/admin/serviceauth/role/add/", sent)

    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert Role.objects.count() == 1


def test_whoever_belongs_to_a_company_sees_and_gives_what_is_there(
    of_two: Client, roles: dict[int | None, Role]
) -> None:
    for address in ("serviceauth/role/", "serviceauth/roleassignment/", "serviceauth/roleassignment/?q=5"):
        shown = page(of_two, address)
        assert "clerk-of-2" in shown
        assert "reader" in shown
        assert CANARY not in shown

    add = "/admin/serviceauth/roleassignment/add/"
    assert CANARY not in page(of_two, "serviceauth/roleassignment/add/")
    assert of_two.post(add, {"user_id": "6", "role": roles[None].pk, "company_id": "2"}).status_code == 302
    for role, company in ((roles[3], "3"), (roles[3], "2"), (roles[None], "3"), (roles[None], "")):
        assert of_two.post(add, {"user_id": "6", "role": role.pk, "company_id": company}).status_code == 200
    assert [(one.role_id, one.company_id) for one in RoleAssignment.objects.filter(user_id=6)] == [(roles[None].pk, 2)]

    everybodys = f"/admin/serviceauth/role/{roles[None].pk}/"
    changed = {"name": "reader", "permissions": "*", "description": ""}
    assert of_two.post(f"{everybodys}change/", changed).status_code == 403
    assert of_two.post(f"{everybodys}delete/", {"post": "yes"}).status_code == 403
    others = f"/admin/serviceauth/role/{roles[3].pk}/change/"
    missing = of_two.get("/admin/serviceauth/role/999999/change/")
    assert of_two.get(others).status_code == missing.status_code
    assert of_two.post("/admin/serviceauth/role/add/", changed | {"name": "n", "company_id": "3"}).status_code == 200
    assert not Role.objects.filter(permissions__contains=["*"]).exists()


def test_who_may_what_where_is_drawn_as_people_and_companies(roles: dict[int | None, Role]) -> None:
    shown = page(superuser(), "serviceauth/roleassignment/?q=5")
    table = shown[shown.index('id="may-title"') :].partition("</table>")[0]

    assert re.findall(r'<th scope="col">([^<]+)<', table) == ["Person", "all companies", "company 2", "company 3"]
    assert re.findall(r'title="([^"]+)">([^<]+)</a>', table) == [
        ("reader.*", "reader"), ("clerk-of-2.*", "clerk-of-2"), (f"{CANARY}.*", CANARY),
    ]  # fmt: skip


def test_who_may_only_look_changes_nothing(roles: dict[int | None, Role]) -> None:
    browser = staff("otto", "view_role", "view_roleassignment", app="serviceauth")

    assert "reader" in page(browser, "serviceauth/role/")
    assert browser.post("/admin/serviceauth/role/add/", {"name": "x", "permissions": "*"}).status_code == 403
    assert browser.get("/admin/serviceauth/roleassignment/add/").status_code == 403


def test_nothing_in_the_admin_is_written_without_a_trail() -> None:
    """Every page that adds, changes or deletes rows by itself is known here, with where its trail is written."""
    from django.contrib import admin
    from django.test import RequestFactory

    written = {
        "auth.User": "apps.console.trail", "auth.Group": "apps.console.trail",
        "serviceauth.Role": "services.roles", "serviceauth.RoleAssignment": "services.roles",
        "serviceauth.ServiceAccount": "services.accounts", "serviceauth.TrustedIssuer": "services.issuers",
        "serviceauth.Revocation": "services.revoking",
        "registry.Service": "registry.services.operations", "uiregistry.Dashboard": "uiregistry.services.dashboards",
    }  # fmt: skip
    request = RequestFactory().get("/admin/")
    request.user = User.objects.create_superuser("anna", password="x")
    writing = {
        model._meta.label
        for model, page in admin.site._registry.items()
        if page.has_add_permission(request)
        or page.has_change_permission(request)
        or page.has_delete_permission(request)
    }
    assert writing <= written.keys()
