"""Companies: what the hub learns about them from events."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.serviceauth import services
from apps.serviceauth.handlers import HANDLERS
from apps.serviceauth.models import Company
from apps.serviceauth.selectors import company_names
from xerpium_sdk.wire.envelope import Envelope

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)


def tell(
    event_type: str = "company_created",
    *,
    company: int | str | None = 5,
    of: int | None = None,
    hour: int = 12,
    **data: object,
) -> None:
    event = Envelope(
        event_id="e",
        event_type=event_type,
        service_name="companies",
        entity_type="Company",
        entity_id=company,
        company_id=of,
        user_id=None,
        timestamp=f"2026-01-02T{hour:02}:00:00",
        data=data,
    )
    HANDLERS[event_type](event)  # type: ignore[index]  # an EventType is a str


def test_a_company_is_learnt_and_renamed() -> None:
    tell(name="Acme")
    assert company_names([5]) == {5: "Acme"}
    tell("company_updated", name=" Acme & Söhne ", hour=13)
    assert company_names([5, 6]) == {5: "Acme & Söhne"}
    assert Company.objects.get().last_event_at == NOON.replace(hour=13)


def test_a_change_of_an_unknown_company_makes_it_known() -> None:
    tell("company_updated", name="Acme")
    assert company_names([5]) == {5: "Acme"}


def test_another_company_tells_of_a_new_one_and_renames_none() -> None:
    tell(of=8, name="Acme")
    tell("company_updated", of=8, hour=13, name="Gone")
    assert company_names([5]) == {5: "Acme"}
    tell("company_updated", of=5, hour=14, name="Own")
    assert company_names([5]) == {5: "Own"}


def test_an_older_event_changes_nothing_and_a_repeated_one_neither() -> None:
    tell(name="Now", hour=12)
    tell(name="Before", hour=11)
    tell(name="Now", hour=12)
    assert company_names([5]) == {5: "Now"}


def test_of_two_events_of_one_moment_the_later_counts() -> None:
    tell(name="First")
    tell(name="Second")
    assert company_names([5]) == {5: "Second"}


def test_a_time_in_the_future_does_not_outlast_what_follows() -> None:
    assert services.company_learn(company_id=5, name="Far", at=timezone.now() + dt.timedelta(days=9000))
    assert services.company_learn(company_id=5, name="Near", at=timezone.now() + dt.timedelta(days=1))
    assert company_names([5]) == {5: "Near"}


def test_without_an_entity_the_companys_own_number_counts() -> None:
    tell(company=None, of=8, name="Acme")
    assert company_names([8]) == {8: "Acme"}


def test_an_event_without_a_name_tells_nothing() -> None:
    tell(name="Acme")
    tell("company_updated", hour=13, changed_fields=["phone"])
    assert Company.objects.get().last_event_at == NOON


@pytest.mark.parametrize(("company", "name"), [("five", "Acme"), (5, 7), (5, " ")])
def test_what_makes_no_sense_is_an_error(company: int | str, name: object) -> None:
    with pytest.raises(ValueError, match="number and its name"):
        tell(company=company, name=name)


@pytest.mark.parametrize("path", ["serviceauth/company/", "events/outboxentry/"])
def test_operators_can_look(client: Client, path: str) -> None:
    tell(name="Acme")
    client.force_login(User.objects.create_superuser("op", password="x"))
    answer = client.get(f"/admin/{path}")
    assert answer.status_code == 200
    assert client.get(f"/admin/{path}add/").status_code == 403
