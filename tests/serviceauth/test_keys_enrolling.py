"""Enrolment: a token is good for one key, once, whoever comes at the same time or again."""

import datetime as dt
from typing import Any

import pytest

from apps.core.errors import InvalidInput
from apps.core.models import AuditEntry
from apps.core.tenancy import system, use
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import new_enrolment
from apps.serviceauth.models import EnrolmentToken, ServiceAccount, ServiceKey
from tests.support.accounts import DAY, HOME, HOUR, NOON, account, key_row

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)


def token_of(of: ServiceAccount, **options: Any) -> str:
    with use(system("test")):
        return services.enrolment_create(account=of, actor="anna", now=NOON, **options)


def redeem(text: str, name: str = "orders", source: str = HOME, now: dt.datetime = NOON) -> str:
    return services.enrolment_redeem(text=text, service_name=name, source=source, now=now)[0]


def stored() -> EnrolmentToken:
    with use(system("test")):
        found: EnrolmentToken = EnrolmentToken.objects.select_related("key").get()
        return found


def test_a_token_fetches_a_key() -> None:
    text = token_of(account(), networks=["10.0.0.0/8"], key_expires_at=NOON + 90 * DAY)
    made = redeem(text)
    row = key_row(made)
    assert (row.account.name, row.networks, row.expires_at) == ("orders", ["10.0.0.0/8"], NOON + 90 * DAY)
    assert row.created_by == "enrolment by anna"
    found = stored()
    assert (found.used_at, found.used_from, found.key) == (NOON, HOME, row)
    assert services.authenticate_key(service_name="orders", service_key=made, source=HOME, now=NOON)


def test_it_is_good_once_also_for_a_retry_and_operators_see_that_it_was_tried_again() -> None:
    text = token_of(account())
    redeem(text)
    with pytest.raises(BadCredentials) as caught:
        redeem(text, source="203.0.113.9", now=NOON + MINUTE)
    assert caught.value.reason == "used"
    found = stored()
    assert (found.tried_again_at, found.tried_again_from) == (NOON + MINUTE, "203.0.113.9")
    with use(system("test")):
        assert ServiceKey.objects.count() == 1


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("expired", {"now": NOON + HOUR}),
        ("name", {"name": "products"}),
        ("network", {"source": "203.0.113.9"}),
        ("account", {}),
    ],
)
def test_whatever_is_wrong_the_answer_is_the_same_and_the_token_stays(reason: str, options: dict[str, Any]) -> None:
    mine = account()
    text = token_of(mine, networks=["10.0.0.0/8"])
    if reason == "account":
        with use(system("test")):
            services.account_disable(account=mine, actor="anna", now=NOON)
    with pytest.raises(BadCredentials) as stranger:
        redeem(new_enrolment().text)
    with pytest.raises(BadCredentials) as caught:
        redeem(text, **options)
    assert caught.value.reason == reason
    assert str(caught.value) == str(stranger.value)
    assert stored().used_at is None
    with use(system("test")):
        services.account_enable(account=mine, actor="anna")
    assert redeem(text)


@pytest.mark.parametrize("text", ["", "xre_", "xre_" + "A" * 43 + "_000000", "password"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BadCredentials):
        redeem(text)


def test_an_account_of_names_that_begin_alike_enrols_each_of_them() -> None:
    mine = account("acme-*")
    names = ["acme-orders", "acme-stock"]
    assert [key_row(redeem(token_of(mine), name)).label for name in names] == names


def test_a_cancelled_token_is_over() -> None:
    text = token_of(account())
    with use(system("test")):
        assert services.enrolment_cancel(token=stored(), now=NOON)
        assert not services.enrolment_cancel(token=stored(), now=NOON)
    with pytest.raises(BadCredentials):
        redeem(text)


def test_a_used_token_is_not_cancelled_any_more() -> None:
    redeem(token_of(account()))
    with use(system("test")):
        assert not services.enrolment_cancel(token=stored(), now=NOON)


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"lifetime": dt.timedelta()}, "/lifetime"),
        ({"lifetime": 8 * DAY}, "/lifetime"),
        ({"networks": ["home"]}, "/networks"),
        ({"key_expires_at": NOON + 30 * MINUTE}, "/key_expires_at"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], pointer: str) -> None:
    mine = account()
    with pytest.raises(InvalidInput) as caught:
        token_of(mine, **options)
    assert [fault.pointer for fault in caught.value.errors] == [pointer]


def test_nothing_of_it_is_stored_or_told(settings: Any) -> None:
    text = token_of(account())
    made = redeem(text)
    with use(system("test")):
        told = str(list(AuditEntry.objects.values())) + str(EnrolmentToken.objects.values().get())
    assert text.split("_")[1] not in told
    assert made.split("_")[2] not in told
    settings.KEY_PEPPERS = {1: "x" * 32}
    with pytest.raises(BadCredentials):
        redeem(text)


def test_a_token_outlives_a_change_of_the_pepper(settings: Any) -> None:
    old = dict(settings.KEY_PEPPERS)
    text = token_of(account())
    settings.KEY_PEPPERS = {2: "x" * 32, **old}
    assert key_row(redeem(text)).pepper_version == 2
