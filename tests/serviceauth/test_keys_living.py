"""Keys from issue to end: narrowed, rotated with an overlap, disabled by hand, when found and when idle."""

import datetime as dt
from typing import Any

import pytest

from apps.core.errors import Conflict, InvalidInput
from apps.core.models import AuditEntry
from apps.core.tenancy import company, system, use
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import new_key
from apps.serviceauth.models import Revocation, ServiceKey
from apps.serviceauth.services.keys import MOST_LIVE_KEYS
from apps.serviceauth.tasks import disable_idle_keys
from tests.support.accounts import DAY, HOME, HOUR, NOON, account, key, key_row

pytestmark = pytest.mark.django_db


def is_good(text: str, now: dt.datetime = NOON) -> bool:
    try:
        services.authenticate_key(service_name="orders", service_key=text, source=HOME, now=now)
    except BadCredentials:
        return False
    return True


def rotated(text: str, overlap: dt.timedelta | None, now: dt.datetime = NOON) -> str:
    with use(system("test")):
        return services.key_rotate(key=key_row(text), overlap=overlap, actor="anna", now=now)


def disabled(text: str, reason: str = "", now: dt.datetime = NOON) -> bool:
    with use(system("test")):
        return services.key_disable(key=key_row(text), reason=reason, actor="anna", now=now)


def voided() -> list[tuple[str, str]]:
    return list(Revocation.objects.order_by("id").values_list("kind", "subject"))


# --- issue ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"companies": [3]}, ("/companies", "beyond_account")),
        ({"companies": [1, 3]}, ("/companies", "beyond_account")),
        ({"scopes": ["events:decide"]}, ("/scopes", "beyond_account")),
        ({"scopes": ["nonsense"]}, ("/scopes", "beyond_account")),
        ({"networks": ["10.0.0.0/8", "home"]}, ("/networks", "invalid")),
        ({"networks": ["10.0.0.1/99"]}, ("/networks", "invalid")),
        ({"networks": [f"10.0.0.{n}" for n in range(51)]}, ("/networks", "too_many")),
        ({"expires_at": NOON}, ("/expires_at", "invalid")),
        ({"expires_at": NOON + 4000 * DAY}, ("/expires_at", "invalid")),
    ],
)
def test_a_key_has_no_more_than_its_account(options: dict[str, Any], fault: tuple[str, str]) -> None:
    mine = account(companies=[1, 2])
    with pytest.raises(InvalidInput) as caught:
        key(mine, now=NOON, **options)
    assert {(one.pointer, one.code) for one in caught.value.errors} == {fault}
    with use(system("test")):
        assert not ServiceKey.objects.exists()


def test_a_key_of_an_account_of_companies_needs_one_of_them() -> None:
    mine = account(companies=[1], writes_global=False)
    with pytest.raises(InvalidInput):
        key(mine, now=NOON, companies=[])


def test_networks_are_stored_as_networks() -> None:
    text = key(account(), now=NOON, networks=["10.1.2.3", " 10.20.3.4/16", "2001:db8::1/32", "10.1.2.3/32"])
    assert key_row(text).networks == ["10.1.2.3/32", "10.20.0.0/16", "2001:db8::/32"]


def test_an_account_has_a_bounded_number_of_live_keys() -> None:
    mine = account()
    first, *_ = [key(mine, now=NOON) for _ in range(MOST_LIVE_KEYS)]
    with pytest.raises(Conflict):
        key(mine, now=NOON)
    disabled(first)
    assert is_good(key(mine, now=NOON))


# --- rotation ---------------------------------------------------------------------------------------------------------


def test_both_keys_are_good_while_they_overlap() -> None:
    old = key(account(), now=NOON)
    new = rotated(old, DAY)
    for hours, old_is_good in ((0, True), (23, True), (24, False), (99, False)):
        now = NOON + hours * HOUR
        assert (is_good(old, now), is_good(new, now)) == (old_is_good, True)
    assert voided() == []


def test_an_old_key_waits_until_its_successor_is_used_and_an_hour_for_the_other_instances() -> None:
    old = key(account(), now=NOON)
    new = rotated(old, services.UNTIL_USED)
    assert key_row(old).replaced_by_id == key_row(new).pk
    assert key_row(old).expires_at == NOON + 30 * DAY
    assert is_good(old, NOON + 5 * DAY)
    assert is_good(new, NOON + 6 * DAY)
    assert is_good(old, NOON + 6 * DAY + HOUR / 2)
    assert is_good(new, NOON + 6 * DAY + HOUR / 2)
    assert not is_good(old, NOON + 6 * DAY + HOUR)
    with use(system("test")):
        ending = AuditEntry.objects.get(action="key_ending")
    assert ending.object_id == key_row(old).key_id


def test_a_key_with_a_fixed_overlap_does_not_end_sooner_because_its_successor_is_used() -> None:
    old = key(account(), now=NOON)
    assert is_good(rotated(old, 7 * DAY))
    assert key_row(old).expires_at == NOON + 7 * DAY


