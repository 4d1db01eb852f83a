"""A person who was deleted: an event takes what they hold, in the companies that it speaks for, and no more."""

import pytest
from django.contrib.auth.models import User

from apps.core.models import AuditEntry
from apps.core.tenancy import use
from apps.serviceauth.handlers import HANDLERS
from apps.serviceauth.models import Operator, Revocation, Role, RoleAssignment
from tests.support.operators import logged_in
from xerpium_sdk.wire.envelope import Envelope

pytestmark = pytest.mark.django_db


def deleted(user_id: int | str | None = 5, *, company_id: int | None = None) -> None:
    event = Envelope(
        event_id="e",
        event_type="user_deleted",
        service_name="people",
        entity_type="User",
        entity_id=user_id,
        company_id=company_id,
        user_id=1,
        timestamp="2026-01-02T12:00:00",
        data={},
    )
    with use(None):
        HANDLERS["user_deleted"](event)  # type: ignore[index]  # an EventType is a str


def give(user_id: int, *companies: int | None) -> None:
    role, _ = Role.objects.get_or_create(name="clerk", company_id=None, permissions=["product.*"])
    for number in companies:
        RoleAssignment.objects.create(role=role, user_id=user_id, company_id=number, created_by="test")


def held(user_id: int) -> list[int | None]:
    return list(RoleAssignment.objects.filter(user_id=user_id).order_by("pk").values_list("company_id", flat=True))


def operator(number: int, companies: list[int] | None = None, **more: bool) -> User:
    user = User.objects.create_user("bob", password="x", is_staff=True, **more)
    Operator.objects.create(user=user, user_number=number, companies=companies)
    return user


def trail(kind: str) -> list[tuple[str, str, int | None, str]]:
    found = AuditEntry.objects.filter(object_type=kind).order_by("pk")
    return [(entry.action, entry.object_id, entry.company_id, entry.actor) for entry in found]


def test_who_is_deleted_loses_roles_and_tokens_and_others_keep_theirs() -> None:
    give(5, None, 2, 3)
    give(1, 2)

    deleted()

    assert (held(5), held(1)) == ([], [2])
    assert list(Revocation.objects.values_list("kind", "subject")) == [("user", "5")]
    by = "event user_deleted of people"
    assert trail("person") == [("role_taken", "5", number, by) for number in (None, 2, 3)]
    assert trail("user") == [("user_revoked", "5", None, by)]


def test_doing_it_again_changes_nothing_more() -> None:
    give(5, 2)
    deleted()
    deleted()

    assert len(trail("person")) == 1
    assert held(5) == []


def test_the_news_of_one_company_takes_nothing_that_another_gave() -> None:
    give(5, None, 2, 3)
    deleted(company_id=2)

    assert held(5) == [None, 3]
    assert list(Revocation.objects.values_list("kind", "subject")) == [("user", "5@2")]
    assert trail("user")[0][2] == 2


@pytest.mark.parametrize(
    ("companies", "of", "stays"), [(None, None, False), ([2], 2, False), ([2, 3], 2, True), (None, 2, True)]
)
def test_an_operator_is_switched_off_by_the_news_of_all_his_companies(
    companies: list[int] | None, of: int | None, stays: bool
) -> None:
    browser = logged_in(user := operator(5, companies))
    deleted(company_id=of)

    user.refresh_from_db()
    assert user.is_active is stays
    assert (browser.get("/admin/").status_code == 200) is stays
    assert ("operator_switched_off" in [action for action, *_ in trail("operator")]) is not stays


def test_no_event_locks_a_superuser_out() -> None:
    user = operator(5, is_superuser=True)
    deleted()

    user.refresh_from_db()
    assert user.is_active
    assert trail("operator")[-1][:2] == ("operator_kept", "bob")


@pytest.mark.parametrize("number", [None, "five"])
def test_an_event_that_does_not_say_who_is_an_error(number: str | None) -> None:
    with pytest.raises(ValueError, match="person's number"):
        deleted(number)
