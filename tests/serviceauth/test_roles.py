"""Roles of people: who may give what to whom in which company, what it then comes to, and what is written down."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.errors import Conflict, InvalidInput, NotFound
from apps.core.models import AuditEntry
from apps.core.tenancy import Scope, company, use
from apps.serviceauth.models import Revocation, Role, RoleAssignment
from apps.serviceauth.selectors import permissions_of, roles_of
from apps.serviceauth.services import role_assign, role_delete, role_save, role_unassign

pytestmark = pytest.mark.django_db

OF_TWO = Scope(frozenset({2}), writes_global=False, reason="operator of company 2")


def role(name: str = "clerk", permissions: tuple[str, ...] = ("product.view",), **more: Any) -> Role:
    return role_save(name=name, permissions=permissions, actor="test", now=timezone.now(), **more)


def give(of: Role, user_id: int = 5, company_id: int | None = None) -> RoleAssignment:
    return role_assign(role=of, user_id=user_id, company_id=company_id, actor="test")


def faults(error: pytest.ExceptionInfo[InvalidInput]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in error.value.errors}


def trail() -> list[tuple[str, str, int | None]]:
    return [(e.action, e.object_id, e.company_id) for e in AuditEntry.objects.order_by("id")]


def test_what_a_person_may_is_what_roles_of_here_and_of_all_companies_give_here_or_everywhere() -> None:
    give(role("reader", ("catalogue.*", "a")))
    give(role("boss", ("b.*", "a"), company_id=2), company_id=2)
    give(role("boss", ("secret.*",), company_id=3), company_id=3)
    give(role("in-three", ("three",)), company_id=3)
    give(role("of-another", ("other",)), user_id=6)

    with CaptureQueriesContext(connection) as queries, use(None):
        found = permissions_of(5, 2)

    assert found == ("a", "b.*", "catalogue.*")
    assert len(queries) == 1
    assert permissions_of(5, 3) == ("a", "catalogue.*", "secret.*", "three")
    assert permissions_of(7, 2) == ()
    with use(None):
        assert [name for _, name in roles_of(5, 2)] == ["boss", "reader"]
    assert [name for _, name in roles_of(5, 3)] == ["boss", "in-three", "reader"]
    assert roles_of(7, 2) == ()


def test_a_row_that_should_not_be_there_gives_nothing_elsewhere() -> None:
    """Another company's role, put into this company behind the services' back."""
    RoleAssignment.objects.create(role=role("boss", ("*",), company_id=3), user_id=5, company_id=2, created_by="sql")
    RoleAssignment.objects.create(role=Role.objects.get(), user_id=5, company_id=None, created_by="sql")

    assert permissions_of(5, 2) == ()
    assert roles_of(5, 2) == ()


@pytest.mark.parametrize("pattern", ["product.view", "product.*", "*", "a:b-c_d.e.*", "größe.*"])
def test_a_permission_may_end_in_a_wildcard(pattern: str) -> None:
    assert role(permissions=(pattern,)).permissions == [pattern]


@pytest.mark.parametrize("pattern", ["", " ", "a b", "a,b", "*.view", "a*", "a.*.b", "**", ".*", "a\x00", "x" * 201])
def test_what_is_no_permission_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        role(permissions=(pattern, "product.view"))
    assert faults(caught) == {("/permissions", "invalid")}


def test_every_fault_of_a_role_is_named_at_once() -> None:
    with use(OF_TWO), pytest.raises(InvalidInput) as caught:
        role(" ", ("a b",))
    assert faults(caught) == {("/name", "invalid"), ("/permissions", "invalid"), ("/company_id", "not_yours")}


def test_a_name_is_taken_once_in_a_company() -> None:
    role("boss", company_id=2)
    role("boss", company_id=3)
    role("boss")
    with pytest.raises(Conflict):
        role("boss", company_id=2)
    with pytest.raises(Conflict):
        role("boss")


def test_whoever_looks_after_a_company_makes_and_gives_roles_there_and_nowhere_else() -> None:
    everybodys, own, others = role("all"), role("own", company_id=2), role("theirs", company_id=3)
    there = give(everybodys, user_id=9)
    with use(OF_TWO):
        role("mine", company_id=2)
        give(everybodys, company_id=2)
        give(own, company_id=2)
        for company_id in (3, None):
            with pytest.raises(InvalidInput):
                role("more", company_id=company_id)
            with pytest.raises(InvalidInput):
                give(everybodys, company_id=company_id)
        with pytest.raises(NotFound):  # in sight, and everybody's
            role("all", ("*",), role=everybodys)
        with pytest.raises(NotFound):
            role_delete(role=everybodys, actor="test", now=timezone.now())
        with pytest.raises(NotFound):
            role_delete(role=others, actor="test", now=timezone.now())
        with pytest.raises(NotFound):
            give(others, company_id=2)
        with pytest.raises(NotFound):
            role_unassign(assignment=there, actor="test", now=timezone.now())
    assert RoleAssignment.objects.filter(user_id=9).exists()


def test_a_companys_role_is_given_in_that_company_only() -> None:
    own = role("own", company_id=2)
    for company_id in (None, 3):
        with pytest.raises(InvalidInput) as caught:
            give(own, company_id=company_id)
        assert ("/company_id", "not_its_company") in faults(caught)


def test_giving_and_taking_twice_is_once() -> None:
    of = role()
    first = give(of, company_id=2)
    assert give(of, company_id=2) == first
    assert role_unassign(assignment=first, actor="test", now=timezone.now())
    assert not role_unassign(assignment=first, actor="test", now=timezone.now())


def test_who_loses_something_loses_the_tokens_that_say_otherwise() -> None:
    def revoked() -> list[str]:
        found = sorted(Revocation.objects.values_list("subject", flat=True))
        Revocation.objects.all().delete()
        return found

    of = role(permissions=("a.x", "b.*"))
    give(of, user_id=5)
    given = give(of, user_id=6, company_id=2)
    role("clerk", ("a.*", "b.*"), role=of)
    assert revoked() == []  # nothing was lost
    role("clerk", ("a.*", "b.c"), role=of)
    assert revoked() == ["5", "6"]
    role_unassign(assignment=given, actor="test", now=timezone.now())
    assert revoked() == ["6@2"]
    assert role_delete(role=of, actor="test", now=timezone.now()) == 1
    assert revoked() == ["5"]
    assert permissions_of(5, 2) == ()


def test_everything_is_written_down_for_its_company() -> None:
    of = role("boss", company_id=2)
    role("boss", ("product.view",), role=of)  # as it is: no entry
    role("chief", ("product.*",), role=of, description="d")
    given = give(of, company_id=2)
    role_unassign(assignment=given, actor="test", now=timezone.now())
    role_delete(role=of, actor="test", now=timezone.now())

    assert [entry for entry in trail() if entry[0] != "user_revoked"] == [
        ("role_created", "boss", 2),
        ("role_changed", "chief", 2),
        ("role_given", "5", 2),
        ("role_taken", "5", 2),
        ("role_deleted", "chief", 2),
    ]
    changed = AuditEntry.objects.get(action="role_changed")
    assert changed.before == {"name": "boss", "permissions": ["product.view"], "description": ""}
    assert changed.after == {"name": "chief", "permissions": ["product.*"], "description": "d"}
    with use(company(3)):
        assert not AuditEntry.objects.exists()