def test_an_overlap_never_makes_a_key_live_longer() -> None:
    old = key(account(), now=NOON, expires_at=NOON + HOUR)
    rotated(old, 7 * DAY)
    assert key_row(old).expires_at == NOON + HOUR


def test_without_an_overlap_the_old_key_ends_with_its_tokens() -> None:
    old = key(account(), now=NOON)
    new = rotated(old, dt.timedelta())
    assert (is_good(old), is_good(new)) == (False, True)
    assert voided() == [("key", key_row(old).key_id)]


def test_the_new_key_is_like_the_old_one() -> None:
    like = {"label": "shop", "companies": [1], "scopes": ["ui:read"], "networks": ["10.0.0.0/8"]}
    old = key(account(companies=[1, 2]), now=NOON, expires_at=NOON + 90 * DAY, **like)
    row = key_row(rotated(old, DAY, NOON + 80 * DAY))
    assert {name: getattr(row, name) for name in like} == like
    assert row.expires_at == NOON + 170 * DAY


def test_only_a_live_key_that_has_no_successor_is_rotated() -> None:
    mine = account()
    old, ended = key(mine, now=NOON), key(mine, now=NOON, expires_at=NOON + HOUR)
    rotated(old, DAY)
    with pytest.raises(Conflict):
        rotated(old, DAY)
    with pytest.raises(Conflict):
        rotated(ended, DAY, NOON + HOUR)
    with pytest.raises(InvalidInput):
        rotated(ended, dt.timedelta(minutes=5))


def test_ten_rotations_without_a_refused_call() -> None:
    text, now = key(account(), now=NOON), NOON
    for _ in range(10):
        new = rotated(text, HOUR, now)
        assert is_good(text, now)
        assert is_good(new, now)
        text, now = new, now + 30 * dt.timedelta(minutes=1)
    with use(system("test")):
        assert ServiceKey.objects.count() == 11


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_key_is_disabled_at_once_and_once() -> None:
    text = key(account(), now=NOON)
    assert disabled(text, " moved ")
    assert not is_good(text)
    assert not disabled(text, "again", NOON + HOUR)
    row = key_row(text)
    assert (row.disabled_at, row.disabled_reason) == (NOON, "moved")
    assert voided() == [("key", row.key_id)]


def test_whoever_finds_a_key_ends_it() -> None:
    text = key(account(), now=NOON)
    found = services.key_report_leak(text=text, source="203.0.113.9", now=NOON)
    assert found is not None
    assert (found.disabled_at, found.disabled_reason) == (NOON, "reported as leaked")
    assert not is_good(text)
    again = services.key_report_leak(text=text, source="203.0.113.9", now=NOON + HOUR)
    assert again is not None
    assert again.disabled_at == NOON
    with use(system("test")):
        assert AuditEntry.objects.filter(action="key_disabled", object_id=found.key_id).count() == 1


def test_what_is_no_key_of_the_hub_ends_nothing() -> None:
    text = key(account(), now=NOON)
    wrong_secret = new_key().text.replace(new_key().key_id, key_row(text).key_id)
    for one in ("", "xrp_", new_key().text, wrong_secret, text[:-1]):
        assert services.key_report_leak(text=one, source=HOME, now=NOON) is None
    assert is_good(text)


def test_keys_that_nobody_uses_are_disabled(settings: Any) -> None:
    settings.KEY_IDLE_DAYS = 90
    mine = account()
    start = NOON - 100 * DAY
    never, long_ago, lately, gone = (key(mine, now=start) for _ in range(4))
    young, over = key(mine, now=NOON - 89 * DAY), key(mine, now=start, expires_at=NOON - DAY)
    is_good(long_ago, NOON - 91 * DAY)
    is_good(lately, NOON - 10 * DAY)
    disabled(gone, "before", NOON - 50 * DAY)
    with use(system("test")):
        assert services.keys_disable_idle(now=NOON) == 2
        assert services.keys_disable_idle(now=NOON) == 0
    reasons = {text: key_row(text).disabled_reason for text in (never, long_ago, lately, gone, young, over)}
    idle = "not used for 90 days"
    assert reasons == {never: idle, long_ago: idle, lately: "", gone: "before", young: "", over: ""}
    assert [is_good(text) for text in (never, long_ago, lately, young)] == [False, False, True, True]


def test_the_task_does_it_without_anybodys_context() -> None:
    text = key(account(), now=NOON)  # years ago
    assert disable_idle_keys() == 1
    assert key_row(text).disabled_at is not None


def test_an_operator_of_the_company_sees_what_became_void_with_its_keys() -> None:
    mine = account(companies=[7])
    text = key(mine, now=NOON)
    key_id = key_row(text).key_id
    disabled(text)
    with use(system("test")):
        services.account_disable(account=mine, actor="anna", now=NOON)
    with use(company(7)):
        seen = AuditEntry.objects.filter(action__endswith="_revoked").order_by("pk")
        assert list(seen.values_list("action", "object_id")) == [("key_revoked", key_id), ("account_revoked", "orders")]
